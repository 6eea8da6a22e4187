"""Planted faults: each is planted in a copy of the tree, and the nearest tests must fail there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.campaign.planted import PLANTED, Planted
from tests.campaign.row import Figures

ROOT = Path(__file__).parents[2]
COPIED = ("durablenb", "tests", "pyproject.toml")
SECONDS = 1_800
"""The longest that tests may take; a test that hangs is ended, and fails, long before."""

PYTEST = ("-q", "-x", "-p", "no:cacheprovider", "-p", "pytest_timeout")
ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # most of the time of a small run goes into importing them
    "PYTHONDONTWRITEBYTECODE": "1",
}

FAILED = 1
"""What pytest answers if a test failed."""


class StaleFaultError(Exception):
    """A planted fault doesn't fit the code any more."""


def mutants(count: int, seed: int) -> Figures:
    """So many of the planted faults, or all; what no test notices is a failure."""
    chosen = Random(seed).sample(PLANTED, min(count, len(PLANTED)))
    for fault in chosen:
        text_with(fault, ROOT)  # all of them fit, or nothing is begun
    figures = Figures()
    with tempfile.TemporaryDirectory() as name:
        tree = copied(Path(name) / "tree")
        for fault in chosen:
            figures.tried += 1
            if not is_caught(fault, tree):
                figures.failures.append(f"{fault.file}: {fault.what} ({fault.tests})")
    return figures


def copied(tree: Path) -> Path:
    """A copy of what the tests need."""
    tree.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    return tree


def text_with(fault: Planted, root: Path) -> str:
    """The file's text with the fault in it.

    Raises
    ------
    StaleFaultError
        If its place isn't there exactly once.
    """
    text = (root / fault.file).read_text(encoding="utf-8")
    count = text.count(fault.old)
    if count != 1:
        raise StaleFaultError(
            f"{fault.file} has {count} places for the planted fault {fault.what!r}; expected one. The code "
            "has changed: plant the same fault in what it is now, in tests/campaign/planted.py."
        )
    return text.replace(fault.old, fault.new)


def is_caught(fault: Planted, tree: Path) -> bool:
    """Return True if a test in the tree fails while the fault is planted there.

    Raises
    ------
    StaleFaultError
        If there was no test to fail, or pytest could not begin.
    """
    place = tree / fault.file
    sound = place.read_text(encoding="utf-8")
    place.write_text(text_with(fault, tree), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *PYTEST, *fault.tests.split()],
            capture_output=True,
            text=True,
            cwd=tree,
            env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(tree)},
            timeout=SECONDS,
            check=False,
        )
    finally:
        place.write_text(sound, encoding="utf-8")
    if done.returncode not in (0, FAILED):
        raise StaleFaultError(f"pytest {fault.tests} answered {done.returncode}: {done.stdout[-500:]}")
    return done.returncode == FAILED
