"""Memory is bounded by what is open and in use, not by how long it has been going on."""

from __future__ import annotations

import gc
import tracemalloc

import durablenb as df
from durablenb.core.registry import Activity, Registry
from durablenb.engine.clocks import SystemClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.messages import Start
from durablenb.engine.options import EngineOptions, EpisodeOptions
from durablenb.engine.waiting import wait_for_outcome
from durablenb.lab.memory_store import MemoryStore


def _chain(context):
    total = 0
    for number in range(20):
        total += yield context.call_activity("same", number)
    return total


def test_instances_beyond_the_bound_are_dropped_and_replayed_when_they_go_on():
    registry = Registry()
    registry.add_activity(Activity("same", lambda number: number))
    registry.add_orchestrator(_chain, "chain")
    options = EngineOptions(episodes=EpisodeOptions(max_cached_events=50))
    engine = Engine(MemoryStore(), SystemClock(), registry, Executors("inline"), options)
    engine.committer.start()
    for number in range(12):
        engine.ask(Start(f"chain-{number}", "chain", "null")).result()
    loaded = []
    while engine.step() is not None or not engine.is_idle:
        loaded.append(sum(len(history) for _, history in engine.in_memory("chain")))
    engine.stop(wait=True)
    assert max(loaded[30:]) <= 50 + 2 * 65  # one more history, and the one that is being run
    states = {record.instance_id: record.event for record in engine.store.journal}
    assert {type(event).__name__ for event in states.values()} == {"ExecutionCompleted"}


def test_an_open_instance_has_no_dicts_of_attributes():
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.orchestrator
        def waiting(context):
            yield context.wait_for_external_event("Go")

        for _ in range(2):
            hub.start(waiting)
        opened = [instance for instance, _ in hub._engine.in_memory("waiting")]
        assert len(opened) == 2
        for instance in opened:
            assert not hasattr(instance.execution, "__dict__")  # as Python would make beyond 30 attributes


def test_a_thousand_generations_are_flat_in_memory():
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.orchestrator
        def count_down(context):
            left, until = context.get_input()
            if left > until:
                context.continue_as_new([left - 1, until])
            return left

        hub.run(count_down, [200, 0])
        gc.collect()
        tracemalloc.start()
        hub.run(count_down, [100, 0])
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        hub.run(count_down, [1_000, 0])
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert grown < 100_000  # a hundred bytes a generation would be more


def test_an_ended_instance_leaves_nothing_behind_but_a_short_outcome():
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.orchestrator
        def large(context):
            return "x" * 100_000

        hub.run(large)
        gc.collect()
        tracemalloc.start()
        for _ in range(50):
            hub.run(large)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert grown < 1_000_000


def test_waiting_for_an_outcome_that_was_dropped_from_memory_reads_it_from_the_journal():
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.orchestrator
        def large(context):
            return "x" * 100_000

        handle = hub.start(large)
        assert len(handle.result()) == 100_000
        assert wait_for_outcome(hub.client._control.engine, handle.id, None) is None
        assert len(handle.result()) == 100_000
