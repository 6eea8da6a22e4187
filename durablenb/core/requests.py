"""Turns requests into events, for writing histories and for checking replays alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any

from durablenb.model import actions, events
from durablenb.model.failures import FailureDetails
from durablenb.model.names import folded

CALLS = (events.TaskScheduled, events.SubOrchestrationInstanceCreated, events.EventSubscribed)
"""Facts whose names are compared without case."""

LIMITS = ("timeout", "heartbeat_timeout", "priority")
"""Fields that say how to run a call. Code may change them; calls that were made keep those they had."""

SHOWN_FIELDS = ("event_type", "name", "task_id")
"""Fields that `describe_event` shows."""

_WIDTH, _BEFORE = 60, 20
"""The length of a value that differs in a message, and how much of what is equal is shown before it."""

_FACT_OF: dict[type, Callable[..., events.Event]] = {
    actions.ScheduleTask: events.TaskScheduled,
    actions.CancelTask: events.TaskCanceled,
    actions.CreateSubOrchestration: events.SubOrchestrationInstanceCreated,
    actions.CancelSubOrchestration: events.SubOrchestrationCancelRequested,
    actions.CreateTimer: events.TimerCreated,
    actions.CancelTimer: events.TimerCanceled,
    actions.SubscribeEvent: events.EventSubscribed,
    actions.UnsubscribeEvent: events.EventUnsubscribed,
    actions.AwaitCode: events.CodeAwaited,
    actions.CallEntity: events.EntityOperationCalled,
    actions.SignalEntity: events.EntityOperationSignaled,
    actions.RequestLock: events.EntityLockRequested,
    actions.CancelLock: events.EntityLockCanceled,
    actions.SendUnlock: events.EntityUnlockSent,
    actions.SetCustomStatus: events.CustomStatusSet,
    actions.CompleteExecution: events.ExecutionCompleted,
    actions.FailExecution: events.ExecutionFailed,
    actions.CancelExecution: events.ExecutionCanceled,
    actions.ContinueExecutionAsNew: events.ContinueAsNew,
}


def event_for(action: actions.Action, event_id: int, timestamp: datetime) -> events.Event:
    """Return the event of a request, at a position and time of the history."""
    return _FACT_OF[type(action)](event_id, timestamp, *action)


def describe_event(event: events.Event) -> str:
    """Return an event in a few words, for messages."""
    kind = type(event).__name__
    name = subject_name(event)
    task = getattr(event, "task_id", None)
    return kind + (f" {name!r}" if name else "") + (f" #{task}" if task is not None else "")


def subject_name(event: events.Event) -> str:
    """Return the name of an event's function, operation or external event, or an empty text."""
    if isinstance(event, events.EntityLockRequested):
        return ", ".join(event.entity_ids)
    name = getattr(event, "name", None) or ""
    entity_id = getattr(event, "entity_id", None)
    return name if entity_id is None else f"{entity_id}.{name}"


def differences(recorded: events.Event, requested: events.Event) -> tuple[tuple[str, Any, Any], ...]:
    """Return the differences of two events: (field, recorded, requested), or only the kind's."""
    if type(recorded) is not type(requested):
        return (("event_type", describe_event(recorded), describe_event(requested)),)
    values = (
        (field.name, getattr(recorded, field.name), getattr(requested, field.name))
        for field in fields(recorded)
        if field.name not in LIMITS
    )
    is_call = isinstance(recorded, CALLS)
    return tuple(
        (name, was, now)
        for name, was, now in values
        if not (same_name(was, now) if is_call and name == "name" else same(was, now))
    )


def difference_text(name: str, was: object, now: object) -> str:
    """Return a field that differs as text; of long values, the parts where they differ.

    Examples
    --------
    >>> difference_text("input", "1", "2")
    "input: recorded '1', requested '2'"
    >>> difference_text("input", '{"to": ["Oslo"]}', '{"to": ["Rome"]}')
    "input.to[0]: recorded 'Oslo', requested 'Rome'"
    """
    name, was, now = _narrowed(name, was, now)
    texts = [value if isinstance(value, str) else str(value) for value in (was, now)]
    pairs = zip(*texts, strict=False)
    same = next((place for place, (a, b) in enumerate(pairs) if a != b), min(map(len, texts)))
    start = max(same - _BEFORE, 0) if max(map(len, texts)) > _WIDTH else 0
    shown = [("…" if start else "") + text[start : start + _WIDTH] for text in texts]
    cut = [part + "…" * (start + _WIDTH < len(text)) for part, text in zip(shown, texts, strict=True)]
    return f"{name}: recorded {cut[0]!r}, requested {cut[1]!r}"


def _narrowed(name: str, was: object, now: object) -> tuple[str, object, object]:
    """Return the first part that differs of two JSON objects or lists, with its place in the name."""
    try:
        parts = [json.loads(text) for text in (was, now) if isinstance(text, str)]
    except ValueError:
        parts = []
    if len(parts) != 2 or not all(isinstance(part, (dict, list)) for part in parts):
        return name, was, now
    before, after = parts
    while True:
        if isinstance(before, dict) and isinstance(after, dict):
            keys = [key for key in {**before, **after} if before.get(key, ...) != after.get(key, ...)]
            if not keys or keys[0] not in before or keys[0] not in after:
                break
            name, before, after = f"{name}.{keys[0]}", before[keys[0]], after[keys[0]]
        elif isinstance(before, list) and isinstance(after, list):
            pairs = enumerate(zip(before, after, strict=False))
            place = next((place for place, (a, b) in pairs if a != b), None)
            if place is None:
                break
            name, before, after = f"{name}[{place}]", before[place], after[place]
        else:
            break
    first, second = (part if isinstance(part, str) else json.dumps(part) for part in (before, after))
    return (name, was, now) if first == second else (name, first, second)


def is_same_request(recorded: events.Event, requested: events.Event) -> bool:
    """Tell whether a request is the recorded one; names of functions and events are compared without case."""
    if recorded == requested:
        return True
    return isinstance(requested, (*CALLS, events.ExecutionFailed)) and not differences(recorded, requested)


def same_name(recorded: str, requested: str) -> bool:
    """Tell whether two names denote the same function or external event."""
    return folded(recorded) == folded(requested)


def same(recorded: object, requested: object) -> bool:
    """Tell whether two values of a field count as equal; failures are compared by type and message."""
    if isinstance(recorded, FailureDetails) and isinstance(requested, FailureDetails):
        return (recorded.error_type, recorded.message) == (requested.error_type, requested.message)
    return recorded == requested
