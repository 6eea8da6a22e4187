"""The end of a hub: what runs is waited for, what is queued is dropped, and nothing is left behind."""

import asyncio
import concurrent.futures
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import durablenb as df
from tests.waiting import until


def fan(context):
    return (yield context.task_all([context.call_activity("work", n) for n in range(10)]))


EXECUTORS = {
    "threads": lambda: 2,
    "inline": lambda: "inline",
    "pool": lambda: concurrent.futures.ThreadPoolExecutor(2),
}


@pytest.mark.parametrize("executor", EXECUTORS)
def test_close_waits_for_what_runs_records_it_and_drops_what_is_queued(tmp_path, executor):
    begun, go_on, closing = [], threading.Event(), threading.Event()

    def work(n):
        begun.append(n)
        closing.set()
        go_on.wait(60)
        return n

    hub = df.TaskHub(tmp_path / "hub.duckdb", executor=EXECUTORS[executor]())
    hub.add_activity(work)
    hub.add_orchestrator(fan)
    hub.start("fan", instance_id="one")
    assert closing.wait(10)
    if executor != "inline":
        until(lambda: len(begun) == 2)
    executors, is_dropped = hub._engine.executors, threading.Event()
    drop = executors.drop_unwanted
    executors.drop_unwanted = lambda: (drop(), is_dropped.set())
    closer = threading.Thread(target=hub.close)
    closer.start()
    if executor == "inline":  # whose thread is busy with what runs
        until(lambda: hub._engine._state.dispatcher.scope.is_closing)
    else:
        assert is_dropped.wait(20)
    assert closer.is_alive()
    go_on.set()
    closer.join(60)
    assert not closer.is_alive()
    first = list(begun)
    assert len(first) == (1 if executor == "inline" else 2)
    with df.TaskHub(tmp_path / "hub.duckdb") as again:
        again.add_activity(work)
        again.add_orchestrator(fan)
        assert again.handle("one").result(timeout=10) == list(range(10))
    assert sorted(begun) == list(range(10))  # none ran twice


def test_close_waits_for_a_process_and_drops_what_is_queued(tmp_path):
    def slow(n):
        import time

        time.sleep(0.3)
        return n

    hub = df.TaskHub(tmp_path / "hub.duckdb", executor="processes")
    hub.add_activity(slow, "work")
    hub.add_orchestrator(fan)
    handle = hub.start("fan", instance_id="one")
    until(lambda: "TaskCompleted" in str(handle.history()))
    hub.close()
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as again:
        ends = sum(type(event).__name__ == "TaskCompleted" for event in again.handle("one").history())
        assert 1 < ends < 10
        again.add_activity(lambda n: n, "work")
        again.add_orchestrator(fan)
        assert again.handle("one").result() == list(range(10))


def test_close_waits_for_async_activities():
    with df.TaskHub(":memory:") as hub:

        async def sleep(n):
            begun.append(n)
            await asyncio.sleep(0.05)
            ended.append(n)

        begun, ended = [], []
        hub.add_activity(sleep, "work")
        hub.add_orchestrator(fan)
        hub.start("fan")
        until(lambda: begun)
    assert sorted(ended) == sorted(begun)  # those that had not begun are left for the next opening


@pytest.mark.parametrize("mode", ["kernel", "threads"])
def test_a_closed_and_opened_hub_goes_on_where_it_was(tmp_path, mode):
    runs = []

    def chain(context):
        for n in range(6):
            yield context.call_activity("work", n)
        return "done"

    for _ in range(7):
        with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as hub:
            hub.add_activity(runs.append, "work")
            hub.add_orchestrator(chain)
            if not hub.instances():
                hub.start("chain", instance_id="one")
            if mode == "kernel":
                hub.step()
                hub.step()
    with df.TaskHub(tmp_path / "hub.duckdb", mode=mode) as hub:
        hub.add_activity(runs.append, "work")
        hub.add_orchestrator(chain)
        assert hub.handle("one").result() == "done"
    assert runs == list(range(6))


def test_an_instance_waits_for_its_code_after_a_restart(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        hub.add_activity(lambda n: n, "work")
        hub.add_orchestrator(fan)
        hub.start("fan", instance_id="one")
        hub.step()
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        handle = hub.handle("one")
        with pytest.raises(df.FunctionNotFoundError, match=r"waits for .*'work'"):
            handle.result()
        hub.add_activity(lambda n: n, "work")
        with pytest.raises(df.FunctionNotFoundError, match="waits for 'fan'"):
            handle.result()
        hub.add_orchestrator(fan)
        assert handle.result() == list(range(10))


def test_calls_that_cross_with_the_closing_are_answered():
    for round_ in range(12):
        hub = df.TaskHub(":memory:", mode="threads" if round_ % 2 else "kernel")
        hub.add_orchestrator(lambda context: None, "nothing")
        answers, go = [], threading.Barrier(5)

        def ask(hub=hub, answers=answers, go=go):
            go.wait()
            for _ in range(50):
                try:
                    answers.append(hub.start("nothing").id)
                except df.StoreError as error:
                    answers.append(str(error))
                    return

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        go.wait()
        time.sleep(0.0005 * round_)
        hub.close()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive(), "a call hangs"
        assert any("closed" in answer for answer in answers) or len(answers) == 200


def test_many_hubs_leave_no_thread_and_no_file_behind(tmp_path):
    def open_files():
        folder = Path("/proc/self/fd")
        return len(list(folder.iterdir())) if folder.exists() else 0

    def one(number):
        with df.TaskHub(tmp_path / f"{number % 3}.duckdb", executor=2) as hub:
            hub.add_activity(lambda n: n, "work")
            hub.add_orchestrator(fan)
            hub.run("fan")

    one(0)
    threads, files = set(threading.enumerate()), open_files()
    for number in range(10):
        one(number)
    assert set(threading.enumerate()) <= threads
    assert open_files() <= files + 2
    assert {path.name.removesuffix(".lock") for path in tmp_path.iterdir()} == {
        "0.duckdb",
        "1.duckdb",
        "2.duckdb",
    }


# -- the end of the process ---------------------------------------------------------------------------

EXIT = """
    import sys, threading, time
    import durablenb as df

    path, what = sys.argv[1:]
    hub = df.TaskHub(path)
    other = df.TaskHub(":memory:")
    begun, looping = threading.Event(), threading.Event()

    def work(n):
        begun.set()
        if what == "running":
            time.sleep(60)
        return n

    def fan(context):
        return (yield context.task_all([context.call_activity("work", n) for n in range(10)]))

    def endless(context):
        yield context.call_activity("work", 0)
        looping.set()
        while True:  # durable: ignore[DNB403]
            pass

    hub.add_activity(work)
    hub.add_orchestrator(fan)
    hub.add_orchestrator(endless)
    hub.start("endless" if what == "endless" else "fan", instance_id="one")
    (looping if what == "endless" else begun).wait(10)
    print("leaving", flush=True)
    if what == "error":
        raise SystemExit(3)
"""


@pytest.mark.parametrize("what", ["idle", "running", "error", "endless"])
def test_a_script_that_just_ends_loses_nothing_and_does_not_hang(tmp_path, what):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(EXIT), tmp_path / "hub.duckdb", what],
        capture_output=True,
        text=True,
        timeout=40,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == (3 if what == "error" else 0), done.stderr
    assert done.stdout == "leaving\n"
    assert done.stderr == ""
    with df.TaskHub(tmp_path / "hub.duckdb", mode="kernel") as hub:
        hub.add_activity(lambda n: n, "work")
        hub.add_orchestrator(fan)
        hub.add_orchestrator(lambda context: (yield context.call_activity("work", 0)), "endless")
        expected = 0 if what == "endless" else list(range(10))
        assert hub.handle("one").result() == expected


@pytest.mark.parametrize(
    ("mode", "executor"),
    [("kernel", "inline"), ("threads", "inline"), ("threads", 2), ("threads", "asyncio")],
)
def test_an_activity_cannot_close_the_hub_that_runs_it(mode, executor):
    async def close():
        hub.close()

    with df.TaskHub(":memory:", mode=mode) as hub:
        hub.add_activity(close if executor == "asyncio" else hub.close, "work", executor=executor)
        hub.add_orchestrator(lambda context: (yield context.call_activity("work")), "closes")
        with pytest.raises(df.DurableError, match="would wait for itself"):
            hub.run("closes")
        hub.add_activity(lambda: "open", "work")
        assert hub.run("closes") == "open"


def test_two_threads_that_close_a_hub_both_find_it_closed():
    for _ in range(10):
        hub = df.TaskHub(":memory:")
        hub.add_orchestrator(lambda context: 1, name="one")
        hub.start("one")
        both = threading.Barrier(2)

        def close(hub=hub, both=both):
            both.wait(30)
            hub.close()
            return repr(hub)

        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            closing = [pool.submit(close) for _ in range(2)]
            assert [one.result(60) for one in closing] == ["<TaskHub in memory: closed>"] * 2


def test_an_activity_that_closes_a_hub_that_is_closing_does_not_wait_for_itself():
    hub, is_running = df.TaskHub(":memory:"), threading.Event()
    found = []

    @hub.activity
    def closes():
        is_running.set()
        while not hub._is_closing:
            threading.Event().wait(0.001)
        hub.close()
        found.append("closed")

    hub.add_orchestrator(lambda context: (yield context.call_activity(closes)), name="main")
    hub.start("main")
    assert is_running.wait(30)
    hub.close()
    assert found == ["closed"]
