"""Many seeds, in one process or in several."""

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.simulation import simulate

CHUNK = 250

Failed = list[tuple[int, list[str]]]
"""Seeds that broke a rule, with what they broke."""


def campaign(start: int, count: int, processes: int = 1) -> Failed:
    """Runs `count` seeds from `start` on."""
    chunks = [range(first, min(first + CHUNK, start + count)) for first in range(start, start + count, CHUNK)]
    if processes == 1:
        return [failure for chunk in chunks for failure in failures(chunk)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        return [failure for found in pool.map(failures, chunks) for failure in found]


def failures(seeds: range) -> Failed:
    """The seeds among these that break a rule."""
    logging.disable()  # that instances are held is part of the play
    found = []
    for seed in seeds:
        violations = simulate(seed).violations
        if violations:
            found.append((seed, violations))
    return found
