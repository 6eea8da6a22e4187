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
from durablenb.model.events import TaskCanceled
from tests.histories.replaying import replay
from tests.traps.lab import kinds
from tests.waiting import until

RETRY = df.RetryOptions(60_000, 3)


@pytest.fixture
def clock():
    """Moved by hand while an activity runs: `hub.clock.advance` would wait for its end."""
    return df.VirtualClock()


@pytest.fixture
def hub(clock):
    """A hub that replays each episode and compares."""
    with df.TaskHub(":memory:", clock=clock, verify_replay=True) as hub:
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


def an_hour(context):
    return context.create_timer(context.current_utc_datetime + timedelta(hours=1))


def plain(context, name, n):
    return context.call_activity(name, n)


def retried(context, name, n):
    return context.call_activity_with_retry(name, RETRY, n)


@pytest.mark.parametrize("call", [plain, retried])
def test_a_cancelled_call_fails_at_once_and_the_code_goes_on(hub, clock, slow, call):
    @hub.orchestrator
    def cancels(context):
        task = call(context, "slow", 1)
        yield an_hour(context)
        task.cancel()
        assert task.is_completed
        assert task.is_failed
        assert task.is_cancelled
        task.cancel()  # once more has no effect
        try:
            yield task
        except df.TaskFailedError as error:
            task.cancel()
            return [isinstance(error, df.TaskCanceledError), str(error), error.details.error_type]

    handle = hub.start(cancels)
    assert slow.acquire(timeout=20)
    clock.advance(hours=1)
    assert handle.result(20) == [
        True,
        "The orchestrator cancelled this call of 'slow'.",
        "durablenb.model.errors.TaskCanceledError",
    ]
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


@pytest.mark.parametrize("call", [plain, retried])
def test_a_completed_call_keeps_its_result_unless_it_was_seen(hub, call):
    hub.add_activity(lambda n: n, "quick")

    @hub.orchestrator
    def late(context):
        task = call(context, "quick", 1)
        yield an_hour(context)
        task.cancel()
        assert not task.is_failed
        value = yield task
        other = call(context, "quick", 2)
        yield other
        failed = context.call_activity("no such activity", 2)
        with pytest.raises(LookupError):
            yield failed
        for seen in (other, failed):
            with pytest.raises(ValueError, match="Cannot cancel a completed task"):
                seen.cancel()
        return value

    handle = hub.start(late)
    assert handle.result(20) == 1
    assert "TaskCanceled" not in kept(handle)


def test_a_call_that_cannot_succeed_is_settled_once_even_if_it_is_cancelled_right_away(hub):
    @hub.orchestrator
    def calls(context):
        task = context.call_activity("no such activity", 2)
        task.cancel()
        yield an_hour(context)
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


def test_a_call_with_retries_is_cancelled_between_two_attempts(hub):
    def fail(n):
        raise ValueError(n)

    hub.add_activity(fail)

    @hub.orchestrator
    def cancels(context):
        task = retried(context, "fail", 1)
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
        task.cancel()
        with contextlib.suppress(df.TaskCanceledError):
            yield task
        yield an_hour(context)
        return "done"

    handle = hub.start(cancels)
    assert handle.result(20) == "done"
    assert kept(handle)[-4:] == ["TimerCanceled", "TimerCreated", "TimerFired", "ExecutionCompleted"]
    assert kept(handle).count("TaskScheduled") == 1
    [step] = [step for step in handle.progress()._shown().steps if step.name == "fail"]
    assert (step.over, step.failed, step.canceled) == (1, 0, 1)
    assert next(call.state for call in read_calls(handle.history())) == "canceled"


# -- losers ----------------------------------------------------------------------------------------


def test_losers_are_cancelled_if_that_is_asked_for(hub, slow):
    @hub.orchestrator
    def child(context):
        yield context.wait_for_external_event("never")

    @hub.orchestrator
    def race(context):
        tasks = [
            context.call_activity("quick", 1),
            context.call_activity("slow", 2),
            an_hour(context),
            context.wait_for_external_event("never"),
            retried(context, "slow", 3),
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
        tasks = [context.call_activity("quick", 1), context.call_activity("slow", 2)]
        inner = context.task_any(tasks, cancel_losers=True)
        assert (yield context.task_any([inner, an_hour(context)])) is inner
        assert not tasks[1].is_completed
        assert inner.result is tasks[0]
        return [task.is_failed for task in tasks]

    assert hub.run(nested) == [False, True]


def test_a_loser_that_has_completed_too_keeps_its_result(hub):
    hub.add_activity(lambda n: n, "quick")

    @hub.orchestrator
    def race(context):
        tasks = [context.call_activity("quick", 1), context.call_activity("quick", 2)]
        yield an_hour(context)
        yield context.task_any(tasks, cancel_losers=True)
        return [task.result for task in tasks]

    assert hub.run(race) == [1, 2]


# -- with histories --------------------------------------------------------------------------------


def cancelling(context):
    task = context.call_activity("slow", 1)
    yield an_hour(context)
    task.cancel()
    yield an_hour(context)
    value = yield context.call_activity("quick", 7)
    return [task.is_failed, value]


@pytest.fixture
def cancelled(hub, clock, slow):
    """An orchestration that has cancelled a call while it ran, and then completed."""
    handle = hub.start(hub.orchestrator(cancelling))
    assert slow.acquire(timeout=20)
    until(lambda: hub.sql("select started from activities").fetchall()[0][0])
    clock.advance(hours=1)
    assert handle.result(20) == [True, 7]
    return handle


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


def test_a_fork_after_the_cancellation_shares_it(cancelled):
    at = next(event.event_id for event in cancelled.history() if isinstance(event, TaskCanceled))
    fork = cancelled.fork(at=at, results={})
    assert fork.result(20) == [True, 7]
    assert kept(fork).count("TaskCanceled") == 1
    with pytest.raises(ValueError, match=r"cancelled task #0 .*no result"):
        cancelled.fork(at=at, results={"#0": 3})


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


def test_the_code_may_not_stop_to_cancel(cancelled):
    def stops(context):
        context.call_activity("slow", 1)
        yield an_hour(context)
        yield an_hour(context)

    with pytest.raises(df.NonDeterminismError, match="recorded is TaskCanceled #0"):
        replay(stops, (cancelled.id, "any"), list(cancelled.history()))


# -- seen from outside -----------------------------------------------------------------------------


def test_tables_pictures_and_texts_show_a_cancelled_call(hub, cancelled):
    rows = hub.sql("select name, status, run_time, worker from activities order by task_id").fetchall()
    assert rows == [
        ("slow", "Canceled", timedelta(hours=1), "asyncio"),
        ("quick", "Completed", timedelta(0), "thread-0"),
    ]
    spans = hub.sql("select name, status from spans where kind = 'activity' order by seq").fetchall()
    assert spans == [("slow", "Canceled"), ("quick", "Completed")]
    steps = cancelled.progress()._shown().steps
    assert [step.canceled for step in steps if step.name == "slow"] == [1]
    history = cancelled.history()
    assert next(call.state for call in read_calls(history)) == "canceled"
    assert "⊘" in timeline_text(history)
    assert "TaskCanceled #0" in str(history)


def test_azures_history_has_a_cancelled_call_as_one_without_an_end(cancelled):
    events = cancelled.status(show_history=True).history
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

        handles = hub.map(races, range(100))
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
