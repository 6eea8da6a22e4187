"""SIGKILL: of working hubs, again and again on one file each, and of `durablenb repair`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

from durablenb.store.opening import open_database
from durablenb.store.repair import repair
from tests.campaign.row import Figures
from tests.faults import test_kill, test_kill_entities
from tests.faults.deaths import KILLS, deaths_of
from tests.store.files import assert_kept, contents, flip, numbers, wal_of, write_commits

ACKNOWLEDGED = ("started", "raised", "signaled")

Breath = Callable[[Random], float]
Check = Callable[[Path, Path], None]


def orchestrations(kills: int, seed: int) -> Figures:
    """Kills of processes that run chains, fans, families, waiters and sleepers."""
    return _hubs(
        "tests.faults.worker", kills, seed, lambda random: random.random() ** 2 * 0.2, test_kill.check
    )


def entities(kills: int, seed: int) -> Figures:
    """Kills of processes in which entities are called, signaled and locked."""
    return _hubs(
        "tests.faults.bank_worker",
        kills,
        seed,
        lambda random: random.random() * 0.25,
        test_kill_entities.check,
    )


def _hubs(worker: str, kills: int, seed: int, breath: Breath, check: Check) -> Figures:
    figures = Figures()

    def live_and_die(one: int) -> tuple[int, int]:
        """The number of kills, and of acknowledgements in the diary."""
        deaths = 0
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            diary = folder / f"{one}.diary"
            try:
                deaths = deaths_of(worker, folder, [one], breath=breath)
                check(folder / f"{one}.duckdb", diary)
            except Exception as error:
                figures.failures.append(f"seed {one}: {type(error).__name__}: {error}")
            lines = diary.read_text().splitlines() if diary.exists() else []
            return deaths, sum(line.startswith(ACKNOWLEDGED) for line in lines)

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(live_and_die, range(seed, seed + max(1, kills // KILLS))))
    figures.tried = sum(deaths for deaths, _ in counts)
    acknowledged = sum(count for _, count in counts)
    figures.note = f"{acknowledged:,} acknowledgements in diaries beside the hubs"
    return figures


def repairs(kills: int, seed: int) -> Figures:
    """Kills of `durablenb repair`: the damaged files are kept, and the next one saves what can be saved."""
    figures, random = Figures(), Random(seed)
    lifetime = 1.0
    for number in range(10 * kills):
        if figures.tried == kills:
            break
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "hub.duckdb"
            sizes = write_commits(path, 20)
            whole = random.randrange(1, 20)
            flip(wal_of(path), random.randrange(sizes[whole - 1], sizes[whole]))
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
                with open_database(path) as connection:
                    found = numbers(connection)
                assert found == list(range(len(found))), "something is missing in the middle"
                assert len(found) >= whole, "what was before the damage is lost"
            except Exception as error:
                figures.failures.append(f"seed {seed}, repair {number}: {type(error).__name__}: {error}")
    return figures


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
