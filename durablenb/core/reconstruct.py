"""Reconstructs histories from Azure by running the code.

Azure's endpoint omits task ids, the beginnings of waits, and cancelled timers, which a replay here checks.
So the code runs once over Azure's events: each of its requests is matched with a recorded one by kind, name
and input, and gets the recorded result. The outcome is a history in which each request is where the code
makes it. If code and events don't match, the rest of Azure's events follows as it is, and a replay reports
the mismatch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from durablenb.core.execution import Execution
from durablenb.core.matching import UnmatchedEvents, is_same, is_same_end
from durablenb.model.events import (
    Arrival,
    ContinueAsNew,
    EntityOperationSignaled,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    OrchestratorStarted,
    PendingRequest,
    Request,
    TimerCreated,
)

_ASKED = (PendingRequest, EntityOperationSignaled)
_ENDS = (ExecutionCompleted, ExecutionFailed, ContinueAsNew)
_UNHEARD = (TimerCreated, EntityOperationSignaled)
"""Events that need no request: the host has its own timers, and no code awaits a signal's result."""


def is_partial(history: Sequence[Event]) -> bool:
    """Tell whether a history is from Azure's endpoint."""
    return bool(history) and isinstance(history[0], ExecutionStarted) and history[0].is_partial


def reconstruct_history(fresh: Callable[[], Execution], history: Sequence[Event]) -> list[Event]:
    """Return an Azure history with the events that Azure omits, as this code requests them.

    Parameters
    ----------
    fresh
        Returns a new execution of the code.
    history
        A history for which `is_partial` is true.

    Raises
    ------
    TypeNotRegisteredError
        If a value is of a type that isn't registered yet.

    Notes
    -----
    Azure also omits how many events had arrived when an episode began. The first attempt assumes an episode
    for each event; if the code doesn't match then, the second assumes an episode for all events before a
    request.
    """
    first = _Reconstruction(fresh(), history, looks_at_each=True)
    first.fill()
    if first.fits:
        return first.out
    second = _Reconstruction(fresh(), history, looks_at_each=False)
    second.fill()
    return second.out if second.fits else first.out


class _Diverged(Exception):
    """Code and Azure's events don't match; the rest of the events was added to the history."""


class _Reconstruction:
    """A run of the code over Azure's events."""

    def __init__(self, execution: Execution, history: Sequence[Event], *, looks_at_each: bool) -> None:
        self._looks_at_each = looks_at_each
        self._execution = execution
        self._history = history
        self._asks = {event.task_id: event for event in history if isinstance(event, _ASKED)}
        self._answered = {getattr(event, "task_id", -1) for event in history if isinstance(event, Arrival)}
        self._free = UnmatchedEvents(list(self._asks.values()))
        self._end = next((event for event in history if isinstance(event, _ENDS)), None)
        self._ids: dict[int, int] = {}
        self._extra: list[int] = []
        self._episode_end = 0
        self.out: list[Event] = []
        self.fits = True

    def fill(self) -> None:
        """Run the code as far as possible."""
        try:
            self._go_through()
        except _Diverged:
            self.fits = False
        finally:
            self._execution.unload()

    def _go_through(self) -> None:
        started = self._history[0]
        assert isinstance(started, ExecutionStarted)
        self._deliver(replace(started, is_partial=False))
        for event in self._history[1:]:
            if isinstance(event, OrchestratorStarted):
                self._run(event)
            elif isinstance(event, Arrival):
                if self._looks_at_each and isinstance(self.out[-1], Arrival):
                    self._run(self.out[-1])
                self._arrive(event)
            elif not isinstance(event, Request):
                self._deliver(event)
        if self._end is not None:
            self._run(self._history[-1])
        elif any(isinstance(event, OrchestratorStarted) for event in self._history) and not self._look():
            return
        self._check_end()

    # -- what comes ------------------------------------------------------------------------------

    def _arrive(self, event: Any) -> None:
        if isinstance(event, EventRaised):
            self._deliver(event)
            return
        if event.task_id not in self._ids:
            self._run(event)  # the previous events may lead to its request
        if event.task_id in self._ids:
            if not self._execution.is_finished:
                self._deliver(replace(event, task_id=self._ids[event.task_id]))
            return
        ask = self._asks.get(event.task_id)
        if ask is not None:
            self._miss(ask)

    def _deliver(self, event: Event) -> None:
        numbered = replace(event, event_id=len(self.out) + 1)
        self.out.append(numbered)
        if not isinstance(event, ExecutionTerminated):
            self._execution.deliver(numbered)

    # -- what is asked for -----------------------------------------------------------------------

    def _run(self, at: Event) -> None:
        """Run an episode, if it would make progress."""
        if not self._execution.is_ready:
            return
        facts = self._execution.resume(at.timestamp, len(self.out) + 1)
        for fact in facts:
            if isinstance(fact, _ASKED):
                self._ask(fact)
            elif isinstance(fact, _ENDS):
                self._finish(fact)
            else:
                self.out.append(fact)
        self._episode_end = len(self.out)

    def _look(self) -> bool:
        """Run an episode after the last event, unless it makes requests: it may not have happened."""
        before = len(self.out)
        self._run(self._history[-1])
        if self._execution.is_finished or any(position >= before for position in self._extra):
            del self.out[before:]
            return False
        return True

    def _ask(self, fact: Any) -> None:
        recorded = self._free.take(fact)
        if recorded is None:
            self._extra.append(len(self.out))
            self.out.append(fact)
            return
        self._ids[recorded.task_id] = fact.task_id
        self.out.append(replace(fact, timestamp=recorded.timestamp))
        if not is_same(recorded, fact):
            self.out[-1] = _at_request(recorded, fact)
            raise _Diverged

    def _finish(self, fact: Event) -> None:
        if self._end is None:
            self.out.append(fact)
            return
        matches = type(fact) is type(self._end) and is_same_end(self._end, fact)
        event = fact if matches else replace(self._end, event_id=fact.event_id)
        self.out.append(replace(event, timestamp=self._end.timestamp))
        if not matches:
            raise _Diverged

    def _check_end(self) -> None:
        for ask in self._free.left():
            self._miss(ask)
        if isinstance(self.out[-1], ExecutionTerminated):
            return
        if self._execution.is_finished:
            if self._end is None and self._asks.keys() <= self._answered:
                del self.out[-1]  # the code did everything, but Azure has no end
                raise _Diverged
            return
        last = max(
            n
            for n, event in enumerate(self.out)
            if isinstance(event, (ExecutionStarted, OrchestratorStarted))
        )
        extra = [n for n in self._extra if n > last and not isinstance(self.out[n], _UNHEARD)]
        if self._end is not None and extra:
            self._replace_and_diverge(extra[-1], self._end)
        if self._end is not None:
            self._put(self._end)
        if extra:  # requests that Azure doesn't have
            del self.out[extra[0] :]
            raise _Diverged

    def _miss(self, ask: Event) -> None:
        """Raise because a recorded event was not requested."""
        extra = [position for position in self._extra if type(self.out[position]) is type(ask)]
        if isinstance(ask, _UNHEARD):
            if extra and isinstance(ask, TimerCreated):
                self._replace_and_diverge(extra[0], ask)
            return
        if self._execution.is_finished:
            position = next(n for n, event in enumerate(self.out) if isinstance(event, _ENDS))
        elif extra or self._extra:
            position = (extra or self._extra)[0]
        else:
            self._put(ask)
        self._replace_and_diverge(position, ask)

    def _replace_and_diverge(self, position: int, event: Event) -> None:
        self.out[position] = _at_request(event, self.out[position])
        raise _Diverged

    def _put(self, event: Event) -> None:
        """Add the remaining events of Azure after the code's requests."""
        position = self._episode_end
        self.out.insert(position, event)
        self.out[position:] = [
            replace(event, event_id=number) for number, event in enumerate(self.out[position:], position + 1)
        ]
        raise _Diverged


def _at_request(event: Any, request: Event) -> Event:
    """Return Azure's event with the position of a request."""
    changes: dict[str, Any] = {"event_id": request.event_id}
    if (task_id := getattr(request, "task_id", None)) is not None and hasattr(event, "task_id"):
        changes["task_id"] = task_id
    child = getattr(request, "instance_id", None)
    if child is not None and hasattr(event, "instance_id"):
        changes["instance_id"] = child
    recorded: Event = replace(event, **changes)
    return recorded
