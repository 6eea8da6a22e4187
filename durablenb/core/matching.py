"""Matches the requests of code with recorded events, by kind, name and input."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict, deque
from datetime import timedelta
from typing import Any

from durablenb.model.events import ContinueAsNew, EntityLockRequested, Event, ExecutionFailed, TimerCreated
from durablenb.model.failures import FailureDetails

CLOSE = timedelta(minutes=1)
"""The tolerance for a timer's time, since Azure doesn't tell exactly when the code ran."""


class UnmatchedEvents:
    """Recorded events that the code hasn't requested yet."""

    def __init__(self, asks: list[Any]) -> None:
        self._exact: dict[Any, deque[Any]] = defaultdict(deque)
        self._named: dict[Any, deque[Any]] = defaultdict(deque)
        self._left = {id(ask): ask for ask in asks}
        for ask in asks:
            self._exact[_key(ask), _plain(ask)].append(ask)
            self._named[_key(ask)].append(ask)

    def take(self, fact: Any) -> Any:
        """Remove and return the recorded event of a request, or None."""
        if isinstance(fact, TimerCreated):
            event = self._nearest(fact)
        else:
            event = self._first(self._exact[_key(fact), _plain(fact)]) or self._first(self._named[_key(fact)])
        if event is not None:
            del self._left[id(event)]
        return event

    def left(self) -> list[Event]:
        """Return the events that are left."""
        return list(self._left.values())

    def _first(self, asks: deque[Any]) -> Any:
        while asks and id(asks[0]) not in self._left:
            asks.popleft()
        return asks[0] if asks else None

    def _nearest(self, fact: TimerCreated) -> Any:
        timers = [timer for timer in self._left.values() if isinstance(timer, TimerCreated)]
        event = min(timers, key=lambda timer: abs(timer.fire_at - fact.fire_at), default=None)
        return event if event is not None and abs(event.fire_at - fact.fire_at) <= CLOSE else None


def _key(ask: Any) -> tuple[Any, ...]:
    """Return an event's kind and name; names are compared as Azure's host does."""
    if isinstance(ask, EntityLockRequested):
        return type(ask), ask.entity_ids
    return type(ask), getattr(ask, "entity_id", None), getattr(ask, "name", "").casefold()


def is_same(recorded: Any, requested: Any) -> bool:
    """Tell whether two events have the same input; an unknown input equals any."""
    given = getattr(recorded, "input", None)
    return given is None or given == "null" or _plain(recorded) == _plain(requested)


def is_same_end(recorded: Any, ended: Any) -> bool:
    """Tell whether the code's outcome is the recorded one; both are of one kind."""
    if isinstance(recorded, ExecutionFailed):
        texts = _messages(recorded.failure)
        return any(other in text or text in other for other in _messages(ended.failure) for text in texts)
    name = "input" if isinstance(recorded, ContinueAsNew) else "result"
    return _plain_text(getattr(recorded, name)) == _plain_text(getattr(ended, name))


def _messages(failure: FailureDetails | None) -> list[str]:
    """Return the messages of a failure and its causes, which Azure combines in its own way."""
    messages = []
    while failure is not None:
        messages.append(failure.message)
        failure = failure.inner
    return messages


def _plain(ask: Any) -> str:
    text = getattr(ask, "input", None)
    return "" if text is None else _plain_text(text)


def _plain_text(text: str) -> str:
    """Return a value without types' names and without JSON texts inside of JSON, which only one side has."""
    try:
        return json.dumps(_bared(json.loads(text)), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def _bared(value: Any) -> Any:
    if isinstance(value, str):
        try:
            inner = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return _bared(inner)
    if isinstance(value, list):
        return [_bared(item) for item in value]
    if isinstance(value, dict):
        if "@type" in value and "@value" in value:
            return _bared(_untagged(value))
        if "@payload" in value:
            return value["@payload"]  # the hash; what is said beside it may vary between versions
        if value.keys() == {"__class__", "__module__", "__data__"}:
            return _bared(value["__data__"])
        return {key: _bared(item) for key, item in value.items()}
    return value


def _untagged(tagged: dict[str, Any]) -> Any:
    value = tagged["@value"]
    if tagged["@type"] == "dict" and isinstance(value, list):
        with contextlib.suppress(TypeError, ValueError):
            return dict(value)
    return value
