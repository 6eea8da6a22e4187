"""An orchestrator cancels calls of activities, and goes on."""

import asyncio
import contextlib
import threading
import time
from datetime import timedelta

import pytest

import durablenb as df
from durablenb.analysis.calls import read_calls
from durablenb.analysis.timeline import timeline_text
from tests.histories.replaying import replay
from tests.traps.lab import kinds
from tests.waiting import until

RETRY = df.RetryOptions(60_000, 3)


@pytest.fixture
def clock():
    """Moved by hand while an activity runs: `hub.clock.advance` would wait for its end."""
    return df.VirtualClock()


@pytest.fixture
def hub(tmp_path, clock):
    """A hub that replays each episode and compares."""
    with df.TaskHub(tmp_path / "hub.duckdb", clock=clock, verify_replay=True) as hub:
        yield hub


@pytest.fixture
def slow(hub):
    """Registers an activity that runs until it is cancelled, and counts how often it was begun."""
    begun, is_over = threading.Semaphore(0), threading.Event()

    async def wait(n):
        begun.release()
        while not is_over.is_set():
            await asyncio.sleep(0.01)

    hub.add_activity(wait, "slow")
    hub.add_activity(lambda n: n, "quick")
    yield begun
    is_over.set()


def kept(handle):
    """The kinds of events without the episodes."""
    return [kind for kind in kinds(handle.history()) if kind != "OrchestratorStarted"]


def test_a_cancelled_call_fails_at_once_and_the_code_goes_on(hub, clock, slow):
    @hub.orchestrator
    def cancels(context):
        task = context.call_activity("slow", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        task.cancel()
        assert task.is_completed
        assert task.is_failed
        assert task.is_cancelled
        try:
            yield task
        except df.TaskCanceledError as error:
            return str(error)

    handle = hub.start(cancels)
    assert slow.acquire(timeout=20)
    clock.advance(hours=1)
    assert handle.result(20) == "The orchestrator cancelled this call of 'slow'."
    assert kept(handle) == [
        "ExecutionStarted",
        "TaskScheduled",
        "TimerCreated",
        "TimerFired",
        "TaskCanceled",
        "ExecutionCompleted",
    ]


def test_an_unhandled_cancellation_fails_the_orchestration_with_its_type(hub, slow):
    @hub.orchestrator
    def careless(context):
        task = context.call_activity("slow", 1)
        task.cancel()
        yield task

    with pytest.raises(df.TaskCanceledError, match="'slow'"):
        hub.run(careless)
    assert not slow.acquire(timeout=0)  # it never began


def test_it_is_a_failed_task_too(hub, slow):
    @hub.orchestrator
    def catches(context):
        task = context.call_activity("slow", 1)
        task.cancel()
        try:
            yield task
        except df.TaskFailedError as error:
            return [isinstance(error, df.TaskCanceledError), error.details.error_type]

    assert hub.run(catches) == [True, "durablenb.model.errors.TaskCanceledError"]


def test_cancelling_twice_has_no_effect(hub, slow):
    @hub.orchestrator
    def twice(context):
        task = context.call_activity("slow", 1)
        task.cancel()
        task.cancel()
        try:
            yield task
        except df.TaskCanceledError:
            task.cancel()
        return "done"

    handle = hub.start(twice)
    assert handle.result(20) == "done"
    assert kept(handle).count("TaskCanceled") == 1


def test_a_completed_call_keeps_its_result_unless_it_was_seen(hub):
    hub.add_activity(lambda n: n, "quick")

    @hub.orchestrator
    def late(context):
        task = context.call_activity("quick", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        task.cancel()
        assert not task.is_failed
        value = yield task
        other = context.call_activity("quick", 2)
        yield other
        with pytest.raises(ValueError, match="Cannot cancel a completed task"):
            other.cancel()
        failed = context.call_activity("no such activity", 2)
        with pytest.raises(LookupError):
            yield failed
        with pytest.raises(ValueError, match="Cannot cancel a completed task"):
            failed.cancel()
        return value

    handle = hub.start(late)
    assert handle.result(20) == 1
    assert "TaskCanceled" not in kept(handle)


def test_a_call_that_cannot_succeed_is_settled_once_even_if_it_is_cancelled_right_away(hub):
    @hub.orchestrator
    def calls(context):
        task = context.call_activity("no such activity", 2)
        task.cancel()
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return task.is_failed

    handle = hub.start(calls)
    assert handle.result(20) is True
    assert "TaskFailed" not in kept(handle)


@pytest.mark.parametrize("joint", ["task_all", "task_any"])
def test_composites_go_on_with_a_cancelled_call(hub, slow, joint):
    @hub.orchestrator
    def together(context):
        calls = [context.call_activity("slow", 1), context.call_activity("quick", 2)]
        both = getattr(context, joint)(calls)
        calls[0].cancel()
        try:
            got = yield both
        except df.TaskCanceledError:
            return "failed"
        return calls.index(got)

    assert hub.run(together) == ("failed" if joint == "task_all" else 0)


# -- retries ---------------------------------------------------------------------------------------


def test_a_call_with_retries_is_cancelled_in_an_attempt(hub, clock, slow):
    @hub.orchestrator
    def cancels(context):
        task = context.call_activity_with_retry("slow", RETRY, 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        task.cancel()
        task.cancel()
        try:
            yield task
        except df.TaskCanceledError:
            return [task.is_cancelled, task.is_failed]

    handle = hub.start(cancels)
    assert slow.acquire(timeout=20)
    clock.advance(hours=1)
    assert handle.result(20) == [True, True]
    assert kept(handle)[-2:] == ["TaskCanceled", "ExecutionCompleted"]


def test_a_call_with_retries_is_cancelled_between_two_attempts(hub):
    def fail(n):
        raise ValueError(n)

    hub.add_activity(fail)

    @hub.orchestrator
    def cancels(context):
        task = context.call_activity_with_retry("fail", RETRY, 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        task.cancel()
        with contextlib.suppress(df.TaskCanceledError):
            yield task
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return "done"

    handle = hub.start(cancels)
    assert handle.result(20) == "done"
    assert kept(handle)[-4:] == ["TimerCanceled", "TimerCreated", "TimerFired", "ExecutionCompleted"]
    assert kept(handle).count("TaskScheduled") == 1
    [step] = [step for step in handle.progress()._shown().steps if step.name == "fail"]
    assert (step.over, step.failed, step.canceled) == (1, 0, 1)
    assert next(call.state for call in read_calls(handle.history())) == "canceled"


def test_a_call_with_retries_that_has_ended_keeps_its_outcome(hub):
    hub.add_activity(lambda n: n, "quick")

    @hub.orchestrator
    def cancels(context):
        task = context.call_activity_with_retry("quick", RETRY, 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        task.cancel()
        value = yield task
        other = context.call_activity_with_retry("quick", RETRY, 2)
        yield other
        with pytest.raises(ValueError, match="Cannot cancel a completed task"):
            other.cancel()
        return value

    assert hub.run(cancels) == 1


# -- losers ----------------------------------------------------------------------------------------


def test_losers_are_cancelled_if_that_is_asked_for(hub, slow):
    @hub.orchestrator
    def child(context):
        yield context.wait_for_external_event("never")

    @hub.orchestrator
    def race(context):
        now = context.current_utc_datetime
        tasks = [
            context.call_activity("quick", 1),
            context.call_activity("slow", 2),
            context.create_timer(now + timedelta(hours=1)),
            context.wait_for_external_event("never"),
            context.call_activity_with_retry("slow", RETRY, 3),
            context.task_all([context.call_activity("slow", 4), context.call_activity("slow", 5)]),
        ]
        child = context.call_sub_orchestrator("child")
        winner = yield context.task_any([*tasks, child], cancel_losers=True)
        return [tasks.index(winner), [task.is_failed for task in tasks]]

    handle = hub.start(race)
    assert handle.result(20) == [0, [False, True, False, False, True, True]]
    cancelled = [kind for kind in kept(handle) if "cancel" in kind.lower() or "Unsub" in kind]
    assert cancelled == ["TaskCanceled", "TimerCanceled", "EventUnsubscribed", *3 * ["TaskCanceled"]]


def test_losers_run_on_without_being_asked_about(hub, slow):
    @hub.orchestrator
    def race(context):
        tasks = [context.call_activity("quick", 1), context.call_activity("slow", 2)]
        yield context.task_any(tasks)
        return tasks[1].is_completed

    handle = hub.start(race)
    assert handle.result(20) is False
    assert "TaskCanceled" not in kept(handle)


def test_losers_are_cancelled_when_a_race_inside_of_another_is_read(hub, slow):
    @hub.orchestrator
    def nested(context):
        inner = context.task_any(
            [context.call_activity("quick", 1), context.call_activity("slow", 2)], cancel_losers=True
        )
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        assert (yield context.task_any([inner, timer])) is inner
        assert not inner.children[1].is_completed
        assert inner.result is inner.children[0]
        return [task.is_failed for task in inner.children]

    assert hub.run(nested) == [False, True]


def test_a_loser_that_has_completed_too_keeps_its_result(hub):
    hub.add_activity(lambda n: n, "quick")

    @hub.orchestrator
    def race(context):
        tasks = [context.call_activity("quick", 1), context.call_activity("quick", 2)]
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any(tasks, cancel_losers=True)
        return [task.result for task in tasks]

    assert hub.run(race) == [1, 2]


# -- with histories --------------------------------------------------------------------------------


def cancelling(context):
    task = context.call_activity("slow", 1)
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    task.cancel()
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    value = yield context.call_activity("quick", 7)
    return [task.is_failed, value]


def test_after_a_restart_a_cancelled_call_is_not_made_again(tmp_path):
    path, clock, ran = tmp_path / "flows.duckdb", df.VirtualClock(autojump=False), []
    begun = threading.Semaphore(0)

    async def hang(n):
        begun.release()
        await asyncio.sleep(60)

    with df.TaskHub(path, clock=clock) as hub:
        hub.add_activity(hang, "slow")
        hub.add_orchestrator(cancelling)
        handles = [hub.start(cancelling, instance_id=name) for name in "ab"]
        assert begun.acquire(timeout=20)
        assert begun.acquire(timeout=20)
        clock.advance(hours=1)
        until(lambda: all(kept(handle)[-2:] == ["TaskCanceled", "TimerCreated"] for handle in handles))
    with df.TaskHub(path, clock=clock, verify_replay=True) as hub:
        hub.add_activity(ran.append, "slow")
        hub.add_activity(lambda n: n, "quick")
        hub.add_orchestrator(cancelling)
        clock.advance(hours=1)
        assert [hub.handle(name).result(20) for name in "ab"] == [[True, 7], [True, 7]]
    assert ran == []


def test_a_fork_after_the_cancellation_shares_it(hub, clock, slow):
    hub.add_orchestrator(cancelling)
    handle = hub.start(cancelling)
    assert slow.acquire(timeout=20)
    clock.advance(hours=1)
    assert handle.result(20) == [True, 7]
    at = next(e.event_id for e in handle.history() if type(e).__name__ == "TaskCanceled")
    fork = handle.fork(at=at, results={})
    assert fork.result(20) == [True, 7]
    assert kept(fork).count("TaskCanceled") == 1
    with pytest.raises(ValueError, match=r"cancelled task #0 .*no result"):
        handle.fork(at=at, results={"#0": 3})


def test_a_rewind_cancels_again_and_runs_nothing_of_it(hub, slow):
    broken = [True]

    def shaky(n):
        if broken[0]:
            raise RuntimeError("broken")
        return n

    hub.add_activity(shaky)

    @hub.orchestrator
    def cancels(context):
        task = context.call_activity("slow", 1)
        value = yield context.call_activity("quick", 2)
        task.cancel()
        return [value, (yield context.call_activity("shaky", 3)), task.is_failed]

    handle = hub.start(cancels)
    with pytest.raises(RuntimeError):
        handle.result(20)
    begun = slow._value
    broken[0] = False
    handle.rewind("again")
    assert handle.result(20) == [2, 3, True]
    assert slow._value == begun
    assert len(handle.replay())


def test_the_code_may_not_stop_to_cancel(hub, clock, slow):
    @hub.orchestrator
    def decides(context):
        task = context.call_activity("slow", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        task.cancel()
        yield context.wait_for_external_event("go")

    handle = hub.start(decides)
    assert slow.acquire(timeout=20)
    clock.advance(hours=1)
    until(lambda: kept(handle)[-1] == "EventSubscribed")

    def decides(context):
        context.call_activity("slow", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.wait_for_external_event("go")

    with pytest.raises(df.NonDeterminismError, match="recorded is TaskCanceled #0"):
        replay(decides, (handle.id, "any"), list(handle.history()))


# -- seen from outside -----------------------------------------------------------------------------


def test_tables_pictures_and_texts_show_a_cancelled_call(hub, clock, slow):
    hub.add_orchestrator(cancelling)
    handle = hub.start(cancelling)
    assert slow.acquire(timeout=20)
    until(lambda: hub.sql("select started from activities").fetchall()[0][0])
    clock.advance(hours=1)
    handle.result(20)
    rows = hub.sql("select name, status, run_time, worker from activities order by task_id").fetchall()
    assert rows == [
        ("slow", "Canceled", timedelta(hours=1), "asyncio"),
        ("quick", "Completed", timedelta(0), "thread-0"),
    ]
    spans = hub.sql("select name, status from spans where kind = 'activity' order by seq").fetchall()
    assert spans == [("slow", "Canceled"), ("quick", "Completed")]
    assert [step.canceled for step in handle.progress()._shown().steps if step.name == "slow"] == [1]
    assert next(call.state for call in read_calls(handle.history())) == "canceled"
    assert "⊘" in timeline_text(handle.history())
    assert "TaskCanceled #0" in str(handle.history())


def test_azures_history_has_a_cancelled_call_as_one_without_an_end(hub, clock, slow):
    hub.add_orchestrator(cancelling)
    handle = hub.start(cancelling)
    assert slow.acquire(timeout=20)
    clock.advance(hours=1)
    handle.result(20)
    events = handle.status(show_history=True).history
    assert "TaskCanceled" not in [event["EventType"] for event in events]
    assert [event["Name"] for event in events if event["EventType"] == "TaskScheduled"] == ["slow"]
    assert [event["FunctionName"] for event in events if event["EventType"] == "TaskCompleted"] == ["quick"]


def test_a_cancellation_that_races_with_the_result_leaves_one_outcome_and_one_replay(tmp_path):
    with df.TaskHub(tmp_path / "flows.duckdb", durability="pipelined", verify_replay=True) as hub:
        hub.add_activity(lambda n: time.sleep(n % 5 / 1_000), "nap")
        hub.add_activity(lambda n: n, "quick")

        @hub.orchestrator
        def races(context):
            n = context.get_input()
            nap = context.call_activity("nap", n)
            for step in range(n % 3):
                yield context.call_activity("quick", step)
            nap.cancel()
            try:
                yield nap
            except df.TaskCanceledError:
                return "cancelled"
            return "done"

        handles = hub.map(races, range(300))
        results = handles.results(60)
        assert set(results) <= {"cancelled", "done"}
        for handle, result in zip(handles, results, strict=True):
            settled = [kind for kind in kept(handle) if kind in ("TaskCanceled", "TaskCompleted")]
            assert settled.count("TaskCanceled") == (result == "cancelled")
        rows = hub.sql(
            "select count(*) from (select execution_id, task_id from history where event_type in "
            "('TaskCompleted', 'TaskCanceled') group by all having count(*) > 1)"
        ).fetchall()
        assert rows == [(0,)]
