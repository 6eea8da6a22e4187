"""The one function that turns a request into its fact; it writes histories and checks replays alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

from durablenb.model import actions, events
from durablenb.model.failures import FailureDetails
from durablenb.model.names import folded

CALLS = (events.TaskScheduled, events.SubOrchestrationInstanceCreated, events.EventSubscribed)
"""Facts whose names are compared without case."""

_FACT_OF: dict[type, Callable[..., events.Event]] = {
    actions.ScheduleTask: events.TaskScheduled,
    actions.CreateSubOrchestration: events.SubOrchestrationInstanceCreated,
    actions.CreateTimer: events.TimerCreated,
    actions.CancelTimer: events.TimerCanceled,
    actions.SubscribeEvent: events.EventSubscribed,
    actions.UnsubscribeEvent: events.EventUnsubscribed,
    actions.AwaitCode: events.CodeAwaited,
    actions.CallEntity: events.EntityOperationCalled,
    actions.SignalEntity: events.EntityOperationSignaled,
    actions.RequestLock: events.EntityLockRequested,
    actions.SendUnlock: events.EntityUnlockSent,
    actions.SetCustomStatus: events.CustomStatusSet,
    actions.CompleteExecution: events.ExecutionCompleted,
    actions.FailExecution: events.ExecutionFailed,
    actions.ContinueExecutionAsNew: events.ContinueAsNew,
}


def record(action: actions.Action, event_id: int, timestamp: datetime) -> events.Event:
    """The fact that this request becomes at this place and time of the history."""
    return _FACT_OF[type(action)](event_id, timestamp, *action)


def described(event: events.Event) -> str:
    """A fact in a few words, for messages."""
    kind = type(event).__name__
    name = name_in(event)
    task = getattr(event, "task_id", None)
    return kind + (f" {name!r}" if name else "") + (f" #{task}" if task is not None else "")


def name_in(event: events.Event) -> str:
    """The name of what a fact is about, with the entity where there is one; empty if it has none."""
    if isinstance(event, events.EntityLockRequested):
        return ", ".join(event.entity_ids)
    name = getattr(event, "name", None) or ""
    entity_id = getattr(event, "entity_id", None)
    return name if entity_id is None else f"{entity_id}.{name}"


def differences(recorded: events.Event, requested: events.Event) -> tuple[tuple[str, Any, Any], ...]:
    """Where two facts differ: (field, recorded, requested); the kind first, if that differs."""
    if type(recorded) is not type(requested):
        return (("event_type", described(recorded), described(requested)),)
    found = (
        (field.name, getattr(recorded, field.name), getattr(requested, field.name))
        for field in fields(recorded)
    )
    is_call = isinstance(recorded, CALLS)
    return tuple(
        (name, was, now)
        for name, was, now in found
        if not (same_name(was, now) if is_call and name == "name" else same(was, now))
    )


def fits(recorded: events.Event, requested: events.Event) -> bool:
    """Whether what is asked for is what is recorded; names of functions and events without case."""
    if recorded == requested:
        return True
    return isinstance(requested, (*CALLS, events.ExecutionFailed)) and not differences(recorded, requested)


def same_name(recorded: str, requested: str) -> bool:
    """Whether two names are of one function, or of one external event."""
    return folded(recorded) == folded(requested)


def same(recorded: object, requested: object) -> bool:
    """Whether two values of a field count as equal: of a failure, its type and its message."""
    if isinstance(recorded, FailureDetails) and isinstance(requested, FailureDetails):
        return (recorded.error_type, recorded.message) == (requested.error_type, requested.message)
    return recorded == requested
