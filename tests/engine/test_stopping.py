"""Calls that are stopped: what each executor does with one that runs, and what becomes of its place."""

import asyncio
import concurrent.futures
import os
import pathlib
import threading
import time

import psutil
import pytest

import durablenb as df
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("by_value")


def caller(hub, name, *inputs):
    """Starts an orchestration that calls an activity for each input."""

    def call(context):
        return (yield context.task_all([context.call_activity(name, one) for one in inputs]))

    hub.add_orchestrator(call)
    return hub.start("call")


def hang_in_process(path):
    """Writes the process's id, and never ends."""
    mark = pathlib.Path(path)
    mark.with_suffix(".new").write_text(str(os.getpid()))
    mark.with_suffix(".new").rename(mark)
    time.sleep(600)


def test_the_process_of_a_terminated_instance_is_killed_and_replaced(tmp_path):
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(hang_in_process, executor="processes")
        hub.add_activity(lambda n: os.getpid(), "pid", executor="processes")
        paths = [tmp_path / "a", tmp_path / "b"]
        handles = [caller(hub, "hang_in_process", str(path)) for path in paths]
        until(lambda: all(path.exists() for path in paths))
        pids = [int(path.read_text()) for path in paths]
        handles[0].terminate("enough")
        until(lambda: not psutil.pid_exists(pids[0]))
        assert psutil.pid_exists(pids[1])
        assert handles[1].status().runtime_status == "Running"
        handles[1].terminate("enough")
        until(lambda: not psutil.pid_exists(pids[1]))
        assert not set(caller(hub, "pid", 1, 2, 3).result(60)) & set(pids)
        assert not handles[0].logs()


def test_a_coroutine_of_a_terminated_instance_is_cancelled_and_its_finally_runs():
    seen, begun = [], threading.Event()

    async def hang(n):
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            seen.append(f"cancelled {n}")
            raise
        finally:
            seen.append("finally")

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(hang, max_concurrency=1)
        first, second = caller(hub, "hang", 1), caller(hub, "hang", 2)
        until(begun.is_set)
        begun.clear()
        first.terminate()
        until(begun.is_set)  # the place is free again
        assert seen == ["cancelled 1", "finally"]
        second.terminate()
        until(lambda: len(seen) == 4)
        assert not first.logs()
        assert not second.logs()


def test_a_coroutine_that_ignores_its_cancellation_has_its_result_dropped_and_noted():
    begun = threading.Event()

    async def stubborn(n):
        begun.set()
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            return n

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(stubborn)
        handle = caller(hub, "stubborn", 1)
        until(begun.is_set)
        handle.terminate()
        until(handle.logs)
        assert [line.message for line in handle.logs()] == [
            "The call was stopped, but ran on. Its result was dropped."
        ]
        assert handle.logs()[0].author == "stubborn #0"


@pytest.mark.parametrize("executor", ["threads", 1, "pool"])
def test_a_thread_runs_on_and_keeps_its_place_and_its_late_result_is_dropped(executor):
    begun, go = threading.Semaphore(0), threading.Event()

    def wait(n):
        begun.release()
        go.wait(60)
        if n:
            raise ValueError(n)

    with concurrent.futures.ThreadPoolExecutor(2) as pool, df.TaskHub(":memory:") as hub:
        hub.add_activity(wait, executor=pool if executor == "pool" else executor, max_concurrency=1)
        first, second = caller(hub, "wait", 0), caller(hub, "wait", 1)
        assert begun.acquire(timeout=20)
        first.terminate()
        assert not begun.acquire(timeout=0.1)
        go.set()
        assert begun.acquire(timeout=20)
        with pytest.raises(ValueError, match="1"):
            second.result(20)
        until(first.logs)
        assert "Its result was dropped" in first.logs()[0].message
        assert not second.logs()


def test_a_late_failure_is_noted_with_its_text():
    begun, go = threading.Event(), threading.Event()

    def fail(n):
        begun.set()
        go.wait(60)
        raise ValueError("no more paper")

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(fail)
        handle = caller(hub, "fail", 0)
        until(begun.is_set)
        handle.terminate()
        go.set()
        until(handle.logs)
        assert "ended with builtins.ValueError: no more paper" in handle.logs()[0].message


def test_calls_that_wait_in_a_foreign_pool_are_withdrawn_from_it():
    begun, go, ran = threading.Event(), threading.Event(), []

    def wait(n):
        ran.append(n)
        begun.set()
        go.wait(60)
        return n

    with concurrent.futures.ThreadPoolExecutor(1) as pool, df.TaskHub(":memory:") as hub:
        hub.add_activity(wait, executor=pool)
        busy = caller(hub, "wait", 0)
        until(begun.is_set)
        queued = caller(hub, "wait", 1, 2, 3)
        until(lambda: pool._work_queue.qsize() == 3)
        queued.terminate()
        go.set()
        assert busy.result(20) == [0]
        assert caller(hub, "wait", 4).result(20) == [4]
    assert ran == [0, 4]


def test_an_instance_that_ends_by_itself_lets_its_calls_run_on():
    go, ended = threading.Event(), threading.Event()

    def wait():
        go.wait(60)
        ended.set()

    with df.TaskHub(":memory:") as hub:
        hub.add_activity(wait)

        @hub.orchestrator
        def leave(context):
            context.call_activity("wait")

        handle = hub.start(leave)
        handle.result(20)
        go.set()
        until(ended.is_set)
        assert not handle.logs()


def test_an_executor_that_cannot_cancel_breaks_nothing(caplog):
    class Odd:
        def __init__(self):
            self.job = None

        def submit(self, job):
            job.begin()
            self.job = job

        def cancel(self, job):
            raise RuntimeError("no way")

        def drop_unwanted(self):
            pass

        def close(self, *, wait):
            pass

    with df.TaskHub(":memory:") as hub:
        odd = Odd()
        hub.add_activity(lambda n: n, "work", executor=odd)
        handle = caller(hub, "work", 1)
        until(lambda: odd.job is not None)
        handle.terminate()
        until(lambda: "can't cancel 'work'" in caplog.text)
        hub.add_activity(lambda n: n, "work")
        assert caller(hub, "work", 2).result(20) == [2]
        odd.job.finish(None)
