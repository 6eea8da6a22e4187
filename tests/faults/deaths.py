"""Processes that work on hubs, and are killed in the middle of it."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import count
from random import Random

from tests.faults.lives import Life

KILLS = 5


MOST_NOTES = 60
"""The most notes that a worker adds to its diary before it is killed; in all it adds some 250."""


def deaths_of(worker, folder, seeds):
    """Kills the work on a hub for each seed five times, and lets it come to its end; returns the deaths."""
    work = import_module(worker).main
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(lambda seed: _live_and_die(work, folder, seed), seeds))


def begun_again(folder, seeds):
    """How many activities or operations began more than once, as they do if a death came while they ran."""
    count = 0
    for seed in seeds:
        lines = (folder / f"{seed}.diary").read_text().splitlines()
        begun = Counter(line for line in lines if line.startswith("begun "))
        count += sum(times > 1 for times in begun.values())
    return count


def check_each(folder, seeds, check):
    """Checks the hub and the diary that each seed left; an error names its seed."""
    for seed in seeds:
        try:
            check(folder / f"{seed}.duckdb", folder / f"{seed}.diary")
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def _live_and_die(work, folder, seed):
    random, deaths, diary = Random(seed), 0, folder / f"{seed}.diary"
    for number in count():
        life = Life(work, folder / f"{seed}.duckdb", diary, f"{seed}.{number}")
        try:
            if deaths < KILLS and _die(life, diary, random):
                deaths += 1
                continue
            complaint = None
            while (words := life.heard()) is not None:
                complaint = words
            assert life.ended() == 0, f"seed {seed}, life {number}: {complaint}"
            return deaths
        finally:
            life.kill()


def _die(life, diary, random):
    """Kills it: mostly while it works, however fast that is; now and then while it opens the file."""
    if random.random() < 0.1:
        time.sleep(random.random() * 0.1)
    else:
        life.heard()
        enough = _notes(diary) + random.randrange(MOST_NOTES)
        while _notes(diary) < enough and life.ended(0) is None:
            time.sleep(0.001)
        time.sleep(random.random() * 0.003)
    if life.ended(0) is not None:
        return False
    life.kill()
    return True


def _notes(diary):
    return diary.read_bytes().count(b"\n")
