"""Hundreds of seeds break no rule, a seed always plays the same, and DuckDB plays it as the model does."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from durablenb.store.duckdb_store import DuckStore
from tests.simulation.mutants import MUTANTS
from tests.simulation.simulation import simulate

ROOT = Path(__file__).parent.parent.parent
SEEDS = 200
"""CI has ten thousand more: `make simulator`."""

SEEDS_ON_DUCKDB = range(8)
ENOUGH = 1_000
"""Seeds within which a planted bug must be found."""
FOUND_BY = {
    "a_parent_is_canceled_where_only_its_child_was": 254,
    "a_purge_shares_its_batch": 218,
    "a_timer_of_an_older_generation_fires": 159,
    "a_restart_forgets_what_a_rate_counts": 152,
    "continue_as_new_drops_events": 105,
}
"""Seeds for bugs that few seeds find. They are tried first; if the simulator has changed, others follow."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """That instances are held is part of the play."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def command(*arguments: object, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(900)
def test_no_crash_full_disk_interrupt_or_set_clock_breaks_a_rule():
    done = command("--seeds", SEEDS, "--processes", min(4, os.cpu_count() or 1))
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
    assert f"{SEEDS} seeds from 0: 0 broke a rule" in done.stdout


def test_a_seed_plays_the_same_each_time():
    for seed in range(20):
        first, second = (simulate(seed, is_traced=True) for _ in range(2))
        assert first.trace == second.trace
        assert first.trace_hash == second.trace_hash


def test_a_seed_plays_the_same_in_every_process():
    first, second = (command("--seed", 7, "--trace", hash_seed=hash_seed) for hash_seed in "12")
    assert "trace hash" in first.stdout
    assert first.stdout == second.stdout


@pytest.mark.parametrize("seed", SEEDS_ON_DUCKDB)
def test_a_seed_leaves_the_same_journal_on_a_real_file(seed, tmp_path):
    on_duckdb = simulate(seed, lambda: DuckStore(tmp_path / "hub.duckdb"), is_traced=True)
    in_memory = simulate(seed, is_traced=True)
    assert not on_duckdb.violations
    assert on_duckdb.trace == in_memory.trace
    assert on_duckdb.journal == in_memory.journal


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name):
    with MUTANTS[name]():
        seeds = sorted(range(ENOUGH), key=lambda seed: seed != FOUND_BY.get(name))
        found = next((seed for seed in seeds if simulate(seed).violations), None)
    assert found is not None, f"{ENOUGH} seeds did not find that {name.replace('_', ' ')}"
    assert not simulate(found).violations, "the seed breaks a rule without the bug, too"


def test_a_seed_that_breaks_a_rule_is_named():
    done = command("--seeds", 50, "--mutant", "timers_fire_early")
    assert done.returncode == 1
    assert "I8: a timer fires early" in done.stdout
    assert "python -m tests.simulation --seed" in done.stdout
