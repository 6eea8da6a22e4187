"""The client's status of an instance, and its history in Azure's shape."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

import durablenb as df
from durablenb.model.failures import FailureDetails
from tests.client.corpus import fails, quick
from tests.traps.lab import kinds


def test_get_status_of_a_completed_instance(lab, client):
    began = lab.clock.now()
    client.start_new(quick, "q", [1])
    client.wait_for_completion("q", 10)
    status = client.get_status("q")
    assert status
    assert status.name == "quick"
    assert status.instance_id == "q"
    assert status.created_time == status.last_updated_time == began
    assert status.created_time.tzinfo is UTC
    assert status.input_ == status.output == [1]
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed
    assert status.custom_status is None
    assert status.history is None
    assert status.version is None
    assert status.parent_instance_id is None
    assert status.tags == {}
    assert status.scheduled_start_time is None
    assert status.failure_details is None
    assert repr(status) == "<quick q: Completed>"


def test_get_status_of_a_failed_instance_has_azures_text_and_the_details(client):
    client.start_new(fails, "f")
    client.wait_for_completion("f", 10)
    status = client.get_status("f")
    assert status.runtime_status == "Failed"
    assert status.output == "Orchestrator function 'fails' failed: broken"
    assert isinstance(status.failure_details, FailureDetails)
    assert status.failure_details.error_type == "builtins.ValueError"
    assert status.failure_details.message == "broken"
    assert 'raise ValueError("broken")' in status.failure_details.stack_trace


def test_get_status_without_the_input_leaves_it_out_of_the_history_too(client):
    client.start_new(quick, "q", "secret")
    client.wait_for_completion("q", 10)
    assert client.get_status("q").input_ == "secret"
    status = client.get_status("q", True, False, False)
    assert status.input_ is None
    assert "secret" not in repr(status.history)


def test_get_status_as_the_http_api_shows_it(lab, client):
    client.start_new(quick, "q", {"a": 1})
    client.wait_for_completion("q", 10)
    moment = lab.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert client.get_status("q").to_json() == {
        "name": "quick",
        "instanceId": "q",
        "createdTime": moment,
        "lastUpdatedTime": moment,
        "input": {"a": 1},
        "output": {"a": 1},
        "runtimeStatus": "Completed",
        "customStatus": None,
    }
    assert [e["EventType"] for e in client.get_status("q", True).to_json()["historyEvents"]] == [
        "ExecutionStarted",
        "ExecutionCompleted",
    ]


def everything(context):
    """One of each kind that a history shows."""
    context.set_custom_status("not in a history of Azure's")
    yield context.call_activity("works", {"in": 1})
    with contextlib.suppress(ValueError):
        yield context.call_activity("breaks", 2)
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=1))
    yield context.call_sub_orchestrator("quick", 3, "kid")
    with contextlib.suppress(ValueError):
        yield context.call_sub_orchestrator("fails", 4, "bad kid")
    cancelled = context.create_timer(context.current_utc_datetime + timedelta(days=1))
    cancelled.cancel()
    event = yield context.wait_for_external_event("go")
    context.call_activity("works", {"in": 5})  # still asked for when it ends
    return event


@pytest.fixture
def told(lab, client):
    """The history of `everything`, with what is asked for; times are left out."""

    @lab.activity
    def works(value):
        return {"out": value}

    @lab.activity
    def breaks(value):
        raise ValueError(f"no {value}")

    lab.orchestrator(everything)
    client.start_new(everything, "e", "input")
    lab.settle()
    lab.advance(minutes=2)
    client.suspend("e", "wait")
    client.resume("e", "go on")
    client.raise_event("e", "go", {"event": 6})
    client.wait_for_completion("e", 10)

    def tell(*shown):
        return client.get_status("e", True, *shown).history

    return tell


def test_a_history_has_azures_shape(told):
    """Requests are merged with their outcomes; results are there only if they are requested."""
    history = told()
    times = ("Timestamp", "ScheduledTime", "FireAt")
    for event in history:
        for key in event.keys() & times:
            datetime.strptime(event[key], "%Y-%m-%dT%H:%M:%S.%fZ")
    left_out = (*times, "Details", "FailureDetails")
    assert [{k: v for k, v in event.items() if k not in left_out} for event in history] == [
        {"EventType": "ExecutionStarted", "FunctionName": "everything", "Input": "input"},
        {"EventType": "TaskCompleted", "FunctionName": "works", "Input": {"in": 1}},
        {"EventType": "TaskFailed", "FunctionName": "breaks", "Input": 2, "Reason": "no 2"},
        {"EventType": "TimerCreated"},
        {"EventType": "TimerFired"},
        {"EventType": "SubOrchestrationInstanceCompleted", "FunctionName": "quick", "Input": 3},
        {
            "EventType": "SubOrchestrationInstanceFailed",
            "FunctionName": "fails",
            "Input": 4,
            "Reason": "broken",
        },
        {"EventType": "TimerCreated"},
        {"EventType": "ExecutionSuspended", "Reason": "wait"},
        {"EventType": "ExecutionResumed", "Reason": "go on"},
        {"EventType": "EventRaised", "Name": "go", "Input": {"event": 6}},
        {"EventType": "TaskScheduled", "Name": "works", "Input": {"in": 5}},
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed"},
    ]
    folded = [event for event in history if event["EventType"] in ("TaskCompleted", "TaskFailed")]
    assert all("ScheduledTime" in event and "TaskScheduledId" not in event for event in folded)
    assert all("FireAt" in event for event in history if event["EventType"].startswith("Timer"))
    assert all("EventId" not in event and "IsPlayed" not in event for event in history)


def test_a_history_has_results_and_failures_if_they_are_asked_for_and_inputs_unless_they_are_not(told):
    results = [event["Result"] for event in told(True) if "Result" in event]
    assert results == [{"out": {"in": 1}}, 3, {"event": 6}]
    failed = next(event for event in told(True) if event["EventType"] == "TaskFailed")
    assert failed["FailureDetails"]["ErrorType"] == "builtins.ValueError"
    assert "raise ValueError" in failed["Details"]
    assert all("Input" not in event for event in told(True, False))


def test_a_history_is_that_of_the_current_execution(lab, client):
    @lab.orchestrator
    def again(context):
        if context.get_input() is None:
            yield context.create_timer(context.current_utc_datetime)
            context.continue_as_new(1)

    client.start_new(again, "a")
    client.wait_for_completion("a", 10)
    assert [e["EventType"] for e in client.get_status("a", True).history] == [
        "ExecutionStarted",
        "ExecutionCompleted",
    ]
    assert kinds(client.history("a")).count("ExecutionStarted") == 2


def test_history_is_of_all_executions_and_refuses_nobody(client):
    client.start_new(quick, "q")
    client.wait_for_completion("q", 10)
    assert kinds(client.history("q")) == ["ExecutionStarted", "OrchestratorStarted", "ExecutionCompleted"]
    with pytest.raises(df.InstanceNotFoundError):
        client.history("nobody")
