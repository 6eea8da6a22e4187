"""The history in the format of Azure's status endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from durablenb.model.events import (
    ContinueAsNew,
    EntityLockGranted,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventRaised,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from durablenb.model.failures import FailureDetails

AzureEvent = dict[str, Any]

_ASKED = (TaskScheduled, SubOrchestrationInstanceCreated)
_ENDED = (TaskCompleted, TaskFailed, SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed)
_KINDS: dict[type[Event], str] = {
    ExecutionCanceled: "ExecutionCompleted",
    EntityOperationCalled: "EventSent",
    EntityOperationSignaled: "EventSent",
    EntityLockRequested: "EventSent",
    EntityOperationCompleted: "EventRaised",
    EntityOperationFailed: "EventRaised",
    EntityLockGranted: "EventRaised",
}
_REASONED = (ExecutionSuspended, ExecutionResumed, ExecutionRewound)


def history_events(events: Iterable[Event], *, show_output: bool, show_input: bool) -> list[AzureEvent]:
    """Return the events for ``showHistory=true``, where requests are merged into their results.

    Parameters
    ----------
    events
        An execution's history.
    show_output, show_input
        Include results and inputs.

    Notes
    -----
    The rules are those of the host's ``ConvertOrchestrationStateToStatus``. Events that Azure doesn't have
    (``EventSubscribed``, ``CustomStatusSet``, cancellations) are omitted. Operations of entities and their
    results are messages, as in Azure.
    """
    shown: list[AzureEvent] = []
    requests: dict[int, tuple[Event, AzureEvent]] = {}
    folded: set[int] = set()
    for event in events:
        fields = _fields(event)
        if fields is None:
            continue
        kind = _KINDS.get(type(event)) or type(event).__name__
        entry: AzureEvent = {"EventType": kind, **fields, "Timestamp": _iso(event.timestamp)}
        if isinstance(event, (*_ASKED, TimerCreated)):
            requests[event.task_id] = (event, entry)
        elif isinstance(event, (*_ENDED, TimerFired)) and event.task_id in requests:
            request, request_entry = requests.pop(event.task_id)
            if isinstance(request, _ASKED):
                folded.add(id(request_entry))
                entry["FunctionName"] = request.name
                entry["ScheduledTime"] = request_entry["Timestamp"]
                entry["Input"] = request_entry["Input"]
            elif isinstance(request, TimerCreated):
                entry["FireAt"] = _iso(request.fire_at)
        shown.append(entry)
        if isinstance(event, ExecutionTerminated):  # Azure has two events for it
            ended = {"OrchestrationStatus": "Terminated", "Result": event.reason}
            shown.append({"EventType": "ExecutionCompleted", **ended, "Timestamp": entry["Timestamp"]})
    for entry in shown:
        if not show_output:
            entry.pop("Result", None)
        if not show_input:
            entry.pop("Input", None)
    return [entry for entry in shown if id(entry) not in folded]


def _fields(event: Event) -> AzureEvent | None:
    """Return an event's own fields under Azure's names, or None for an event that isn't shown."""
    if isinstance(event, ExecutionStarted):
        return {"FunctionName": event.name, "Input": _value(event.input)}
    if isinstance(event, _ASKED):
        return {"Name": event.name, "Input": _value(event.input)}
    if isinstance(event, (TaskCompleted, SubOrchestrationInstanceCompleted)):
        return {"Result": _value(event.result)}
    if isinstance(event, (TaskFailed, SubOrchestrationInstanceFailed)):
        return _failed(event.failure)
    if isinstance(event, TimerCreated):
        return {"FireAt": _iso(event.fire_at)}
    if isinstance(event, EventRaised):
        return {"Name": event.name, "Input": _value(event.input)}
    return _message_fields(event) or _lifecycle_fields(event)


def _message_fields(event: Event) -> AzureEvent | None:
    """Return the fields of messages to and from entities; a call and its result share an id."""
    if isinstance(event, (EntityOperationCalled, EntityOperationSignaled)):
        message = {
            "op": event.name,
            "signal": isinstance(event, EntityOperationSignaled),
            "input": event.input,
            "id": _message_id(event.task_id),
        }
        if isinstance(event, EntityOperationSignaled) and event.deliver_at is not None:
            message["due"] = _iso(event.deliver_at)
        return {"InstanceId": event.entity_id, "Name": "op", "Input": message}
    if isinstance(event, EntityLockRequested):
        message = {"op": None, "id": _message_id(event.task_id), "lockset": list(event.entity_ids), "pos": 0}
        return {"InstanceId": event.entity_ids[0], "Name": "op", "Input": message}
    if isinstance(event, EntityOperationCompleted):
        return {"Name": _message_id(event.task_id), "Input": {"result": event.result}}
    if isinstance(event, EntityOperationFailed):
        failure = event.failure
        answer = {"result": json.dumps(failure.message), "exceptionType": failure.error_type}
        return {"Name": _message_id(event.task_id), "Input": answer}
    if isinstance(event, EntityLockGranted):
        return {"Name": _message_id(event.task_id), "Input": {"result": None}}
    return None


def _message_id(task_id: int) -> str:
    return f"{task_id:08x}-0000-4000-8000-000000000000"


def _lifecycle_fields(event: Event) -> AzureEvent | None:
    if isinstance(event, ExecutionCompleted):
        return {"OrchestrationStatus": "Completed", "Result": _value(event.result)}
    if isinstance(event, ExecutionFailed):
        return {"OrchestrationStatus": "Failed", **_failed(event.failure)}
    if isinstance(event, ExecutionCanceled):
        return {"OrchestrationStatus": "Canceled", "Result": event.reason}
    if isinstance(event, ExecutionTerminated):
        return {"Input": event.reason}
    if isinstance(event, _REASONED):
        return {"Reason": event.reason}
    if isinstance(event, ContinueAsNew):
        return {"OrchestrationStatus": "ContinuedAsNew", "Result": _value(event.input)}
    return {} if isinstance(event, TimerFired) else None


def _failed(failure: FailureDetails) -> AzureEvent:
    return {
        "Reason": failure.message,
        "Details": failure.stack_trace,
        "FailureDetails": failure.as_json(),
    }


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
