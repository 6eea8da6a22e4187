"""Calls whose results aren't remembered."""

import logging
import textwrap
import threading

import durablenb as df
from durablenb.engine.thread_executors import ThreadExecutor
from tests.caching.squares import Held, register, wait_until_scheduled


def test_a_part_that_cant_be_computed_is_reported_once_and_nothing_is_remembered(hub, caplog):
    lock = threading.Lock()
    ran = []

    @hub.activity(cache=df.CachePolicy(ignore="ran"))
    def guarded(number):
        with lock:
            ran.append(number)
        return number

    @hub.orchestrator
    def flow(context):
        for _ in range(3):
            yield context.call_activity(guarded, 1)

    with caplog.at_level(logging.WARNING, "durablenb"):
        hub.run(flow)
        hub.run(flow)
    assert ran == [1] * 6
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

    @hub.orchestrator
    def flow(context):
        return (yield context.call_activity(count, 1))

    with caplog.at_level(logging.WARNING, "durablenb"):
        assert [hub.run(flow) for _ in range(3)] == [1, 2, 3]
    assert "changed before the call ended" in caplog.text


def test_code_that_is_edited_while_a_call_runs_gives_no_wrong_hit(tmp_path):
    """The call that began with the old value must not be remembered for the new one, nor for the old one."""
    namespace = {"__name__": "__main__", "began": threading.Event(), "may_end": threading.Event(), "RATE": 1}
    exec(
        textwrap.dedent(
            """
            def rated(number):
                before = RATE
                began.set()
                may_end.wait(10)
                return before, RATE
            """
        ),
        namespace,
    )
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        hub.add_activity(namespace["rated"], cache=df.CachePolicy(ignore=("began", "may_end")))

        @hub.orchestrator
        def flow(context):
            return (yield context.call_activity("rated", 1))

        handle = hub.start(flow)
        assert namespace["began"].wait(10)
        namespace["RATE"] = 2
        namespace["may_end"].set()
        assert handle.result(10) == (1, 2)
        assert hub.run(flow) == (2, 2)
        namespace["RATE"] = 1
        assert hub.run(flow) == (1, 1)


def test_a_policy_that_ignores_more_doesnt_share_results_with_one_that_ignores_less(hub):
    @hub.orchestrator
    def flow(context):
        return (yield context.call_activity("work", context.get_input()))

    def work(values):
        return values.get("a")

    hub.add_activity(work, cache=df.CachePolicy(ignore="a"))
    assert hub.run(flow, {"a": 1, "b": 1}) == 1
    assert hub.run(flow, {"a": 2, "b": 1}) == 1, "what the user ignores doesn't count"
    hub.add_activity(work, cache=True)
    assert hub.run(flow, {"b": 1}) is None


def test_code_that_is_edited_while_a_call_waits_for_a_thread_gives_no_wrong_hit(tmp_path):
    namespace = {"__name__": "__main__", "RATE": 1}
    exec("def rated(number): return RATE", namespace)
    began, may_end = threading.Event(), threading.Event()
    with df.TaskHub(tmp_path / "flows.duckdb", executor=1) as hub:
        hub.add_activity(namespace["rated"], cache=True)

        @hub.activity
        def blocking(_):
            began.set()
            assert may_end.wait(10)

        @hub.orchestrator
        def block(context):
            yield context.call_activity(blocking, 0)

        @hub.orchestrator
        def flow(context):
            return (yield context.call_activity("rated", 1))

        hub.start(block)
        assert began.wait(10)
        handle = hub.start(flow)
        wait_until_scheduled(handle)
        namespace["RATE"] = 2
        may_end.set()
        assert handle.result(10) == 2
        assert hub.run(flow) == 2
        namespace["RATE"] = 1
        assert hub.run(flow) == 1


def test_a_call_that_another_process_submitted_isnt_remembered(tmp_path, runs):
    """An executor that joins a call after a restart says so: the code may have been edited in between."""

    class Joining(ThreadExecutor):
        def _outcome(self, job):
            job.joined()
            return super()._outcome(job)

    with df.TaskHub(tmp_path / "flows.duckdb") as hub:
        squares = register(hub, runs)
        executor = Joining(1)
        hub._engine.executors.for_activity = lambda activity: executor
        assert [hub.run(squares, [2]), hub.run(squares, [2])] == [[4], [4]]
        executor.close(wait=True)
    assert runs.count == 2


def test_an_activity_that_loses_its_cache_while_it_runs_ends_as_usual(tmp_path):
    held = Held()
    with df.TaskHub(tmp_path / "flows.duckdb") as hub:

        @hub.orchestrator
        def flow(context):
            return (yield context.task_all([context.call_activity("slow", 1) for _ in range(2)]))

        hub.add_activity(held, "slow", cache=df.CachePolicy(by="input"))
        handle = hub.start(flow)
        assert held.began.wait(10)
        hub.add_activity(held, "slow")
        held.may_end.set()
        assert handle.result(10) == [1, 1]
