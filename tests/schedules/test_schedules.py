"""A slice of the schedules: the campaign plays seventy times as many (`make campaign`)."""

import ast
from pathlib import Path

import pytest

import durablenb.engine
from tests.schedules.bench import failing, play
from tests.schedules.scenarios import SCENARIOS
from tests.schedules.scheduler import Plan, Stuck

SEEDS = 30
ELSEWHERE = {
    "asyncio_executor",
    "clocks",
    "interrupts",
    "locks",
    "process_executor",
    "progress_bars",
    "running_activity",
    "streams",
}
"""Modules that wait for nothing of the engine's: clocks, foreign loops and processes, streams."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_schedule_leaves_anybody_waiting(name):
    assert not list(failing(SCENARIOS[name], range(SEEDS)))


def test_a_wait_that_nobody_ends_is_found():
    def forgotten(bench):
        bench.open()
        bench.client(lambda: bench.engine.completions.watch("nobody") or bench.scheduler.sleep(1e9))

    with pytest.raises(Stuck, match="client-0"):
        play(forgotten, Plan(0))


def test_one_seed_is_one_schedule():
    scenario = SCENARIOS["races_against_timers"]
    first, second = (play(scenario, Plan(5, frozenset({100, 700, 1500}))) for _ in range(2))
    assert first.preempted == second.preempted
    assert len(first.preempted) == 3
    assert first.profile == second.profile


def test_the_engine_waits_with_what_the_scheduler_can_replace():
    for path in Path(durablenb.engine.__file__).parent.rglob("*.py"):
        if path.stem in ELSEWHERE:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = {f"{node.module}.{one.name}" for one in node.names}
                assert not names & {"queue.SimpleQueue", "queue.Queue", "time.monotonic", "time.sleep"}, path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {
                    ("threading", "Lock"),
                    ("threading", "RLock"),
                    ("threading", "Event"),
                    ("threading", "Condition"),
                    ("time", "monotonic"),
                    ("time", "sleep"),
                }, path
