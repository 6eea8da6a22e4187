"""What an execution is drawn from: calls with their attempts, steps, and how they hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, get_args

from durablenb.analysis.instance.naming import family_in
from durablenb.analysis.instance.timeline import OF_ENTITIES, Kind, Span

CallState = Literal["failed", "not loaded", "retrying", "open", "canceled", "left open", "completed"]
"""What became of a call. "left open": the orchestrator ended without waiting for it."""

CALL_STATES: tuple[CallState, ...] = get_args(CallState)
"""The most worrying one first."""

MOST_ENTITIES = 3
"""Entities of one name that stand apart where the same is asked of them; of more, all are one."""


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

    @property
    def family(self) -> str:
        """Its name; that of an entity's operation, or of a lock, with ``*`` for the key."""
        request = self.attempts[0].request
        return self.name if request is None or self.kind not in OF_ENTITIES else family_in(request)


def shared_name(calls: Iterable[Call]) -> Callable[[Call], str]:
    """Return what gives each of these calls the name under which it is shown with others.

    That is its own, unless the same is asked of many entities of one name.
    """
    names: dict[tuple[str, str], set[str]] = {}
    for call in calls:
        if call.kind in OF_ENTITIES:
            names.setdefault((call.kind, call.family), set()).add(call.name)

    def name_of(call: Call) -> str:
        if call.kind not in OF_ENTITIES or len(names[call.kind, call.family]) <= MOST_ENTITIES:
            return call.name
        return call.family

    return name_of


@dataclass(frozen=True)
class Step:
    """Calls of one name that were asked for at one place: all at once, or in the rounds of a loop."""

    number: int
    name: str
    kind: Kind
    stage: int
    calls: tuple[Call, ...]

    @cached_property
    def states(self) -> dict[CallState, int]:
        """How many calls are in each state, the most worrying one first."""
        counts = Counter([call.state for call in self.calls])
        return {state: counts[state] for state in CALL_STATES if counts[state]}

    @cached_property
    def attempts(self) -> int:
        """How many attempts were made in all."""
        return sum([len(call.attempts) for call in self.calls])


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
