"""Changed copies of a history, to see what the orchestrator would have done.

A copy is a history of its own, numbered from 1. The journal isn't touched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from durablenb.core.requests import described
from durablenb.model.events import (
    REQUESTED,
    EntityOperationCompleted,
    EntityOperationFailed,
    Event,
    ExecutionStarted,
    OrchestratorStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
)
from durablenb.model.failures import failure_of
from durablenb.model.payloads import Codec

Events = tuple[Event, ...]
Change = tuple[Events, str]
"""The copy, and the change as text."""

_ENDS: tuple[tuple[type[Any], type[Any]], ...] = (
    (TaskCompleted, TaskFailed),
    (SubOrchestrationInstanceCompleted, SubOrchestrationInstanceFailed),
    (EntityOperationCompleted, EntityOperationFailed),
)
_CARRIED = ("result", "input", "name")
_TO_FAILURE: dict[type[Event], Callable[..., Event]] = dict(_ENDS)
_TO_RESULT: dict[type[Event], Callable[..., Event]] = {failed: completed for completed, failed in _ENDS}


def without(events: Events, event_id: int) -> Change:
    """Return a copy without an event."""
    place = _place(events, event_id, may_be_first=False)
    return _numbered(events[:place] + events[place + 1 :]), f"{_named(events[place])} is left out"


def twice(events: Events, event_id: int) -> Change:
    """Return a copy in which an event occurs twice in a row."""
    place = _place(events, event_id, may_be_first=False)
    return _numbered(events[: place + 1] + events[place:]), f"{_named(events[place])} is there twice"


def swapped(events: Events, one_id: int, other_id: int) -> Change:
    """Return a copy in which two events have swapped positions. Each position keeps its time."""
    one, other = sorted(
        (_place(events, one_id, may_be_first=False), _place(events, other_id, may_be_first=False))
    )
    changed = list(events)
    changed[one] = replace(events[other], timestamp=events[one].timestamp)
    changed[other] = replace(events[one], timestamp=events[other].timestamp)
    return _numbered(changed), f"{_named(events[one])} and {_named(events[other])} have changed places"


def until(events: Events, event_id: int) -> Change:
    """Return the history as a crash right after an event would leave it.

    All requests of an episode are written together, so all of them are kept.
    """
    place = _place(events, event_id)
    if isinstance(events[place], (OrchestratorStarted, *REQUESTED)):
        while place + 1 < len(events) and isinstance(events[place + 1], REQUESTED):
            place += 1
    return events[: place + 1], f"it ends with {_named(events[place])}"


def edited(events: Events, event_id: int, codec: Codec, given: dict[str, Any]) -> Change:
    """Return a copy in which an event has another value.

    Parameters
    ----------
    events
        The history.
    event_id
        Which event.
    codec
        The codec that encodes values.
    given
        One of ``result``, ``input``, ``error`` and ``name``, with the new value.
    """
    place = _place(events, event_id)
    if len(given) != 1:
        raise ValueError("Expected one change: result=..., input=..., error=... or name=....")
    ((what, value),) = given.items()
    changed = _changed(events[place], what, value, codec)
    return _numbered(
        [*events[:place], changed, *events[place + 1 :]]
    ), f"{_named(events[place])} has another {what}"


def _changed(event: Event, what: str, value: Any, codec: Codec) -> Event:
    kind = type(event)
    where = (event.event_id, event.timestamp, getattr(event, "task_id", None))
    is_end = kind in _TO_FAILURE or kind in _TO_RESULT
    if what == "error" and is_end:
        failure = failure_of(value if isinstance(value, BaseException) else RuntimeError(str(value)))
        return _TO_FAILURE.get(kind, kind)(*where, failure)
    if what == "result" and is_end:
        return _TO_RESULT.get(kind, kind)(*where, codec.encode(value, "result"))
    known = ("result", "error") if is_end else tuple(one for one in _CARRIED if hasattr(event, one))
    if what not in known:
        has = f"It has {' and '.join(known)}." if known else "There is nothing to change in it."
        raise ValueError(f"{_named(event)} has no {what}. {has}")
    text = str(value) if what == "name" else codec.encode(value, "input")
    return replace(event, **{what: text})  # type: ignore[arg-type]


def _place(events: Events, event_id: int, *, may_be_first: bool = True) -> int:
    place = next((place for place, event in enumerate(events) if event.event_id == event_id), None)
    if place is None:
        raise LookupError(f"There is no event {event_id} in this history of {len(events):,} events.")
    if isinstance(events[place], ExecutionStarted) and not may_be_first:
        raise ValueError(f"{_named(events[place])} is what the execution begins with; it has to stay there.")
    return place


def _numbered(events: Sequence[Event]) -> Events:
    return tuple(
        event if event.event_id == number else replace(event, event_id=number)
        for number, event in enumerate(events, events[0].event_id)
    )


def _named(event: Event) -> str:
    return f"event {event.event_id:,} ({described(event)})"
