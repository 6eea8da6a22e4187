"""From events to calls: the attempts of a call belong together, and each event changes one of them."""

from __future__ import annotations

from collections.abc import Iterable

from durablenb.analysis.instance.steps import Call, CallState
from durablenb.analysis.instance.timeline import Span, SpanReader
from durablenb.model.events import TERMINAL, Event, ExecutionStarted

Key = tuple[int, int]
"""A call by its execution, from 1, and the number of its first attempt."""


def calls_of(events: Iterable[Event]) -> list[Call]:
    """Return the calls of all executions in the order in which they were asked for."""
    reader = CallReader()
    for event in events:
        reader.read(event)
    return reader.ended()


class CallReader:
    """Reads a history event by event, and has its calls at any time."""

    def __init__(self) -> None:
        self._spans = SpanReader()
        self._execution = 0
        self._is_over = False
        self._keys: list[Key] = []  # of the spans, by their places
        self._attempts: dict[Key, list[int]] = {}  # the places of a call's attempts
        self._pauses: dict[Key, list[int]] = {}
        self._places: dict[Key, int] = {}  # of the calls
        self._calls: list[Call | None] = []  # None: a rewind wrote it once more
        self._unsettled: set[Key] = set()

    def read(self, event: Event) -> None:
        """Take note of the next event."""
        if isinstance(event, ExecutionStarted):
            self._execution += 1
            self._is_over = False
        self._spans.read(event)
        if isinstance(event, TERMINAL):
            self._is_over = True
        while len(self._keys) in self._spans.changed:  # places that are new
            self._enter(len(self._keys))

    def calls(self) -> list[Call]:
        """Return the calls; what is open has its end where it was last touched."""
        changed = {self._keys[place] for place in self._spans.changed}
        self._spans.changed.clear()
        changed |= {key for key in self._unsettled if self._is_over or key[0] < self._execution}
        for key in sorted(changed):
            self._make(key)
        return [call for call in self._calls if call is not None]

    def ended(self) -> list[Call]:
        """Return the calls; what is open lasts until the last event."""
        self._spans.spans()
        return self.calls()

    # -- inside ----------------------------------------------------------------------------------

    def _enter(self, place: int) -> None:
        span = self._spans.span(place)
        assert span is not None
        first = getattr(span.request, "retry_of", None)
        key = (self._execution, getattr(span.request, "task_id", -1) if first is None else first)
        self._keys.append(key)
        is_pause = span.kind == "timer" and first is not None
        (self._pauses if is_pause else self._attempts).setdefault(key, []).append(place)
        if not is_pause and key not in self._places:
            self._places[key] = len(self._calls)
            self._calls.append(None)

    def _make(self, key: Key) -> None:
        attempts, pauses = self._known(self._attempts.get(key)), self._known(self._pauses.get(key))
        place = self._places.get(key)
        if place is None:
            return
        call = _call(*key, attempts, pauses, self._is_over or key[0] < self._execution) if attempts else None
        self._calls[place] = call
        if call is not None and call.state in ("open", "retrying", "failed"):
            self._unsettled.add(key)
        else:
            self._unsettled.discard(key)

    def _known(self, places: Iterable[int] | None) -> tuple[Span, ...]:
        span_at = self._spans.span
        return tuple([span for place in places or () if (span := span_at(place)) is not None])


def _call(
    execution: int, number: int, attempts: tuple[Span, ...], pauses: tuple[Span, ...], is_over: bool
) -> Call:
    last = attempts[-1]
    state: CallState = last.state
    if last.state == "open" and is_over:
        state = "left open"
    elif last.state == "failed" and len(pauses) == len(attempts) and not is_over:
        state = "retrying"
    return Call(execution, number, attempts[0].name, attempts[0].kind, state, attempts, pauses)
