"""Calls of activities with a limit of time."""

import asyncio
import math
import os
import pathlib
import shutil
import threading
import time
from datetime import timedelta

import psutil
import pytest

import durablenb as df
from durablenb.model.events import TaskScheduled
from tests.calls import fan_out, one_call, start_call
from tests.traps.lab import kinds
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("by_value")


@pytest.fixture
def clock():
    """Moved by hand while an activity runs: `hub.clock.advance` would wait for its end."""
    return df.VirtualClock()


# -- in the thread that drives the hub -------------------------------------------------------------


@pytest.fixture
def kernel(clock):
    with df.TaskHub(":memory:", mode="kernel", clock=clock, verify_replay=True) as hub:
        yield hub


@pytest.fixture
def register_take(kernel, clock):
    """Registers an activity that takes as many seconds as it is given."""

    def take(seconds):
        clock.advance(seconds=seconds)
        return seconds

    return lambda **options: kernel.add_activity(take, **options)


def test_a_call_that_takes_too_long_fails_with_a_timeout_error(kernel, register_take):
    for registered, called, seconds, expected in [
        (None, 5, 6, "'take' ran for longer than its limit of 5 s."),
        (None, 5, 5, 5),
        (None, timedelta(seconds=6), 6, 6),
        (timedelta(seconds=10), None, 11, "'take' ran for longer than its limit of 10 s."),
        (timedelta(seconds=10), None, 9, 9),
        (10, 20, 11, 11),
        (10, 2.5, 3, "'take' ran for longer than its limit of 2.5 s."),
    ]:
        register_take(timeout=registered)
        assert start_call(kernel, "take", seconds, timeout=called).result() == expected


@pytest.mark.parametrize(
    "options", [{"max_concurrency": 1}, {"queue": df.Queue("slow", rate=(1, timedelta(hours=1)))}], ids=str
)
def test_the_time_before_the_call_begins_does_not_count(kernel, register_take, options):
    register_take(timeout=10, **options)
    assert fan_out(kernel, "take", [9] * 5).result() == [9] * 5


def test_a_call_knows_when_it_times_out(kernel, clock):
    @kernel.activity
    def left(seconds, activity: df.ActivityContext):
        clock.advance(seconds=seconds)
        return (activity.deadline - clock.now()).total_seconds()

    assert start_call(kernel, left, 4, timeout=10).result() == 6


def test_retries_see_the_time_out_of_each_attempt_and_its_checkpoint(kernel, clock):
    seen = []

    @kernel.activity
    def crawl(activity: df.ActivityContext):
        first = activity.last_checkpoint or 0
        seen.append((activity.attempt, first))
        activity.checkpoint(first + 7)
        clock.advance(seconds=20 - first)
        return "done"

    retry = df.RetryOptions(1_000, 3, handle=lambda failure: "TimeoutError" in failure.error_type)
    handle = start_call(kernel, crawl, retry=retry, timeout=10)
    assert handle.result() == "done"
    assert seen == [(1, 0), (2, 7), (3, 14)]
    found = kinds(handle.history())
    assert (found.count("TaskFailed"), found.count("TaskCompleted")) == (2, 1)
    scheduled = [event for event in handle.history() if isinstance(event, TaskScheduled)]
    assert [event.timeout for event in scheduled] == [10, 10, 10]
    statuses = kernel.sql("select status from activities order by task_id").fetchall()
    assert statuses == [("Failed",), ("Failed",), ("Completed",)]


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        (10**400, ValueError),
        (timedelta(0), ValueError),
        (timedelta(days=40_000), ValueError),
        ("5", TypeError),
        (True, TypeError),
    ],
)
def test_a_limit_that_is_none_is_refused(timeout, error):
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.orchestrator
        def calls(context):
            with pytest.raises(error, match="timeout is"):
                context.call_activity_with_retry("a", df.RetryOptions(1_000, 3), timeout=timeout)
            for name in ("timeout", "heartbeat_timeout"):
                with pytest.raises(error, match=f"{name} is"):
                    context.call_activity("a", **{name: timeout})

        hub.run(calls)
        for name in ("timeout", "heartbeat_timeout"):
            with pytest.raises(error, match=f"{name} is"):
                hub.add_activity(len, "a", **{name: timeout})


def test_another_limit_in_the_code_is_no_mismatch(tmp_path, clock):
    def opened(timeout):
        def calls(context):
            yield context.call_activity("take", 1, timeout=timeout)
            yield context.wait_for_external_event("go")
            return (yield context.call_activity("take", 3, timeout=timeout))

        hub = df.TaskHub(tmp_path / "flows.duckdb", mode="kernel", clock=clock)
        hub.add_activity(lambda seconds: clock.advance(seconds=seconds), "take")
        hub.add_orchestrator(calls)
        return hub

    with opened(2) as hub:
        hub.start("calls", instance_id="a")
        while hub.step() is not None:
            pass
    with opened(4) as hub:
        hub.handle("a").raise_event("go")
        assert hub.handle("a").result() is None


# -- in threads, processes and event loops ---------------------------------------------------------


def test_a_thread_is_asked_and_the_orchestration_goes_on(clock):
    begun, seen = threading.Event(), []

    def wait():
        activity = df.current_activity()
        seen.append(activity.deadline - clock.now())
        begun.set()
        until(lambda: activity.is_cancelled)
        seen.append("asked")
        activity.raise_if_cancelled()

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(wait)
        handle = start_call(hub, "wait", timeout=60)
        assert begun.wait(20)
        clock.advance(seconds=60)
        assert "limit of 60 s" in handle.result(20)
        until(lambda: len(seen) == 2)
        assert not handle.logs()  # it ended as it was asked to
    assert seen == [timedelta(seconds=60), "asked"]


def test_a_process_is_killed_and_another_one_takes_its_place(clock, tmp_path):
    def hang(path):
        pathlib.Path(path + ".new").write_text(str(os.getpid()))
        pathlib.Path(path + ".new").rename(path)
        time.sleep(600)

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(hang, executor="processes", timeout=60)
        hub.add_activity(lambda n: os.getpid(), "pid", executor="processes")
        paths = [tmp_path / "a", tmp_path / "b"]
        handles = [start_call(hub, "hang", str(path)) for path in paths]
        until(lambda: all(path.exists() for path in paths))
        pids = [int(path.read_text()) for path in paths]
        clock.advance(seconds=60)
        assert all("limit of 60 s" in handle.result(20) for handle in handles)
        until(lambda: not any(psutil.pid_exists(pid) for pid in pids))
        assert start_call(hub, "pid", 1).result(60) not in pids


def test_a_coroutine_is_cancelled(clock):
    begun, seen = threading.Event(), []

    async def hang():
        begun.set()
        try:
            await asyncio.sleep(600)
        finally:
            seen.append("finally")

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(hang, timeout=60)
        handle = start_call(hub, "hang")
        assert begun.wait(20)
        clock.advance(seconds=60)
        assert "limit of 60 s" in handle.result(20)
        until(lambda: seen)


def test_the_machines_clock_works_too(tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        hub.add_activity(lambda: time.sleep(600), "hang", executor="processes")
        began = time.monotonic()
        assert "limit of 0.3 s" in start_call(hub, "hang", timeout=0.3).result(30)
        assert time.monotonic() - began < 20


def test_a_call_that_ends_in_time_leaves_nothing_behind(clock):
    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(lambda: 1, "quick", timeout=60)
        handle = start_call(hub, "quick")
        assert handle.result(20) == 1
        assert hub.clock.next_due() is None
        hub.clock.advance(hours=1)
        assert "TaskFailed" not in kinds(handle.history())


def test_after_a_crash_the_call_has_its_time_again(tmp_path, clock):
    begun, is_over = threading.Semaphore(0), threading.Event()

    async def hang():
        begun.release()
        while not is_over.is_set():
            await asyncio.sleep(0.01)

    (tmp_path / "before").mkdir()
    with df.TaskHub(tmp_path / "before" / "flows.duckdb", clock=clock) as hub:
        start_call(hub, hub.activity(hang), instance_id="a", timeout=60)
        assert begun.acquire(timeout=20)
        clock.advance(seconds=59)
        shutil.copytree(tmp_path / "before", tmp_path / "after")  # what a crash would leave
        is_over.set()
    is_over.clear()
    with df.TaskHub(tmp_path / "after" / "flows.duckdb", clock=clock, verify_replay=True) as hub:
        hub.add_activity(hang)
        hub.add_orchestrator(one_call("hang", timeout=60))
        handle = hub.handle("a")
        assert begun.acquire(timeout=20)
        clock.advance(seconds=59)
        assert handle.status().runtime_status == "Running"
        clock.advance(seconds=1)
        assert "limit of 60 s" in handle.result(20)
        is_over.set()


def test_two_instances_have_limits_of_their_own(clock):
    begun = threading.Semaphore(0)

    async def hang():
        begun.release()
        await asyncio.sleep(600)

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(hang)
        first = start_call(hub, "hang", timeout=10)
        assert begun.acquire(timeout=20)
        clock.advance(seconds=5)
        second = start_call(hub, "hang", timeout=10)
        assert begun.acquire(timeout=20)
        clock.advance(seconds=5)
        assert "limit" in first.result(20)
        assert second.status().runtime_status == "Running"
        clock.advance(seconds=5)
        assert "limit" in second.result(20)


def test_a_late_result_is_dropped_and_noted(clock):
    begun, go = threading.Event(), threading.Event()

    def wait():
        begun.set()
        go.wait(60)
        return "late"

    with df.TaskHub(":memory:", clock=clock) as hub:
        hub.add_activity(wait)
        handle = start_call(hub, "wait", timeout=10)
        assert begun.wait(20)
        clock.advance(seconds=10)
        assert "limit" in handle.result(20)
        go.set()
        until(handle.logs)
        assert "Its result was dropped" in handle.logs()[0].message
        assert "TaskCompleted" not in kinds(handle.history())
