"""Processes that work on hubs, and are killed in the middle of it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random

KILLS = 5


def deaths_of(worker, folder, seeds, *, breath):
    """Kills the work on a hub for each seed five times, and lets it come to its end; returns the deaths.

    `breath` gives the seconds that a worker has from its first line on, out of the seed's own chance.
    """
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda seed: _live_and_die(worker, folder, seed, breath), seeds))


def check_each(folder, seeds, check):
    """Checks the hub and the diary that each seed left; an error names its seed."""
    for seed in seeds:
        try:
            check(folder / f"{seed}.duckdb", folder / f"{seed}.diary")
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def _live_and_die(worker, folder, seed, breath):
    random, deaths = Random(seed), 0
    for life in count():
        process = _begin(worker, folder, seed, f"{seed}.{life}")
        try:
            if deaths < KILLS and _die(process, random, breath):
                deaths += 1
                continue
            _, complaint = process.communicate(timeout=90)
            assert process.returncode == 0, f"seed {seed}, life {life}: {complaint}"
            return deaths
        finally:
            process.kill()
            process.communicate()


def _begin(worker, folder, seed, chance):
    return subprocess.Popen(
        [sys.executable, "-m", worker, folder / f"{seed}.duckdb", folder / f"{seed}.diary", chance],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def _die(process, random, breath):
    """Kills it: mostly while it works, now and then while it opens the file."""
    if random.random() < 0.1:
        time.sleep(0.1 + random.random() * 0.3)
    else:
        process.stdout.readline()
        time.sleep(breath(random))
    if process.poll() is not None:
        return False
    process.kill()
    process.wait()
    return True
