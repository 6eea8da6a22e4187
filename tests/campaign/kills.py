"""SIGKILL: of working hubs, again and again on one file each, and of `durablenb repair`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from durablenb.store.duckdb_store import DuckStore
from durablenb.store.lockfile import durable_log_path
from durablenb.store.log_file import reading
from durablenb.store.log_format import Frame
from durablenb.store.repair import repair
from tests.campaign.row import Figures
from tests.faults import test_kill, test_kill_entities
from tests.faults.deaths import KILLS, deaths_of
from tests.store.files import assert_kept, contents, flip
from tests.store.scribe import Scribe

ACKNOWLEDGED = ("started", "raised", "signaled")

Check = Callable[[Path, Path], None]


def orchestrations(kills: int, seed: int) -> Figures:
    """Kills of processes that run chains, fans, families, waiters and sleepers."""
    return _hubs("tests.faults.worker", kills, seed, test_kill.check)


def entities(kills: int, seed: int) -> Figures:
    """Kills of processes in which entities are called, signaled and locked."""
    return _hubs("tests.faults.bank_worker", kills, seed, test_kill_entities.check)


def _hubs(worker: str, kills: int, seed: int, check: Check) -> Figures:
    figures = Figures()

    def live_and_die(one: int) -> tuple[int, int]:
        """The number of kills, and of acknowledgements in the diary."""
        deaths = 0
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            diary = folder / f"{one}.diary"
            try:
                deaths = deaths_of(worker, folder, [one])
                check(folder / f"{one}.duckdb", diary)
            except Exception as error:
                figures.failures.append(f"seed {one}: {type(error).__name__}: {error}")
            lines = diary.read_text().splitlines() if diary.exists() else []
            return deaths, sum(line.startswith(ACKNOWLEDGED) for line in lines)

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(live_and_die, range(seed, seed + max(1, kills // KILLS))))
    figures.tried = sum(deaths for deaths, _ in counts)
    acknowledged = sum(count for _, count in counts)
    figures.note = f"{acknowledged:,} acknowledgements"
    return figures


def repairs(kills: int, seed: int) -> Figures:
    """Kills of `durablenb repair`: the damaged files are kept, and the next one saves what can be saved."""
    figures, random = Figures(), Random(seed)
    lifetime = 1.0
    for number in range(10 * kills):
        if figures.tried == kills:
            break
        with tempfile.TemporaryDirectory() as name:
            path, ends = _left_by_a_kill(Path(name))
            whole = random.randrange(1, len(ends) - 1)
            flip(durable_log_path(path), random.randrange(ends[whole - 1], ends[whole]))
            before = contents(path.parent)
            begin = time.monotonic()
            if _is_killed(path, random.random() * lifetime):
                figures.tried += 1
            else:
                lifetime = time.monotonic() - begin  # so that the next ones come before the end
            try:
                assert_kept(before, path.parent)
                repair(path)
                assert_kept(before, path.parent)
                store = DuckStore(path)
                found = [seq for (seq,) in store.query("select seq from journal order by seq")]
                store.close()
                assert found == list(range(1, 1 + len(found))), "something is missing in the middle"
                assert len(found) >= whole, "what was before the damage is lost"
            except Exception as error:
                figures.failures.append(f"seed {seed}, repair {number}: {type(error).__name__}: {error}")
    return figures


def _left_by_a_kill(folder: Path) -> tuple[Path, list[int]]:
    """Return the files of a store that was killed after 20 writes, and where each of them ends in the log."""
    alive, left = folder / "alive", folder / "left"
    alive.mkdir()
    left.mkdir()
    store, scribe = DuckStore(alive / "hub.duckdb"), Scribe()
    for number in range(20):
        scribe.start(f"i{number}")
        store.append(scribe.take())
    for path in alive.glob("hub.duckdb*"):
        if path.suffix != ".lock":
            shutil.copy(path, left)
    store.close()
    shutil.rmtree(alive)
    with reading(durable_log_path(left / "hub.duckdb")) as (_, frames):
        return left / "hub.duckdb", [frame.end for frame in frames if isinstance(frame, Frame)]


def _is_killed(path: Path, seconds: float) -> bool:
    """Repairs the file in a process that is killed so many seconds later, if it isn't done by then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "durablenb", "repair", path],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
