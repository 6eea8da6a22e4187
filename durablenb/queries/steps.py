"""What an execution is drawn from: calls with their attempts, steps, and how they hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from durablenb.model.events import (
    TERMINAL,
    Event,
    ExecutionStarted,
)
from durablenb.queries.timeline import Kind, Span, spans_of

CallState = Literal["failed", "not loaded", "retrying", "open", "canceled", "left open", "completed"]
"""What became of a call. "left open": the orchestrator ended without waiting for it."""

CALL_STATES: tuple[CallState, ...] = get_args(CallState)
"""The most worrying one first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One task with all its attempts; `number` is the first one's id, `pauses` the timers between two.

    `execution` counts those of the instance, from 1.
    """

    execution: int
    number: int
    name: str
    kind: Kind
    state: CallState
    attempts: tuple[Span, ...]
    pauses: tuple[Span, ...] = ()

    @property
    def asked(self) -> datetime:
        """When the first attempt was asked for."""
        return self.attempts[0].asked

    @property
    def ended(self) -> datetime:
        """When the last attempt ended, or the last time that something was heard."""
        return self.attempts[-1].ended


@dataclass(frozen=True, slots=True)
class Step:
    """Calls of one name that were asked for at one place: all at once, or in the rounds of a loop."""

    number: int
    name: str
    kind: Kind
    stage: int
    calls: tuple[Call, ...]

    @property
    def states(self) -> dict[CallState, int]:
        """How many calls are in each state, the most worrying one first."""
        counts = Counter(call.state for call in self.calls)
        return {state: counts[state] for state in CALL_STATES if counts[state]}

    @property
    def attempts(self) -> int:
        """How many attempts were made in all."""
        return sum(len(call.attempts) for call in self.calls)


@dataclass(frozen=True, slots=True)
class Join:
    """The orchestrator went on when `came` of `of` calls, asked for together, had come.

    `stage` is what it then asked for; `is_all` says that none was left open, each time it was there.
    """

    stage: int
    came: int
    of: int
    is_all: bool


@dataclass(frozen=True, slots=True)
class Loop:
    """Stages that were gone through several times, the last time perhaps not to the end.

    `is_mixed`: it is one stage, of which each round asked for something else.
    """

    first: int
    last: int
    times: int
    is_mixed: bool = False


Place = int | Literal["start", "end"]
"""A step by its number, or where the execution begins and ends."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What came from `source` let the orchestrator ask for `target`; `count` times."""

    source: Place
    target: Place
    count: int


@dataclass(frozen=True, slots=True)
class Flow:
    """One execution as a graph of steps; `end` is the status it ended with, None while it is open."""

    name: str
    generation: int
    steps: tuple[Step, ...]
    edges: tuple[Edge, ...]
    joins: tuple[Join, ...]
    loops: tuple[Loop, ...]
    stages: int
    end: str | None


def calls_of(events: Sequence[Event]) -> list[Call]:
    """Return the calls of all executions in the order in which they were asked for."""
    execution = 0
    executions: dict[int, int] = {}
    for event in events:
        execution += type(event) is ExecutionStarted
        executions[id(event)] = execution
    is_over = bool(events) and isinstance(events[-1], TERMINAL)
    attempts: dict[tuple[int, int], list[Span]] = {}
    pauses: dict[tuple[int, int], list[Span]] = {}
    for span in spans_of(events):
        first = getattr(span.request, "retry_of", None)
        number = getattr(span.request, "task_id", -1) if first is None else first
        is_pause = span.kind == "timer" and first is not None
        (pauses if is_pause else attempts).setdefault((executions[id(span.request)], number), []).append(span)
    return [
        _call(*key, tuple(spans), tuple(pauses.get(key, ())), is_over or key[0] < execution)
        for key, spans in attempts.items()
    ]


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
