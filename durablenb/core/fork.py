"""Forks: copies of an execution's history up to an event, as the beginning of another instance.

shared_past(history, at)   the shared events
Past.with_results(...)     the same with other results; with_input(...): with another input
Past.fork_events(...)      the new instance's events, and the requests among them that must be repeated
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from durablenb.core.requests import describe_event
from durablenb.core.short_repr import short_repr
from durablenb.model.events import (
    ALL_EVENTS,
    Ending,
    EntityLockCanceled,
    EntityLockRequested,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionStarted,
    OrchestratorStarted,
    Origin,
    PendingRequest,
    Raised,
    Request,
    Returned,
    SubOrchestrationCancelRequested,
    SubOrchestrationInstanceCreated,
)
from durablenb.model.failures import FailureDetails
from durablenb.model.plain import Plain, plain

# The events that settle each request that has a result.
_RETURNED = {kind.settles: kind for kind in ALL_EVENTS if issubclass(kind, Returned)}
_RAISED = {kind.settles: kind for kind in ALL_EVENTS if issubclass(kind, Raised)}

_OF_CHILDREN = (SubOrchestrationInstanceCreated, SubOrchestrationCancelRequested)

Value = str | FailureDetails
"""The replaced outcome of a request: a result as text, or a failure."""


def shared_past(history: Sequence[Event], at: int | None) -> list[Event]:
    """Return the events up to one of them, with the later requests of its episode, which share its moment.

    Parameters
    ----------
    history
        The current execution's events.
    at
        The event's id; None for all events, except those of an episode in which the execution ended.

    Raises
    ------
    ValueError
        If there is no such event; if it is in the last episode of an ended execution, or in a critical
        section; or if the history was imported, and doesn't have the code's own requests.
    """
    started = history[0]
    if isinstance(started, ExecutionStarted) and (started.is_partial or started.prefix):
        why = "with a prefix before its ids" if started.prefix else "from Azure, which doesn't tell all of it"
        raise ValueError(f"This history was imported {why}: it can be replayed, and not be forked.")
    if at is None:
        return _checked_locks(history[: _open_length(history)])
    position = next((position for position, event in enumerate(history) if event.event_id == at), None)
    if position is None:
        first, last = history[0].event_id, history[-1].event_id
        raise ValueError(
            f"There is no event {at} in the current execution: it has the events {first} to {last}."
        )
    position += 1
    while position < len(history) and isinstance(history[position], Request):
        position += 1
    end = _open_length(history)
    if position > end:
        raise ValueError(
            f"Event {at} belongs to the episode in which the orchestration ended: nothing would be left to "
            f"do. Fork at event {history[end - 1].event_id} or before."
        )
    return _checked_locks(history[:position])


def _open_length(history: Sequence[Event]) -> int:
    """Return the number of events before the episode in which the execution ended; all if it is open."""
    last = next((position for position, event in enumerate(history) if isinstance(event, Ending)), None)
    if last is None:
        return len(history)
    position = last
    while position > 1 and isinstance(history[position], Request):
        position -= 1
    return position if isinstance(history[position], OrchestratorStarted) else last


def _checked_locks(past: Sequence[Event]) -> list[Event]:
    locks = [event for event in past if isinstance(event, EntityLockRequested)]
    left = {event.task_id for event in past if isinstance(event, (EntityLockCanceled, EntityUnlockSent))}
    held = next((event for event in locks if event.task_id not in left), None)
    if held is not None:
        before = max(
            event.event_id
            for event in past
            if isinstance(event, OrchestratorStarted) and event.event_id < held.event_id
        )
        raise ValueError(
            f"The fork would begin in a critical section, and {', '.join(held.entity_ids)} can't be locked "
            f"by two instances. Fork at event {before - 1} or before, or after the section."
        )
    return list(past)


def checked_outcomes(given: object, what: str) -> Mapping[int | str, Any]:
    """Return the outcomes that a fork gets instead of the recorded ones.

    Raises
    ------
    TypeError
        If they aren't given by event or task.
    """
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{what} is {short_repr(given)}; expected a dict by task or by the id of an event, such as "
            '{"#1": 31}.'
        )
    return given


def find_task(history: Sequence[Event], key: int | str) -> int | None:
    """Return the task that a key of `Past.with_results` names; None if it names none."""
    if isinstance(key, str):
        return int(key[1:]) if key[:1] == "#" and key.isascii() and key[1:].isdecimal() else None
    event = next((event for event in history if event.event_id == key), None)
    return getattr(event, "task_id", None)


def last_settlement(history: Sequence[Event], keys: Iterable[int | str]) -> int | None:
    """Return the last event of these results, by the keys of `Past.with_results`, or None."""
    event_ids = []
    for key in keys:
        task_id = find_task(history, key)
        event_ids += [key] if isinstance(key, int) else []
        event_ids += [
            event.event_id
            for event in history
            if task_id is not None
            and getattr(event, "task_id", None) == task_id
            and isinstance(event, (PendingRequest, Returned, Raised))
        ]
    return max(event_ids, default=None)


@plain
class Past(Plain):
    """The history that a fork shares with its origin.

    Parameters
    ----------
    instance_id, execution_id
        The ids of the origin.
    events
        The shared events.
    arrived
        Replaced outcomes of requests that are open at the end: the request, and its outcome.
    """

    instance_id: str
    execution_id: str
    events: tuple[Event, ...]
    arrived: tuple[tuple[Event, Value], ...] = ()

    @property
    def started(self) -> ExecutionStarted:
        """The execution's first event."""
        first = self.events[0]
        assert isinstance(first, ExecutionStarted)
        return first

    @property
    def tasks(self) -> int:
        """The number of tasks that had been requested."""
        return tasks_in(self.events)

    @property
    def has_begun(self) -> bool:
        """True if the code had run."""
        return any(isinstance(event, OrchestratorStarted) for event in self.events)

    def with_input(self, text: str) -> Past:
        """Return this past with another input.

        Raises
        ------
        ValueError
            If the code had already seen its input.
        """
        if self.has_begun:
            raise ValueError(
                f"At event {self.events[-1].event_id} the code has seen its input. Another one goes with a "
                f"fork at the start: at={self.events[0].event_id}."
            )
        return replace(self, events=(replace(self.started, input=text), *self.events[1:]))

    def with_results(self, results: Mapping[int | str, Value]) -> Past:
        """Return this past with other results.

        Parameters
        ----------
        results
            Outcomes, by the id of an event, or by a task, as in ``"#3"``. The event is that of the request,
            of its result, or of an external event that was raised.

        Raises
        ------
        ValueError
            If there is no such event or task, it has no result, or two keys name the same task.
        """
        changed = self
        named: dict[int, int | str] = {}
        for key, value in results.items():
            task_id = self._find_task(key)
            if task_id is not None and named.setdefault(task_id, key) != key:
                raise ValueError(
                    f"{named[task_id]!r} and {key!r} both name task #{task_id}. Give one of them."
                )
            changed = changed._with_result(key, value)
        return changed

    def fork_events(
        self, execution_id: str, source: str | None, now: datetime
    ) -> tuple[list[Event], list[Event]]:
        """Return the events of a fork with this execution id, and those of them that are open requests."""
        settled = self._settled
        open_ = [event for event in self.events if self._is_open(event, settled)]
        children = [event for event in open_ if isinstance(event, SubOrchestrationInstanceCreated)]
        again = tuple(event.task_id for event in children)
        shift = self.events[0].event_id - 1
        tasks = self.tasks
        origin = Origin(
            self.instance_id,
            self.execution_id,
            self.events[-1].event_id,
            tasks,
            again,
            self.started.parent.instance_id if self.started.parent else None,
            now,
        )
        earlier = (replace(fork, tasks=min(fork.tasks, tasks)) for fork in self.started.forked_from)
        started = replace(
            self.started, parent=None, generation=0, source=source, forked_from=(origin, *earlier)
        )
        copies: dict[int, Event] = {}
        for event in (started, *self.events[1:]):
            copy = replace(event, event_id=event.event_id - shift)
            if isinstance(copy, _OF_CHILDREN) and copy.task_id in again:
                copy = replace(copy, instance_id=f"{execution_id}:{copy.task_id}")
            copies[event.event_id] = copy
        written = list(copies.values())
        for request, value in self.arrived:
            written.append(_end(request, value, len(written) + 1, now))
        return written, [copies[event.event_id] for event in open_]

    # -- inside ----------------------------------------------------------------------------------

    def _is_open(self, event: Event, settled: set[int]) -> bool:
        """Tell whether an event is a request that isn't settled.

        Raises
        ------
        ValueError
            If the request is a child with a given id, which the origin's child has.
        """
        if not isinstance(event, (PendingRequest, SubOrchestrationCancelRequested)):
            return False
        if event.task_id in settled:
            return False
        if isinstance(event, SubOrchestrationInstanceCreated):
            own = child_id(self.execution_id, self.started, event.task_id)
            if event.instance_id != own:
                raise ValueError(
                    f"The child {event.instance_id!r} is at work at event {self.events[-1].event_id}, and "
                    f"another one can't have its id. Fork before event {event.event_id} or after its end, or "
                    f"say what comes of it: results={{{event.event_id}: ...}}."
                )
        return True

    @property
    def _settled(self) -> set[int]:
        done = {getattr(event, "task_id", -1) for event in self.events if event.settles is not None}
        return done | {getattr(request, "task_id", -1) for request, _ in self.arrived}

    def _with_result(self, key: int | str, value: Value) -> Past:
        position, request = self._locate(key)
        if position is None:
            assert request is not None
            others = tuple(outcome for outcome in self.arrived if outcome[0] is not request)
            return replace(self, arrived=(*others, (request, value)))
        event = self.events[position]
        if request is None:
            assert isinstance(event, EventRaised)
            if isinstance(value, FailureDetails):
                raise ValueError(f"Event {event.event_id} was raised from outside: it can't be a failure.")
            changed: Event = replace(event, input=value)
        else:
            changed = _end(request, value, event.event_id, event.timestamp)
        return replace(self, events=(*self.events[:position], changed, *self.events[position + 1 :]))

    def _locate(self, key: int | str) -> tuple[int | None, Event | None]:
        """Return the position of a result, None if there is none yet, and its request."""
        task_id = self._find_task(key)
        if task_id is None:
            return next(position for position, event in enumerate(self.events) if event.event_id == key), None
        requests = (event for event in self.events if isinstance(event, Request))
        request = next((event for event in requests if getattr(event, "task_id", None) == task_id), None)
        if request is None:
            raise ValueError(f"There is no task #{task_id} in the past that is shared.")
        if type(request) not in _RETURNED:
            raise ValueError(
                f"Event {request.event_id}, {describe_event(request)}, has no result to replace."
            )
        position = next(
            (
                position
                for position, event in enumerate(self.events)
                if event.settles is type(request) and getattr(event, "task_id", None) == task_id
            ),
            None,
        )
        if position is not None and self.events[position].settlement == "canceled":
            raise ValueError(
                f"The code cancelled task #{task_id} (event {self.events[position].event_id}), so it has no "
                "result. Fork before that."
            )
        return position, request

    def _find_task(self, key: int | str) -> int | None:
        """Return the number of a key's task, or None for an external event that was raised."""
        task_id = None if isinstance(key, bool) else find_task(self.events, key)
        if task_id is not None:
            return task_id
        if not isinstance(key, int) or isinstance(key, bool):
            raise ValueError(f"results has {key!r}; expected the id of an event, or a task such as '#3'.")
        event = next((event for event in self.events if event.event_id == key), None)
        if event is None:
            raise ValueError(f"There is no event {key} in the past that is shared.")
        if not isinstance(event, EventRaised):
            raise ValueError(f"Event {key}, {describe_event(event)}, has no result to replace.")
        return None


def _end(request: Event, value: Value, event_id: int, moment: datetime) -> Event:
    kinds = _RAISED if isinstance(value, FailureDetails) else _RETURNED
    settle: Callable[..., Event] = kinds[type(request)]
    return settle(event_id, moment, getattr(request, "task_id", -1), value)


# -- ids -------------------------------------------------------------------------------------------
# In its shared past, a fork's code runs with the ids of its origins: its requests there have them in inputs,
# in UUIDs, in the names of children, and a replay has to make the same requests. Where the shared part ends
# is a number of tasks: it stays the same when a rewind rewrites the history.


def origin_at(started: ExecutionStarted | None, tasks: int) -> Origin | None:
    """Return the origin whose ids the code has after so many tasks, or None if it has its own."""
    shared = () if started is None else started.forked_from
    return next((origin for origin in reversed(shared) if tasks < origin.tasks), None)


def child_id(execution_id: str, started: ExecutionStarted | None, task_id: int) -> str:
    """Return the id of a child without a given one: its origin's, if shared and not requested again."""
    origins = [] if started is None else list(reversed(started.forked_from))
    owners = [*(origin.execution_id for origin in origins), execution_id]
    index = next((index for index, origin in enumerate(origins) if task_id < origin.tasks), len(origins))
    for later in range(index, len(origins)):
        if task_id in origins[later].again:
            index = later + 1
    return f"{owners[index]}:{task_id}"


def tasks_in(events: Sequence[Event]) -> int:
    """Return the number of tasks that an execution has requested."""
    task_ids = (getattr(event, "task_id", None) for event in events if isinstance(event, Request))
    return max((task_id + 1 for task_id in task_ids if task_id is not None), default=0)
