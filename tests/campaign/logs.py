"""Power cuts between commits: the log of a hub ends anywhere, and anything may stand behind its last sync."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

import durablenb as df
from durablenb.store.opening import SalvageWarning
from tests.campaign.row import Figures
from tests.store.files import wal_of

INSTANCES = 40

TAILS: tuple[Callable[[Random, bytes], bytes], ...] = (
    lambda random, lost: b"",
    lambda random, lost: b"\0" * len(lost),
    lambda random, lost: random.randbytes(len(lost)),
    lambda random, lost: lost[: len(lost) // 2] + b"\0" * (len(lost) - len(lost) // 2),
    lambda random, lost: bytes(len(lost) // 2) + lost[len(lost) // 2 :],
)
"""What may stand on disk in the place of what was not synced yet."""


def chain(context):
    """Calls three activities, one after the other."""
    done = []
    for number in range(3):
        done.append((yield context.call_activity("double", number)))
    return done


def power_cuts(cuts: int, seed: int) -> Figures:
    """Cuts at any byte of the log of a hub that has worked; each opens, without what came after it."""
    figures, random = Figures(), Random(seed)
    salvaged = 0
    with tempfile.TemporaryDirectory() as name:
        database, log, acknowledged, ids = _recorded(Path(name), random)
        for cut in range(cuts):
            place = random.randrange(acknowledged[0][0], len(log))
            tail = random.choice(TAILS)(random, log[place : place + random.randrange(1, 20_000)])
            folder = Path(name) / f"cut{cut}"
            folder.mkdir()
            path = folder / "hub.duckdb"
            path.write_bytes(database)
            wal_of(path).write_bytes(log[:place] + tail)
            figures.tried += 1
            try:
                salvaged += _check(path, [one for size, one in acknowledged if size <= place], ids)
            except Exception as error:
                figures.failures.append(f"seed {seed}, cut {cut} at {place}: {type(error).__name__}: {error}")
            shutil.rmtree(folder)
    figures.note = f"{salvaged} of them opened by a salvage"
    return figures


def _recorded(folder: Path, random: Random) -> tuple[bytes, bytes, list[tuple[int, str]], set[str]]:
    """A hub's database and log, how long the log was at each acknowledgement of an end, and all ids."""
    path = folder / "hub.duckdb"
    acknowledged = []
    with df.TaskHub(path) as hub:
        hub.add_activity(lambda number: 2 * number, "double")
        hub.add_orchestrator(chain)
        for number in range(INSTANCES):
            handle = hub.start(chain, "x" * random.randrange(2_000), instance_id=f"i{number}")
            handle.result(60)
            acknowledged.append((wal_of(path).stat().st_size, handle.id))
        return path.read_bytes(), wal_of(path).read_bytes(), acknowledged, {one for _, one in acknowledged}


def _check(path: Path, acknowledged: list[str], ids: set[str]) -> bool:
    """What was acknowledged is there, and the rest goes on; answers whether something was salvaged."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SalvageWarning)
        hub = df.TaskHub(path, mode="kernel")
    with hub:
        seqs = [row[0] for row in hub.sql("select seq from history order by seq").fetchall()]
        assert seqs == list(range(1, len(seqs) + 1)), "something is missing in the middle"
        there = {status.instance_id: str(status.runtime_status) for status in hub.instances()}
        lost = [one for one in acknowledged if there.get(one) != "Completed"]
        assert not lost, f"acknowledged, and lost: {lost}"
        assert there.keys() <= ids
        hub.add_activity(lambda number: 2 * number, "double")
        hub.add_orchestrator(chain)
        for one in there:
            assert hub.handle(one).result(60) == [0, 2, 4]
    return any(issubclass(warning.category, SalvageWarning) for warning in caught)
