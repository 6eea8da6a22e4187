"""The calls of an instance, each with its attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from durablenb.analysis.timeline import ENTITY_KINDS, Span, SpanReader, family_name
from durablenb.core.generations import GenerationCounter
from durablenb.model.events import Ending, Event, ExecutionStarted, TaskKind

CallState = Literal[
    "failed",
    "not loaded",
    "retrying",
    "running",
    "open",
    "queued",
    "interrupted",
    "canceled",
    "left open",
    "completed",
]
"""The state of a call, or of one of its attempts. Only attempts are "interrupted".

An open call of an activity is "running" or "queued" if an engine says so, else "open". "left open": the
orchestrator ended without waiting for it.
"""

IN_FLIGHT: tuple[CallState, ...] = ("running", "open", "queued")
"""The states of a call that was scheduled and has no outcome yet."""

CALL_STATES: tuple[CallState, ...] = get_args(CallState)
"""All states of a call, the most urgent first."""

MOST_ENTITIES = 3
"""The number of entities of one name that are shown one by one. More of them are shown as one."""


@dataclass(frozen=True, slots=True)
class Call:
    """A task with all its attempts. `number` is the first attempt's id, `pauses` the timers between attempts.

    `execution` is the number of the execution within the instance, from 1.
    """

    execution: int
    number: int
    name: str
    kind: TaskKind
    state: CallState
    attempts: tuple[Span, ...]
    pauses: tuple[Span, ...] = ()

    def in_state(self, state: CallState) -> Call:
        """Return the same call in another state."""
        return Call(self.execution, self.number, self.name, self.kind, state, self.attempts, self.pauses)

    @property
    def scheduled(self) -> datetime:
        """The time of the first attempt's request."""
        return self.attempts[0].scheduled

    @property
    def ended(self) -> datetime:
        """The end of the last attempt; of an open one, the time of its last known event."""
        return self.attempts[-1].ended

    @property
    def is_cached(self) -> bool:
        """True if the last attempt got the remembered result of an equal call."""
        return self.attempts[-1].is_cached

    @property
    def cluster_worker(self) -> str:
        """The address of the worker that ran the last attempt; empty if that wasn't on a cluster."""
        worker = getattr(self.attempts[-1].answer, "worker", None) or ""
        return worker.partition("://")[2]

    @property
    def family(self) -> str:
        """The call's name. For an entity's operation or a lock, the key is replaced by ``*``."""
        request = self.attempts[0].request
        return self.name if request is None or self.kind not in ENTITY_KINDS else family_name(request)


def shared_name(calls: Iterable[Call]) -> Callable[[Call], str]:
    """Return a function that gives the name under which each of these calls is shown.

    This is the call's own name, unless many entities of one name get the same call.
    """
    names: dict[tuple[str, str], set[str]] = {}
    for call in calls:
        if call.kind in ENTITY_KINDS:
            names.setdefault((call.kind, call.family), set()).add(call.name)

    def call_name(call: Call) -> str:
        if call.kind not in ENTITY_KINDS or len(names[call.kind, call.family]) <= MOST_ENTITIES:
            return call.name
        return call.family

    return call_name


def lane_name(
    calls: Sequence[Call], most: int, call_name: Callable[[Call], str] | None = None
) -> Callable[[Call], str]:
    """Return a function that names the lane of a call in a timeline.

    The calls of an activity that ran on a cluster have a lane for each worker, unless that would be too many.
    If all workers are on one machine, its address is left out.

    Parameters
    ----------
    calls
        All calls of the timeline.
    most
        How many lanes there may be.
    call_name
        Names a call; by default, it has its own name.
    """
    name = call_name or (lambda call: call.name)
    lanes = {(name(call), call.cluster_worker) for call in calls}
    if len(lanes) > most:
        return name
    machines = {worker.rpartition(":")[0] for _, worker in lanes if worker}

    def name_of_lane(call: Call) -> str:
        worker = call.cluster_worker
        if not worker:
            return name(call)
        return f"{name(call)} on {worker if len(machines) > 1 else worker[worker.rfind(':') :]}"

    return name_of_lane


CallKey = tuple[int, int]
"""Identifies a call: the number of its execution, from 1, and of its first attempt."""


def read_calls(events: Iterable[Event]) -> list[Call]:
    """Return the calls of all executions in the order of their requests."""
    reader = CallReader()
    for event in events:
        reader.read(event)
    return reader.ended()


class CallReader:
    """Reads a history event by event, and gives the calls at any time."""

    def __init__(self) -> None:
        self._spans = SpanReader()
        self._counter = GenerationCounter()
        self._is_over = False
        self._keys: list[CallKey] = []  # of the spans, by position
        self._attempts: dict[CallKey, list[int]] = {}  # the positions of each call's attempts
        self._pauses: dict[CallKey, list[int]] = {}
        self._positions: dict[CallKey, int] = {}  # of the calls
        self._calls: list[Call | None] = []  # None: a rewind wrote the call again
        self._unsettled: set[CallKey] = set()

    def read(self, event: Event) -> None:
        """Read the next event."""
        self._counter.read(event)
        if isinstance(event, ExecutionStarted):
            self._is_over = False
        self._spans.read(event)
        if isinstance(event, Ending):
            self._is_over = True
        while len(self._keys) in self._spans.changed:  # new positions
            self._enter(len(self._keys))

    def calls(self) -> list[Call]:
        """Return the calls. The end of an open call is its last known event."""
        changed = {self._keys[position] for position in self._spans.changed}
        self._spans.changed.clear()
        changed |= {key for key in self._unsettled if self._is_over or key[0] < self._counter.executions}
        for key in sorted(changed):
            self._make(key)
        return [call for call in self._calls if call is not None]

    def ended(self) -> list[Call]:
        """Return the calls. Open calls last until the history's last event."""
        self._spans.spans()
        return self.calls()

    # -- inside ----------------------------------------------------------------------------------

    def _enter(self, position: int) -> None:
        span = self._spans.span(position)
        assert span is not None
        first = getattr(span.request, "retry_of", None)
        key = (self._counter.executions, getattr(span.request, "task_id", -1) if first is None else first)
        self._keys.append(key)
        is_pause = span.kind == "timer" and first is not None
        (self._pauses if is_pause else self._attempts).setdefault(key, []).append(position)
        if not is_pause and key not in self._positions:
            self._positions[key] = len(self._calls)
            self._calls.append(None)

    def _make(self, key: CallKey) -> None:
        attempts, pauses = self._known(self._attempts.get(key)), self._known(self._pauses.get(key))
        position = self._positions.get(key)
        if position is None:
            return
        call = (
            _call(*key, attempts, pauses, self._is_over or key[0] < self._counter.executions)
            if attempts
            else None
        )
        self._calls[position] = call
        if call is not None and call.state in ("open", "retrying", "failed"):
            self._unsettled.add(key)
        else:
            self._unsettled.discard(key)

    def _known(self, positions: Iterable[int] | None) -> tuple[Span, ...]:
        span_at = self._spans.span
        return tuple([span for position in positions or () if (span := span_at(position)) is not None])


def _call(
    execution: int, number: int, attempts: tuple[Span, ...], pauses: tuple[Span, ...], is_over: bool
) -> Call:
    last = attempts[-1]
    state: CallState = last.state
    if last.state == "open" and is_over:
        state = "left open"
    elif last.state == "failed" and len(pauses) == len(attempts):
        if pauses[-1].state == "canceled":
            state = "canceled"
        elif not is_over:
            state = "retrying"
    return Call(execution, number, attempts[0].name, attempts[0].kind, state, attempts, pauses)
