"""Row 18: what comes twice or too late changes nothing."""

import pytest

import durablenb as df
from durablenb.core.execution import Execution
from durablenb.core.registry import target_name
from durablenb.engine.jobs import ActivityFinished, ActivityJob
from durablenb.model.events import (
    ExecutionStarted,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
)
from durablenb.model.failures import FailureDetails
from durablenb.values.codec import ValueCodec
from tests.traps.lab import kinds


@pytest.fixture
def asked(lab):
    """An instance that has the result of its activity and waits for an event, and what reports results."""

    def asks(context):
        result = yield context.call_activity("slow")
        yield context.wait_for_external_event("go")
        return result

    lab.activity(lambda: "first", "slow")
    handle = lab.begin(asks)
    engine = lab.client._control.engine
    with engine._lock:
        instance = engine._state.instances.open[handle.id]
        scope = engine._state.dispatcher.scope

    def report(task_id, outcome):
        """The report of an executor, doubled or unrequested."""
        job = ActivityJob(scope, instance, task_id, "slow", "null", scope.codec)
        before = handle.history()
        engine.post(ActivityFinished(job, outcome, lab.clock.now(), lab.clock.now()))
        lab.settle()
        assert handle.history() == before

    return handle, report


def test_row_18_a_second_result_of_a_task_and_one_of_an_unknown_task_change_nothing(asked):
    handle, report = asked
    report(0, '"second"')
    report(0, FailureDetails("builtins.ValueError", "third"))
    report(1, '"the wait for the event has this id"')
    report(17, '"surprise"')
    handle.raise_event("go")
    assert handle.result(10) == "first"


def test_row_18_a_result_after_the_end_changes_nothing(asked):
    handle, report = asked
    handle.terminate()
    report(0, '"late"')
    assert handle.status().runtime_status == "Terminated"


def test_row_18_events_raised_twice_are_two_events(lab):
    def two(context):
        events = [context.wait_for_external_event("go") for _ in range(2)]
        return (yield context.task_all(events))

    handle = lab.start(two)
    handle.raise_event("go", "same")
    handle.raise_event("go", "same")
    assert handle.result(10) == ["same", "same"]


def test_row_18_completions_doubled_in_a_history_count_once():
    """A history from elsewhere may hold them; replaying it must not trip over them."""

    def asks(context):
        return [(yield context.call_activity("a")), (yield context.call_activity("b"))]

    now = df.VirtualClock().now()
    execution = Execution(asks, "i", "x", ValueCodec(), target_name)
    execution.replay(
        [
            ExecutionStarted(1, now, "asks", "null"),
            ExecutionStarted(2, now, "asks", "null"),
            OrchestratorStarted(3, now),
            TaskScheduled(4, now, 0, "a", "null"),
            TaskCompleted(5, now, 0, "1"),
            TaskCompleted(6, now, 0, "2"),
            TaskFailed(7, now, 0, FailureDetails("builtins.ValueError", "no")),
            TaskCompleted(8, now, 99, "3"),
            TimerFired(9, now, 0),
            OrchestratorStarted(10, now),
            TaskScheduled(11, now, 1, "b", "null"),
            TaskCompleted(12, now, 1, "4"),
        ]
    )
    facts = execution.resume(now, 13)
    assert kinds(facts) == ["OrchestratorStarted", "ExecutionCompleted"]
    assert facts[-1].result == "[1, 4]"
