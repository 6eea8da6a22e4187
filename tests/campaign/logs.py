"""Power cuts between commits: the log of a hub ends anywhere, and anything may follow its last sync."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import durablenb as df
from durablenb.store.lockfile import durable_log_path
from durablenb.store.log_file import reading
from durablenb.store.log_format import Frame
from durablenb.store.salvage import SalvageWarning
from tests.campaign.row import Figures
from tests.faults.log_power import check, moments
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


@dataclass
class Recorded:
    """A hub that has worked: its files at some moments, its whole log, and what it acknowledged."""

    log: bytes
    ends: list[int]
    """Where each frame ends."""
    acknowledged: list[tuple[int, str]]
    """How far the log was when the end of an instance was acknowledged, and its id."""
    databases: list[tuple[int, bytes, bytes]]
    """How far the log was, the database and DuckDB's log, which may be behind."""


def power_cuts(cuts: int, seed: int) -> Figures:
    """Cuts at any byte of the log of a hub that has worked; each opens, without what came after it."""
    figures, random = Figures(), Random(seed)
    salvaged = 0
    with tempfile.TemporaryDirectory() as name:
        recorded = _recorded(Path(name), random)
        ids = {one for _, one in recorded.acknowledged}
        for cut in range(cuts):
            place = random.randrange(recorded.acknowledged[0][0], recorded.ends[-1])
            end = next(end for end in recorded.ends if end > place)  # of the frame that is being written
            folder = Path(name) / f"cut{cut}"
            folder.mkdir()
            path = folder / "hub.duckdb"
            whole = recorded.log[:place] + random.choice(TAILS)(random, recorded.log[place:end])
            durable_log_path(path).write_bytes(whole)
            _, database, wal = random.choice([one for one in recorded.databases if one[0] <= place])
            path.write_bytes(database)
            kept = wal[: random.randrange(1 + len(wal))]
            wal_of(path).write_bytes(random.choice((wal, wal, kept, kept + bytes(len(wal) - len(kept)))))
            figures.tried += 1
            try:
                salvaged += _check(path, [one for size, one in recorded.acknowledged if size <= place], ids)
            except Exception as error:
                figures.failures.append(f"seed {seed}, cut {cut} at {place}: {type(error).__name__}: {error}")
            shutil.rmtree(folder)
    figures.note = f"DuckDB's log was damaged, and not needed, in {salvaged} of them"
    return figures


def power_moments(count: int, seed: int) -> Figures:
    """Power cuts at every write to the log of stores with checkpoints, purges, blobs and imports."""
    figures = Figures()
    for one in range(seed, seed + count):
        with tempfile.TemporaryDirectory() as name:
            for number, moment in enumerate(moments(Path(name) / "hub.duckdb", one)):
                folder = Path(name) / f"cut{number}"
                folder.mkdir()
                figures.tried += 1
                try:
                    check(moment, folder)
                except Exception as error:
                    figures.failures.append(f"seed {one}, moment {number}: {type(error).__name__}: {error}")
    return figures


def _recorded(folder: Path, random: Random) -> Recorded:
    path = folder / "hub.duckdb"
    acknowledged, databases = [], []
    with df.TaskHub(path) as hub:
        hub.add_activity(lambda number: 2 * number, "double")
        hub.add_orchestrator(chain)
        for number in range(INSTANCES):
            handle = hub.start(chain, "x" * random.randrange(2_000), instance_id=f"i{number}")
            handle.result(60)
            acknowledged.append((_ends(path)[-1], handle.id))
            if number % 10 == 0:
                hub.sql("select 1")  # the tables have it, too
                databases.append((_ends(path)[-1], path.read_bytes(), wal_of(path).read_bytes()))
        return Recorded(durable_log_path(path).read_bytes(), _ends(path), acknowledged, databases)


def _ends(path: Path) -> list[int]:
    with reading(durable_log_path(path)) as (_, frames):
        return [frame.end for frame in frames if isinstance(frame, Frame)]


def _check(path: Path, acknowledged: list[str], ids: set[str]) -> bool:
    """Check that acknowledged records are there and the rest goes on; return True if the hub was salvaged."""
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
