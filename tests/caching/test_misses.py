"""Calls whose results aren't remembered."""

import logging
import threading

import durablenb as df
from durablenb.engine.thread_executors import ThreadExecutor
from tests.caching.keys import defined
from tests.caching.squares import Held, register, register_held, wait_until_scheduled
from tests.calls import fan_out, one_call, run_call, start_call


def test_a_part_that_cant_be_computed_is_reported_once_and_nothing_is_remembered(hub, caplog):
    lock = threading.Lock()
    ran = []

    @hub.activity(cache=df.CachePolicy(ignore="ran"))
    def guarded(number):
        with lock:
            ran.append(number)
        return number

    with caplog.at_level(logging.WARNING, "durablenb"):
        for _ in range(3):
            run_call(hub, guarded, 1)
    assert ran == [1] * 3
    (record,) = caplog.records
    assert "'guarded'" in record.message
    assert "variable lock" in record.message
    assert "CachePolicy(ignore=('lock',))" in record.message


def test_a_call_that_changes_what_it_reads_isnt_remembered(hub, caplog):
    counts = [0]

    @hub.activity(cache=True)
    def count(number):
        counts[0] += 1
        return counts[0]

    with caplog.at_level(logging.WARNING, "durablenb"):
        assert [run_call(hub, count, 1) for _ in range(3)] == [1, 2, 3]
    assert "changed before the call ended" in caplog.text


def test_code_that_is_edited_while_a_call_runs_gives_no_wrong_hit():
    """The call that began with the old value must not be remembered for the new one, nor for the old one."""
    names = {"began": threading.Event(), "may_end": threading.Event(), "RATE": 1}
    rated = defined(
        """
        def rated(number):
            before = RATE
            began.set()
            may_end.wait(10)
            return before, RATE
        """,
        "rated",
        **names,
    )
    with df.TaskHub(":memory:") as hub:
        hub.add_activity(rated, cache=df.CachePolicy(ignore=tuple(names)[:2]))
        handle = start_call(hub, "rated", 1)
        assert names["began"].wait(10)
        rated.__globals__["RATE"] = 2
        names["may_end"].set()
        assert handle.result(10) == (1, 2)
        assert run_call(hub, "rated", 1) == (2, 2)
        rated.__globals__["RATE"] = 1
        assert run_call(hub, "rated", 1) == (1, 1)


def test_a_policy_that_ignores_more_doesnt_share_results_with_one_that_ignores_less(hub):
    def work(values):
        return values.get("a")

    hub.add_activity(work, cache=df.CachePolicy(ignore="a"))
    assert run_call(hub, "work", {"a": 1, "b": 1}) == 1
    assert run_call(hub, "work", {"a": 2, "b": 1}) == 1, "what the user ignores doesn't count"
    hub.add_activity(work, cache=True)
    assert run_call(hub, "work", {"b": 1}) is None


def test_code_that_is_edited_while_a_call_waits_for_a_thread_gives_no_wrong_hit():
    rated = defined("def rated(number): return RATE", "rated", RATE=1)
    held = Held()
    with df.TaskHub(":memory:", executor=1) as hub:
        hub.add_activity(rated, cache=True)
        hub.add_activity(held, "blocking")
        hub.add_orchestrator(one_call("blocking", 0), "block")
        hub.start("block")
        assert held.began.wait(10)
        handle = start_call(hub, "rated", 1)
        wait_until_scheduled(handle)
        rated.__globals__["RATE"] = 2
        held.may_end.set()
        assert handle.result(10) == 2
        assert run_call(hub, "rated", 1) == 2
        rated.__globals__["RATE"] = 1
        assert run_call(hub, "rated", 1) == 1


def test_a_call_that_another_process_submitted_isnt_remembered(runs):
    """An executor that joins a call after a restart says so: the code may have been edited in between."""

    class Joining(ThreadExecutor):
        def _outcome(self, job):
            job.joined()
            return super()._outcome(job)

    with df.TaskHub(":memory:") as hub:
        squares = register(hub, runs)
        executor = Joining(1)
        hub._engine.executors.for_activity = lambda activity: executor
        assert [hub.run(squares, [2]), hub.run(squares, [2])] == [[4], [4]]
        executor.close(wait=True)
    assert runs.count == 2


def test_an_activity_that_loses_its_cache_while_it_runs_ends_as_usual():
    with df.TaskHub(":memory:") as hub:
        held = register_held(hub)
        handle = fan_out(hub, "slow", [1, 1])
        assert held.began.wait(10)
        hub.add_activity(held, "slow")
        held.may_end.set()
        assert handle.result(10) == [1, 1]
