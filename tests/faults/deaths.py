"""Processes that work on hubs, and are killed in the middle of it."""

import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from random import Random

from tests.faults.lives import Life

KILLS = 5


def deaths_of(worker, folder, seeds, *, breath):
    """Kills the work on a hub for each seed five times, and lets it come to its end; returns the deaths.

    `breath` gives the seconds that a worker has from its first word on, out of the seed's own chance.
    """
    work = import_module(worker).main
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda seed: _live_and_die(work, folder, seed, breath), seeds))


def check_each(folder, seeds, check):
    """Checks the hub and the diary that each seed left; an error names its seed."""
    for seed in seeds:
        try:
            check(folder / f"{seed}.duckdb", folder / f"{seed}.diary")
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def _live_and_die(work, folder, seed, breath):
    random, deaths = Random(seed), 0
    for number in count():
        life = Life(work, folder / f"{seed}.duckdb", folder / f"{seed}.diary", f"{seed}.{number}")
        try:
            if deaths < KILLS and _die(life, random, breath):
                deaths += 1
                continue
            complaint = None
            while (words := life.heard()) is not None:
                complaint = words
            assert life.ended() == 0, f"seed {seed}, life {number}: {complaint}"
            return deaths
        finally:
            life.kill()


def _die(life, random, breath):
    """Kills it: mostly while it works, now and then while it opens the file."""
    if random.random() < 0.1:
        time.sleep(random.random() * 0.1)
    else:
        life.heard()
        time.sleep(breath(random))
    if life.ended(0) is not None:
        return False
    life.kill()
    return True
