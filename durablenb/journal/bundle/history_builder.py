"""The builder of an execution's history from the requests and arrivals that Azure shows.

Azure shows a completed task as one entry, with the time at which it was scheduled. Here each request gets a
position of its own again: after everything that had arrived by then, and before its own completion. Requests
that follow arrivals form an episode.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from durablenb.model.events import (
    CustomStatusSet,
    Event,
    EventSubscribed,
    ExecutionStarted,
    OrchestratorStarted,
)

EventFactory = Callable[..., Event]
"""Returns an event with this id and time and, if the event belongs to a task, the task's id."""

Role = Literal["request", "arrival", "command", "end", "stop"]
"""The role of an event: requested by the code, arrived, a client's command, the code's end, or a client's."""


class PendingTask:
    """A requested task and the time of its request; its id is known once all events are in order."""

    __slots__ = ("at", "id")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.id = -1


def event_factory(kind: type[Event], *fields: object) -> EventFactory:
    """Return the factory of events of this kind; the fields follow the task's id."""
    make: Any = kind
    return lambda event_id, at, *task: make(event_id, at, *task, *fields)


class DraftEvent:
    """An event whose id isn't known yet.

    Parameters
    ----------
    role
        The role of the event.
    at
        The time.
    make
        The factory of the event.
    task
        The task that the event belongs to; None if it belongs to none.
    event_name
        The name of an external event.
    """

    __slots__ = ("at", "event_name", "make", "role", "task")

    def __init__(
        self,
        role: Role,
        at: datetime,
        make: EventFactory,
        task: PendingTask | None = None,
        event_name: str | None = None,
    ) -> None:
        self.event_name = event_name
        self.role = role
        self.at = at
        self.make = make
        self.task = task


class HistoryBuilder:
    """Collects requests and other events, and puts them in order."""

    def __init__(self) -> None:
        self.requests: list[DraftEvent] = []
        self.has_ended = False
        """True if the last added event ended the execution."""
        self._others: list[DraftEvent] = []

    def request(self, at: datetime, make: EventFactory) -> PendingTask:
        """Add a request of the code, at any position; return its task."""
        task = PendingTask(at)
        self.requests.append(DraftEvent("request", at, make, task))
        return task

    def request_for(self, task: PendingTask, at: datetime, make: EventFactory) -> None:
        """Add a further request about a task."""
        self.requests.append(DraftEvent("request", at, make, task))

    def add(self, event: DraftEvent) -> None:
        """Add the next of the other events, which come in order."""
        self._others.append(event)
        self.has_ended = event.role in ("end", "stop")

    def build(self, started: ExecutionStarted, custom_status: str | None, *, has_run: bool) -> list[Event]:
        """Return the events of the execution.

        Parameters
        ----------
        started
            The first event.
        custom_status
            The last custom status, encoded.
        has_run
            Whether the code has run at all.

        Notes
        -----
        The subscription to an external event is put into the episode before the event's arrival, because
        Azure doesn't show when the wait began.
        """
        episodes = _Episodes(started.timestamp)
        for event in self._in_order():
            episodes.add(event)
        if has_run:
            episodes.ensure_first()
        if custom_status is not None:
            episodes.set_custom_status(custom_status)
        return _number(started, episodes.events)

    def _in_order(self) -> list[DraftEvent]:
        """Return all events, each request after what had arrived by its time, and before its completion."""
        requests = sorted(self.requests, key=lambda request: request.at)
        times = [request.at for request in requests]
        ordered: list[DraftEvent] = []
        done = 0
        for event in self._others:
            cut = len(requests) if event.role in ("end", "stop") else bisect_left(times, event.at)
            if event.task is not None:
                cut = max(cut, bisect_right(times, event.task.at))
            ordered += requests[done:cut]
            done = max(done, cut)
            ordered.append(event)
        return ordered + requests[done:]


class _Episodes:
    """Events in order, with an `OrchestratorStarted` before each episode."""

    def __init__(self, started_at: datetime) -> None:
        self._started_at = started_at
        self._last_end: int | None = None
        self._is_in_episode = False
        self.events: list[DraftEvent] = []

    def add(self, event: DraftEvent) -> None:
        if event.role in ("request", "end"):
            if not self._is_in_episode:
                self._begin(event.at)
            self.events.append(event)
            if event.role == "end":
                self._is_in_episode = False
            else:
                self._last_end = len(self.events)
            return
        if event.event_name is not None:
            at = self._last_request_time()
            subscribed = event_factory(EventSubscribed, event.event_name)
            self._append_to_last(DraftEvent("request", at, subscribed, PendingTask(at)))
        self._is_in_episode = False
        self.events.append(event)

    def ensure_first(self) -> None:
        """Insert the first episode if there is none."""
        if self._last_end is None:
            self.events.insert(0, DraftEvent("request", self._started_at, OrchestratorStarted))
            self._last_end = 1

    def set_custom_status(self, text: str) -> None:
        at = self._last_request_time()
        self._append_to_last(DraftEvent("request", at, event_factory(CustomStatusSet, text)))

    def _begin(self, at: datetime) -> None:
        last = self.events[-1].at if self.events else self._started_at
        self._is_in_episode = True
        self.events.append(DraftEvent("request", max(at, last), OrchestratorStarted))
        self._last_end = len(self.events)

    def _last_request_time(self) -> datetime:
        self.ensure_first()
        assert self._last_end is not None
        return self.events[self._last_end - 1].at

    def _append_to_last(self, event: DraftEvent) -> None:
        """Insert an event at the end of the last episode."""
        assert self._last_end is not None
        self.events.insert(self._last_end, event)
        self._last_end += 1


def _number(started: Event, drafts: Sequence[DraftEvent]) -> list[Event]:
    """Return the events with their ids and the ids of their tasks."""
    events, task_count = [started], 0
    for event_id, draft in enumerate(drafts, started.event_id + 1):
        task_ids: tuple[int, ...] = ()
        if draft.task is not None:
            if draft.task.id < 0:
                draft.task.id, task_count = task_count, task_count + 1
            task_ids = (draft.task.id,)
        events.append(draft.make(event_id, draft.at, *task_ids))
    return events
