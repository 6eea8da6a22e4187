"""Executors of the user's: they can't harm the hub, and calls outlive them."""

import concurrent.futures
import logging
import pickle
import threading
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.hub.open_hubs import all_open
from tests.engine.fanned import Here, add_fan, spawned
from tests.notebook.reading import text_of
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("alone", "by_value")


@contextmanager
def hub_with(executor, function, path=":memory:", **options):
    with df.TaskHub(path, executor=executor, **options) as hub:
        add_fan(hub, function)
        yield hub


@pytest.fixture
def dead():
    """A pool that was shut down."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    return pool


class Narrow(concurrent.futures.Executor):
    """Takes what it gets once it has a free place; `submit` waits for that."""

    def __init__(self, size):
        self._pool = concurrent.futures.ThreadPoolExecutor(size)
        self._places = threading.Semaphore(size)
        self.waits = 0

    def submit(self, function, /, *arguments):
        self.waits += 1
        self._places.acquire()
        given = self._pool.submit(function, *arguments)
        given.add_done_callback(lambda _: self._places.release())
        return given


class Merging(concurrent.futures.Executor):
    """Takes equal calls for the same call, as Dask does: it runs one of them."""

    def __init__(self):
        self._pool = concurrent.futures.ThreadPoolExecutor(4)
        self._known = {}

    def submit(self, function, /, *arguments):
        key = pickle.dumps((function, arguments))
        if key not in self._known:
            self._known[key] = self._pool.submit(function, *arguments)
        return self._known[key]


class Gates:
    """Lets calls in other threads of this process wait; found by name, since functions travel by value."""

    def __init__(self):
        self.begun = []
        self.go_on = threading.Event()


@pytest.fixture
def gates():
    import tests.engine

    tests.engine.gates = Gates()
    yield tests.engine.gates
    tests.engine.gates.go_on.set()
    del tests.engine.gates


def wait_at_the_gate(n):
    import tests.engine

    tests.engine.gates.begun.append(n)
    tests.engine.gates.go_on.wait(20)
    return n


# -- an executor may take its time --------------------------------------------------------------------


@pytest.mark.parametrize("make", [Here, lambda: Narrow(1)], ids=["in submit", "submit waits"])
def test_an_executor_that_keeps_submit_waiting_does_not_hold_up_the_hub(make, gates):
    executor = make()
    with hub_with(executor, wait_at_the_gate) as hub:
        hub.add_activity(lambda n: n + 1, "quick", executor="threads")
        hub.add_orchestrator(lambda context: (yield context.call_activity("quick", 1)), "other")
        slow = hub.start("fan", [1, 2, 3])
        until(lambda: gates.begun)
        if isinstance(executor, Narrow):
            until(lambda: executor.waits == 2)
        assert hub.start("other").result(timeout=10) == 2
        assert hub.start("other").result(timeout=10) == 2
        assert gates.begun == [1]
        gates.go_on.set()
        assert slow.result(timeout=20) == [1, 2, 3]


def use_the_hub(n):
    from durablenb.hub.open_hubs import all_open

    [hub] = all_open()
    return hub.start("other", n, instance_id=f"other-{n}").result(timeout=10)


@pytest.mark.parametrize("mode", ["threads", "kernel"])
def test_an_activity_of_an_executor_that_runs_at_once_may_use_the_hub(mode):
    with hub_with(Here(), use_the_hub if mode == "threads" else (lambda n: 2 * n), mode=mode) as hub:
        hub.add_activity(lambda n: 2 * n, "double", executor="threads")

        @hub.orchestrator
        def other(context):
            return (yield context.call_activity("double", context.get_input()))

        assert hub.start("fan", [1, 2]).result(timeout=20) == [2, 4]


def close_the_hub(n):
    from durablenb.hub.open_hubs import all_open

    [hub] = all_open()
    hub.close()


def test_an_activity_that_runs_in_submit_can_not_close_the_hub_that_waits_for_it():
    with (
        hub_with(Here(), close_the_hub) as hub,
        pytest.raises(df.DurableError, match="An activity can't close the hub"),
    ):
        hub.start("fan", [1]).result(timeout=20)
    assert not all_open()


def test_closing_drops_what_waits_to_be_submitted(tmp_path, gates):
    hub = df.TaskHub(tmp_path / "hub.duckdb", executor=Here())
    add_fan(hub, wait_at_the_gate)
    hub.start("fan", list(range(5)), instance_id="one")
    until(lambda: gates.begun)
    closer = threading.Thread(target=hub.close)
    closer.start()
    until(lambda: hub._engine._state.dispatcher.scope.is_closing)
    gates.go_on.set()
    closer.join(20)
    assert not closer.is_alive()
    assert gates.begun == [0]
    with hub_with("threads", wait_at_the_gate, tmp_path / "hub.duckdb") as again:
        assert again.handle("one").result(timeout=20) == list(range(5))
    assert sorted(gates.begun) == list(range(5))  # none ran twice


# -- equal calls --------------------------------------------------------------------------------------


def chance(_):
    import random

    return random.random()


def test_equal_calls_are_different_calls_even_where_an_executor_merges_equal_ones():
    with hub_with(Merging(), chance) as hub:
        found = hub.run("fan", [0] * 10)
        assert len(set(found)) == 10
        handles = [hub.start("fan", [0]) for _ in range(5)]
        assert len({handle.result(timeout=20)[0] for handle in handles} | set(found)) == 15


def test_a_call_that_is_made_again_runs_again_where_an_executor_merges_equal_ones(tmp_path):
    def third_time(path):
        from pathlib import Path

        with Path(path).open("a") as file:
            file.write("x")
        if len(Path(path).read_text()) < 3:
            raise ValueError("not yet")
        return "now"

    with hub_with(Merging(), third_time) as hub:

        @hub.orchestrator
        def again(context):
            options = df.RetryOptions(1, 2)
            return (yield context.call_activity_with_retry("work", options, str(tmp_path / "tries")))

        handle = hub.start(again)
        with pytest.raises(ValueError, match="not yet"):
            handle.result(timeout=20)
        handle.rewind()
        assert handle.result(timeout=20) == "now"


# -- when and how long a call ran ---------------------------------------------------------------------


def short_nap(n):
    import time

    begun = time.time()
    time.sleep(0.2)
    return begun, time.time()


@pytest.mark.parametrize(
    "make",
    [concurrent.futures.ThreadPoolExecutor, spawned, Narrow, lambda _: Merging()],
    ids=["threads", "processes", "submit waits", "other"],
)
def test_a_call_starts_when_its_function_starts_however_long_it_was_queued(make):
    executor = make(1)
    with hub_with(executor, short_nap) as hub:
        handle = hub.start("fan", list(range(3)))
        told = handle.result(timeout=30)
        ends = [event for event in handle.history() if type(event).__name__ == "TaskCompleted"]
    if isinstance(executor, concurrent.futures.ThreadPoolExecutor | concurrent.futures.ProcessPoolExecutor):
        executor.shutdown()
    for event, (begun, ended) in zip(sorted(ends, key=lambda event: event.task_id), told, strict=True):
        assert event.started_at.timestamp() == pytest.approx(begun, abs=1)
        assert event.timestamp.timestamp() == pytest.approx(ended, abs=1)
    if not isinstance(executor, Merging):  # it runs them all at once
        assert max(event.started_at for event in ends) - min(event.started_at for event in ends) >= timedelta(
            seconds=0.35
        )


def test_no_call_starts_before_it_was_scheduled_on_a_clock_that_is_moved_by_hand():
    clock = df.VirtualClock(autojump=False)
    with spawned(1) as pool, hub_with(pool, short_nap, clock=clock) as hub:
        handle = hub.start("fan", [1])
        handle.result(timeout=30)
        [end] = [event for event in handle.history() if type(event).__name__ == "TaskCompleted"]
        assert end.started_at == end.timestamp == clock.now()


# -- what nobody wants any more -----------------------------------------------------------------------


def nap(given):
    import time
    from pathlib import Path

    folder, n = given
    (Path(folder) / f"begun-{n}").touch()
    while not (Path(folder) / "go on").exists():
        time.sleep(0.01)
    return n


@pytest.mark.parametrize(
    ("make", "mode", "at_most"),
    [
        (concurrent.futures.ThreadPoolExecutor, "kernel", 2),
        (spawned, "threads", 5),  # three wait in the pipe to two processes, where nobody can cancel them
    ],
)
def test_what_a_terminated_orchestration_has_queued_in_a_pool_does_not_run(tmp_path, make, mode, at_most):
    def begun():
        return {int(path.name.removeprefix("begun-")) for path in tmp_path.glob("begun-*")}

    with make(2) as pool, hub_with(pool, nap, mode=mode) as hub:
        one = hub.start("fan", [[str(tmp_path), n] for n in range(12)])
        other = hub.start("fan", [[str(tmp_path), n] for n in (20, 21)])
        if mode == "kernel":
            with pytest.raises(df.WaitTimeoutError):
                other.result(timeout=0.5)
        try:
            until(lambda: len(begun()) == 2)
            one.terminate("enough")
            futures = hub._engine.executors._made["", id(pool)]._futures
            until(lambda: all(job.is_wanted or future.running() for job, future in [*futures.items()]))
        finally:
            (tmp_path / "go on").touch()  # or the pool would never end
        assert other.result(timeout=30) == [20, 21]
        assert one.wait(timeout=10).runtime_status == "Terminated"
    assert len(begun() - {20, 21}) <= at_most


def test_what_is_left_in_a_pool_of_an_orchestration_that_ended_goes_with_it_when_it_is_purged(gates):
    with concurrent.futures.ThreadPoolExecutor(1) as pool, hub_with(pool, wait_at_the_gate) as hub:

        @hub.orchestrator
        def first_of_them(context):
            calls = [context.call_activity("work", n) for n in range(4)]
            yield context.task_any([context.wait_for_external_event("Enough"), *calls])

        handle = hub.start(first_of_them)
        until(lambda: gates.begun)
        handle.raise_event("Enough")
        handle.result(timeout=10)
        assert handle.purge() == 1
        until(lambda: len(hub._engine.executors._made["", id(pool)]._futures) == 1)
        gates.go_on.set()
    assert gates.begun == [0]


# -- an executor that goes away -----------------------------------------------------------------------


def test_calls_of_a_pool_that_was_shut_down_wait_for_another_one(tmp_path, gates, caplog):
    pool = concurrent.futures.ThreadPoolExecutor(1)
    with hub_with(pool, wait_at_the_gate, tmp_path / "hub.duckdb") as hub:
        handle = hub.start("fan", list(range(3)), instance_id="one")
        until(lambda: gates.begun)
        pool.shutdown(wait=False, cancel_futures=True)
        gates.go_on.set()
        with pytest.raises(
            df.ExecutorUnavailableError, match=r"one \(fan\) waits .* 'work'.*ThreadPoolExecutor"
        ):
            handle.result(timeout=20)
        assert handle.status().runtime_status == "Running"
        assert "another executor for 'work'" in text_of(handle)
        told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len([one for one in told if "'work'" in one]) == 1
    with hub_with(1, wait_at_the_gate, tmp_path / "hub.duckdb") as hub:
        assert hub.handle("one").result(timeout=20) == list(range(3))
    assert gates.begun == list(range(3))  # none ran twice


@pytest.mark.parametrize("given", ["to the activity", "to the hub"])
def test_calls_go_on_when_another_executor_is_given(tmp_path, dead, given):
    path = tmp_path / "hub.duckdb"
    with hub_with(dead, lambda n: n, path) as hub, concurrent.futures.ThreadPoolExecutor(1) as pool:
        handles = [hub.start("fan", [n]) for n in range(2)]
        for handle in handles:
            with pytest.raises(df.ExecutorUnavailableError, match="after shutdown"):
                handle.result(timeout=20)
        if given == "to the hub":
            assert df.TaskHub(path, executor=pool) is hub
        else:
            hub.add_activity(lambda n: n, "work", executor=pool)
        assert [handle.result(timeout=20) for handle in handles] == [[0], [1]]
        assert "waits" not in text_of(handles[0])
        assert hub.run("fan", [5]) == [5]


def test_what_else_an_orchestration_does_goes_on_without_the_executor(dead):
    with hub_with(dead, lambda n: n) as hub:
        hub.add_activity(lambda n: n, "elsewhere", executor=1)

        @hub.orchestrator
        def both(context):
            calls = [context.call_activity("work", 1), context.call_activity("elsewhere", 2)]
            return (yield context.task_any(calls)).result

        assert hub.run(both) == 2


def test_a_terminated_orchestration_waits_for_no_executor(dead):
    with hub_with(dead, lambda n: n) as hub:
        handles = [hub.start("fan", [1]) for _ in range(2)]
        for handle in handles:
            with pytest.raises(df.ExecutorUnavailableError):
                handle.result(timeout=20)
        handles[0].terminate("enough")
        assert handles[0].wait(timeout=10).runtime_status == "Terminated"
        with pytest.raises(df.ExecutorUnavailableError):
            handles[1].result(timeout=20)


def test_a_parent_says_that_its_child_waits_for_an_executor(dead):
    with hub_with(dead, lambda n: n) as hub:
        hub.add_orchestrator(lambda c: (yield c.call_sub_orchestrator("fan", [1], "child")), "parent")
        handle = hub.start("parent")
        with pytest.raises(df.ExecutorUnavailableError, match="child"):
            handle.result(timeout=20)


def test_an_entity_waits_for_another_executor_too(dead):
    with df.TaskHub(":memory:") as hub, concurrent.futures.ThreadPoolExecutor(1) as pool:

        def counter(context):
            context.set_state(context.get_state(lambda: 0) + 1)
            context.set_result(context.get_state())

        hub.add_entity(counter, executor=dead)
        hub.add_orchestrator(lambda c: (yield c.call_entity(df.EntityId("counter", "a"), "add")), "count")
        handles = [hub.start("count") for _ in range(2)]
        with pytest.raises(df.ExecutorUnavailableError, match="'counter'"):
            handles[0].result(timeout=20)
        hub.add_entity(counter, executor=pool)
        assert sorted(handle.result(timeout=20) for handle in handles) == [1, 2]


def die_of_three(given):
    import os
    import time
    from pathlib import Path

    folder, n = given
    with (Path(folder) / f"tries-{n}").open("a") as file:
        file.write("x")
    if n == 3:
        os._exit(1)
    time.sleep(0.05)
    return n


def test_an_activity_that_breaks_its_pool_fails_and_what_had_not_begun_waits(tmp_path):
    def tries(n):
        path = tmp_path / f"tries-{n}"
        return len(path.read_text()) if path.exists() else 0

    with spawned(1) as pool, hub_with(pool, die_of_three) as hub:

        @hub.orchestrator
        def all_of_them(context):
            calls = [context.call_activity("work", [str(tmp_path), n]) for n in range(12)]
            found = []
            for call in calls:
                try:
                    found.append((yield call))
                except BrokenProcessPool:
                    found.append("broken")
            return found

        handle = hub.start(all_of_them)
        with pytest.raises(df.ExecutorUnavailableError, match="ProcessPoolExecutor"):
            handle.result(timeout=30)
        assert tries(3) == 1
        hub.add_activity(die_of_three, "work", executor="processes")
        found = handle.result(timeout=30)
    assert found[3] == "broken"
    assert tries(3) == 1  # the failure was recorded: it doesn't come again and break the next one
    assert [one for n, one in enumerate(found) if n not in (3, 4, 5)] == [0, 1, 2, *range(6, 12)]


def test_retries_of_what_breaks_its_pools_come_to_an_end(tmp_path):
    with hub_with("threads", die_of_three) as hub:

        @hub.orchestrator
        def retrying(context):
            options = df.RetryOptions(1, 3)
            return (yield context.call_activity_with_retry("work", options, [str(tmp_path), 3]))

        hub.add_activity(die_of_three, "work", executor=spawned(1))
        handle = hub.start(retrying)
        for _ in range(2):
            with pytest.raises(df.ExecutorUnavailableError):
                handle.result(timeout=30)
            hub.add_activity(die_of_three, "work", executor=spawned(1))
        with pytest.raises(BrokenProcessPool):
            handle.result(timeout=30)
    assert (tmp_path / "tries-3").read_text() == "xxx"
