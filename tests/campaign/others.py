"""Rows that other programs of the tests run: simulators, and tests that are repeated."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.campaign.row import Figures
from tests.simulation.campaign import campaign

ROOT = Path(__file__).parents[2]

PYTESTS_OWN = re.compile(r"^  File .*(?:[/\\](?:_?pytest|pluggy)[/\\]|<frozen).* in .*\n", re.MULTILINE)

COUNTS = re.compile(r"(\d+) (passed|failed|errors?)\b")


def simulated(seeds: int, seed: int) -> Figures:
    """Seeds of the simulator: an engine on one thread, in a world in which all goes wrong."""
    failed = campaign(seed, seeds, os.cpu_count() or 1)
    return Figures(seeds, [f"seed {one}: {broken[0][:300]}" for one, broken in failed])


def program(*arguments: str) -> Callable[[int, int], Figures]:
    """A row of a program that takes a number and a seed, says each failure in a line, and ends with 1 then.

    Parameters
    ----------
    *arguments
        Of Python; ``{count}`` and ``{seed}`` stand for the two.
    """
    return partial(_program, arguments)


def _program(arguments: tuple[str, ...], count: int, seed: int) -> Figures:
    filled = [argument.format(count=count, seed=seed) for argument in arguments]
    done = _run(*filled)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return Figures(count, lines[:-1] or lines if done.returncode else [])


def repeated(*tests: str) -> Callable[[int, int], Figures]:
    """A row of tests that are run so many times; each test of each time counts."""
    return partial(_repeated, tests)


def _repeated(tests: tuple[str, ...], times: int, seed: int) -> Figures:
    figures = Figures()
    for _ in range(times):
        done = _run("-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
        counted = {word: int(number) for number, word in COUNTS.findall(done.stdout)}
        figures.tried += sum(counted.values())
        if done.returncode:
            broken = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
            figures.failures += broken or [_end(done.stdout + done.stderr)]
    return figures


def _end(printed: str) -> str:
    """Return what was printed last; of a process that crashed, where its threads were, without pytest."""
    _, fatal, stacks = printed.partition("Fatal Python error")
    return fatal + PYTESTS_OWN.sub("", stacks) if fatal else printed[-300:]


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
