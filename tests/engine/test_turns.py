"""A thread that ends an activity goes on with its orchestration itself; all that follows still happens."""

import contextlib
import threading
import time
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.engine.executors import Worker


@pytest.fixture
def hub():
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(lambda value: value, "echo")
        yield hub


def test_the_thread_that_ended_an_activity_runs_what_comes_next(hub):
    seen = []

    def look(context):
        yield context.call_activity("echo", 1)
        seen.append(threading.current_thread())

    hub.add_orchestrator(look)
    for _ in range(20):
        hub.run(look)
    assert any(isinstance(thread, Worker) for thread in seen)


def test_a_timer_that_is_set_there_fires(hub):
    def wait(context):
        yield context.call_activity("echo", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(milliseconds=30))
        return "fired"

    hub.add_orchestrator(wait)
    assert [hub.run(wait) for _ in range(5)] == ["fired"] * 5


def test_inline_activities_stay_in_the_thread_that_drives_the_hub(hub):
    threads = []
    hub.add_activity(lambda: threads.append(threading.current_thread().name), "here", executor="inline")

    def both(context):
        for number in range(5):
            yield context.call_activity("echo", number)
            yield context.call_activity("here")

    hub.add_orchestrator(both)
    hub.run(both)
    assert set(threads) == {"durablenb-engine"}
    assert len(threads) == 5


def test_many_ends_are_taken_together(hub):
    """An episode for each end of a wide fan-out would be dear."""

    def fan_out(context):
        yield context.task_all([context.call_activity("echo", number) for number in range(1_000)])

    hub.add_orchestrator(fan_out)
    handle = hub.start(fan_out)
    handle.result()
    kinds = [type(event).__name__ for event in handle.history()]
    assert kinds.count("OrchestratorStarted") < 200


def test_a_mistake_of_the_engine_stops_the_hub_there_too(hub, monkeypatch):
    def two(context):
        yield context.call_activity("echo", 1)
        yield context.call_activity("echo", 2)

    hub.add_orchestrator(two)
    machine = hub._engine.machine
    run, threads = machine.run_episodes, []

    def broken():
        if isinstance(threading.current_thread(), Worker):
            threads.append(threading.current_thread())
            raise LookupError("planted")
        run()

    monkeypatch.setattr(machine, "run_episodes", broken)
    for _ in range(20):
        with contextlib.suppress(df.DurableError):
            hub.run(two)
    assert threads
    with pytest.raises(df.DurableError, match=r"mistake in durablenb itself: LookupError: planted"):
        hub.start(two)


def test_closing_does_not_wait_for_ever_for_an_orchestrator_that_does_not_come_back():
    is_over, is_stuck = threading.Event(), threading.Event()

    def stuck(context):
        yield context.call_activity("echo", 1)
        is_stuck.set()
        is_over.wait(60)

    hub = df.TaskHub(":memory:")
    try:
        hub.add_activity(lambda value: value, "echo")
        hub.add_orchestrator(stuck)
        hub.start(stuck)
        assert is_stuck.wait(30)
        begin = time.monotonic()
        hub._close(wait=False)  # as the end of the process does
        assert time.monotonic() - begin < 20
    finally:
        is_over.set()


def test_an_executor_that_ends_a_call_at_once_is_not_a_turn_in_a_turn(hub):
    class AtOnce:
        def submit(self, job):
            if job.begin():
                job.finish("7")

        def drop_queued(self):
            pass

        def close(self, *, wait):
            pass

    hub.add_activity(lambda: 0, "seven", executor=AtOnce())

    def mixed(context):
        values = []
        for number in range(10):
            values.append((yield context.call_activity("echo", number)))
            values.append((yield context.call_activity("seven")))
        return values

    hub.add_orchestrator(mixed)
    assert hub.run(mixed)[-4:] == [8, 7, 9, 7]
