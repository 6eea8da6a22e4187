"""The course of an execution, put together from what Azure tells: what was asked for, and what came.

Azure shows what ended together with when it had been asked for. Here each asking gets a place of its own
again: after what had come by then, and before its own end. What follows on arrivals is an episode.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from durablenb.model.events import CustomStatusSet, Event, EventSubscribed, OrchestratorStarted

Make = Callable[..., Event]
"""Makes an event of its id, its time and, where it is about a task, the task's id."""

Kind = Literal["ask", "arrival", "client", "end", "stop"]
"""Whether the code asked for it, it came, a client wanted it, or it ended: by the code, or by a client."""


class Task:
    """Something that was asked for, and when; its id is known when all is in order."""

    __slots__ = ("at", "id")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.id = -1


def fact(kind: type[Event], *fields: object) -> Make:
    """What makes an event of this kind with these fields, after its task's id."""
    made: Any = kind
    return lambda event_id, at, *task: made(event_id, at, *task, *fields)


class Step:
    """One event at its place.

    Parameters
    ----------
    kind
        See `Kind`.
    at
        Its time.
    make
        Makes the event.
    task
        Which task it is about; None where the event has none.
    event_name
        Of an external event, which one.
    """

    __slots__ = ("at", "event_name", "kind", "make", "task")

    def __init__(
        self, kind: Kind, at: datetime, make: Make, task: Task | None = None, event_name: str | None = None
    ) -> None:
        self.event_name = event_name
        self.kind = kind
        self.at = at
        self.make = make
        self.task = task


class Course:
    """Steps as they are told, until `in_order` puts them where they belong."""

    def __init__(self) -> None:
        self.asks: list[Step] = []
        self.has_ended = False
        """Whether the execution is over with what was told by now."""
        self._told: list[Step] = []

    def ask(self, at: datetime, make: Make) -> Task:
        """The code asked for something at this time."""
        task = Task(at)
        self.asks.append(Step("ask", at, make, task))
        return task

    def send(self, at: datetime, make: Make, task: Task) -> None:
        """The code asked for something more about a task that there is."""
        self.asks.append(Step("ask", at, make, task))

    def add(self, step: Step) -> None:
        """The next of the steps that are told in their order."""
        self._told.append(step)
        self.has_ended = step.kind in ("end", "stop")

    def in_order(self) -> list[Step]:
        """All steps: each asking after what had come by its time, and before its own end."""
        asks = sorted(self.asks, key=lambda step: step.at)
        times = [step.at for step in asks]
        ordered: list[Step] = []
        done = 0
        for step in self._told:
            cut = len(asks) if step.kind in ("end", "stop") else bisect_left(times, step.at)
            if step.task is not None:
                cut = max(cut, bisect_right(times, step.task.at))
            ordered += asks[done:cut]
            done = max(done, cut)
            ordered.append(step)
        return ordered + asks[done:]


def events_of(
    begin: Event, steps: Sequence[Step], custom_status: str | None, *, has_run: bool
) -> list[Event]:
    """The events of an execution, with the episodes in which it asked.

    Parameters
    ----------
    begin
        The first one, `ExecutionStarted`.
    steps
        What followed, in order.
    custom_status
        The last one that is known, as text.
    has_run
        Whether the code has run at all.

    Notes
    -----
    A wait for an external event is put into the episode before the event came: when it began isn't told.
    """
    laid = _Laid(begin.timestamp)
    for step in steps:
        laid.put(step)
    if has_run:
        laid.begin_if_never()
    if custom_status is not None:
        laid.show(custom_status)
    return _numbered(begin, laid.steps)


class _Laid:
    """Steps with episodes between them."""

    def __init__(self, begun: datetime) -> None:
        self._begun = begun
        self._last_end: int | None = None
        self._is_in_episode = False
        self.steps: list[Step] = []

    def put(self, step: Step) -> None:
        if step.kind in ("ask", "end"):
            if not self._is_in_episode:
                self._open(step.at)
            self.steps.append(step)
            if step.kind == "end":
                self._is_in_episode = False
            else:
                self._last_end = len(self.steps)
            return
        if step.event_name is not None:
            self._wait_for(step.event_name)
        self._is_in_episode = False
        self.steps.append(step)

    def begin_if_never(self) -> None:
        if self._last_end is None:
            self.steps.insert(0, Step("ask", self._begun, OrchestratorStarted))
            self._last_end = 1

    def show(self, text: str) -> None:
        self.begin_if_never()
        assert self._last_end is not None
        at = self.steps[self._last_end - 1].at
        self._insert(Step("ask", at, fact(CustomStatusSet, text)))

    def _wait_for(self, name: str) -> None:
        self.begin_if_never()
        assert self._last_end is not None
        at = self.steps[self._last_end - 1].at
        self._insert(Step("ask", at, fact(EventSubscribed, name), Task(at)))

    def _open(self, at: datetime) -> None:
        last = self.steps[-1].at if self.steps else self._begun
        self._is_in_episode = True
        self.steps.append(Step("ask", max(at, last), OrchestratorStarted))
        self._last_end = len(self.steps)

    def _insert(self, step: Step) -> None:
        assert self._last_end is not None
        self.steps.insert(self._last_end, step)
        self._last_end += 1


def _numbered(begin: Event, steps: Sequence[Step]) -> list[Event]:
    events, tasks = [begin], 0
    for event_id, step in enumerate(steps, begin.event_id + 1):
        values: tuple[Any, ...] = ()
        if step.task is not None:
            if step.task.id < 0:
                step.task.id, tasks = tasks, tasks + 1
            values = (step.task.id,)
        events.append(step.make(event_id, step.at, *values))
    return events
