"""Changed copies of a history, to see what the orchestrator would have done.

A copy is a history of its own, numbered from 1. The journal isn't touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from durablenb.core.requests import describe_event
from durablenb.model.events import (
    OUTCOMES,
    Event,
    ExecutionStarted,
    OrchestratorStarted,
    Raised,
    Request,
    Returned,
)
from durablenb.model.failures import describe_failure
from durablenb.model.payloads import Codec

Events = tuple[Event, ...]
Change = tuple[Events, str]
"""The copy, and the change as text."""

_CARRIED = ("result", "input", "name")


def without(events: Events, event_id: int) -> Change:
    """Return a copy without an event."""
    position = _position(events, event_id, may_be_first=False)
    return _numbered(
        events[:position] + events[position + 1 :]
    ), f"{_event_text(events[position])} is left out"


def twice(events: Events, event_id: int) -> Change:
    """Return a copy in which an event occurs twice in a row."""
    position = _position(events, event_id, may_be_first=False)
    return _numbered(
        events[: position + 1] + events[position:]
    ), f"{_event_text(events[position])} is there twice"


def swapped(events: Events, one_id: int, other_id: int) -> Change:
    """Return a copy in which two events have swapped positions. Each position keeps its time."""
    first, second = sorted(
        (_position(events, one_id, may_be_first=False), _position(events, other_id, may_be_first=False))
    )
    changed = list(events)
    changed[first] = replace(events[second], timestamp=events[first].timestamp)
    changed[second] = replace(events[first], timestamp=events[second].timestamp)
    return _numbered(
        changed
    ), f"{_event_text(events[first])} and {_event_text(events[second])} have changed places"


def until(events: Events, event_id: int) -> Change:
    """Return the history as a crash right after an event would leave it.

    All requests of an episode are written together, so all of them are kept.
    """
    position = _position(events, event_id)
    if isinstance(events[position], (OrchestratorStarted, Request)):
        while position + 1 < len(events) and isinstance(events[position + 1], Request):
            position += 1
    return events[: position + 1], f"it ends with {_event_text(events[position])}"


def edited(events: Events, event_id: int, codec: Codec, change: dict[str, Any]) -> Change:
    """Return a copy in which an event has another value.

    Parameters
    ----------
    events
        The history.
    event_id
        Which event.
    codec
        The codec that encodes values.
    change
        One of ``result``, ``input``, ``error`` and ``name``, with the new value.
    """
    position = _position(events, event_id)
    if len(change) != 1:
        raise ValueError("Expected one change: result=..., input=..., error=... or name=....")
    ((what, value),) = change.items()
    changed = _changed(events[position], what, value, codec)
    return _numbered(
        [*events[:position], changed, *events[position + 1 :]]
    ), f"{_event_text(events[position])} has another {what}"


def _changed(event: Event, what: str, value: Any, codec: Codec) -> Event:
    kind = type(event)
    where = (event.event_id, event.timestamp, getattr(event, "task_id", None))
    is_end = isinstance(event, Returned | Raised)
    if what == "error" and is_end:
        failure = describe_failure(value if isinstance(value, BaseException) else RuntimeError(str(value)))
        return OUTCOMES[kind.settles, "failed"](*where, failure)
    if what == "result" and is_end:
        return OUTCOMES[kind.settles, "completed"](*where, codec.encode(value, "result"))
    known = ("result", "error") if is_end else tuple(field for field in _CARRIED if hasattr(event, field))
    if what not in known:
        has = f"It has {' and '.join(known)}." if known else "There is nothing to change in it."
        raise ValueError(f"{_event_text(event)} has no {what}. {has}")
    text = str(value) if what == "name" else codec.encode(value, "input")
    return replace(event, **{what: text})  # type: ignore[arg-type]


def _position(events: Events, event_id: int, *, may_be_first: bool = True) -> int:
    position = next((position for position, event in enumerate(events) if event.event_id == event_id), None)
    if position is None:
        raise LookupError(f"There is no event {event_id} in this history of {len(events):,} events.")
    if isinstance(events[position], ExecutionStarted) and not may_be_first:
        raise ValueError(
            f"{_event_text(events[position])} is what the execution begins with; it has to stay there."
        )
    return position


def _numbered(events: Sequence[Event]) -> Events:
    return tuple(
        event if event.event_id == number else replace(event, event_id=number)
        for number, event in enumerate(events, events[0].event_id)
    )


def _event_text(event: Event) -> str:
    return f"event {event.event_id:,} ({describe_event(event)})"
