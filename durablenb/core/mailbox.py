"""External events of one execution: first in, first out; names compared without case; each delivered once.

An event goes to the oldest wait that is still of interest. A wait that has lost a ``task_any`` is *left*: it
gets an event only if the code reads it or awaits it again. So code that creates a new wait in each iteration
of a loop gets the event in the iteration in which it arrives.
"""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from durablenb.core.tasks import ExternalEventTask, TaskBase, TaskState, WhenAnyTask, single_tasks
from durablenb.model.actions import Action, SubscribeEvent, UnsubscribeEvent
from durablenb.model.events import LEAVES_LOSERS, EventRaised

Wait = ExternalEventTask[Any]


class Mailbox:
    """Matches external events with the tasks that wait for them.

    Parameters
    ----------
    request
        Records a request; called while the orchestrator's code runs.
    """

    def __init__(self, request: Callable[[Action], None]) -> None:
        self._request = request
        self._waiters: dict[str, list[Wait]] = {}
        self._left: dict[str, list[Wait]] = {}
        self._buffered: dict[str, deque[EventRaised]] = {}
        self._taken: list[Wait] = []
        self._sweep_at = 64
        self._decided: list[WhenAnyTask] = []
        self._awaited: TaskBase[Any] | None = None
        self._leaves_losers = False

    def follow_rules(self, rules: int) -> None:
        """Follow the rules of an execution: waits can be left, or else the oldest wait is served."""
        self._leaves_losers = rules >= LEAVES_LOSERS

    @property
    def is_waiting(self) -> bool:
        """True if a wait is open, or was left."""
        return any(self._waiters.values()) or any(self._left.values())

    def deliver(self, event: EventRaised) -> None:
        """Give an event to the first wait, or keep it."""
        key = event.name.casefold()
        insort(self._buffered.setdefault(key, deque()), event, key=_place)
        self._serve(key)

    def subscribe(self, task: Wait) -> None:
        """Add a wait: it gets the oldest kept event, or waits.

        If waits of that name have been left, the code may be about to await these again, and they would come
        first; then kept events are delivered when the code awaits, or reads.
        """
        key = task.name.casefold()
        others = self._waiters.setdefault(key, [])
        others.append(task)
        if len(others) == 1 and not self._left.get(key):
            self._serve(key)

    def unsubscribe(self, task: Wait) -> None:
        """Remove a wait; an event that it got and the code didn't read goes to the next wait."""
        if task._event is None:
            key = task.name.casefold()
            (self._left if task._is_left else self._waiters)[key].remove(task)
            return
        self._taken.remove(task)
        self.deliver(task._give_back())

    def look(self, task: Wait) -> None:
        """Deliver kept events because the code reads a wait, even to waits that were left."""
        key = task.name.casefold()
        if task._is_canceled or key not in self._buffered:
            return
        self._serve(key)
        for wait in sorted([*self._waiters.get(key, ()), *self._left.get(key, ())], key=_number):
            if key not in self._buffered:
                return
            self._take_up(wait)
            self._hand_over(self._oldest(key), wait)

    def decided(self, task: WhenAnyTask) -> None:
        """Note that a ``task_any`` is decided: its other waits are of no interest any more."""
        if self._leaves_losers:
            self._decided.append(task)

    def awaits(self, task: TaskBase[Any]) -> None:
        """Note that the code awaits a task, whose waits are of interest again."""
        if not self._leaves_losers:
            return
        self._awaited = task
        for wait in _waits_in(task) if self._left else ():
            self._take_up(wait)
        for key in list(self._buffered):
            self._serve(key)

    def leave(self) -> None:
        """Mark waits that have lost as left, since the code now waits."""
        decided, self._decided = self._decided, []
        for won in decided:
            for wait in _waits_in(won):
                if _is_open(wait) and not self._is_wanted(wait):
                    self._request(UnsubscribeEvent(_number(wait), is_left=True))
                    self._move(wait, self._waiters, self._left)

    def abandon(self, task: TaskBase[Any]) -> None:
        """Mark the waits in a task as left, since its await was interrupted."""
        self._awaited = None
        for wait in _waits_in(task) if self._leaves_losers else ():
            if _is_open(wait):
                self._request(UnsubscribeEvent(_number(wait), is_left=True))
                self._move(wait, self._waiters, self._left)

    def unprocessed(self) -> list[EventRaised]:
        """Return the events that the orchestrator has not seen, in the order in which they were raised."""
        unseen = [task._event for task in self._taken if not task._is_observed]
        for kept in self._buffered.values():
            unseen.extend(kept)
        return sorted(unseen, key=_place)

    # -- inside ----------------------------------------------------------------------------------

    def _serve(self, key: str) -> None:
        """Deliver kept events to the waits that are of interest."""
        while key in self._buffered and (task := self._first(key)) is not None:
            self._hand_over(self._oldest(key), task)

    def _oldest(self, key: str) -> EventRaised:
        """Remove and return the oldest kept event of a name."""
        kept = self._buffered[key]
        event = kept.popleft()
        if not kept:
            del self._buffered[key]
        return event

    def _first(self, key: str) -> Wait | None:
        waiters = self._waiters.get(key, ())
        return next((wait for wait in waiters if not self._leaves_losers or self._is_wanted(wait)), None)

    def _is_wanted(self, task: TaskBase[Any]) -> bool:
        """Tell whether a wait is of interest: the code awaits it, or hasn't used it yet."""
        above = [task]
        while above:
            task = above.pop()
            if not task._parents or task is self._awaited:
                return True
            open_ = [parent for parent in task._parents if not isinstance(parent, TaskBase) or _runs(parent)]
            task._parents = open_ or task._parents[-1:]  # settled ones needn't be notified
            for parent in open_:
                if not isinstance(parent, TaskBase):
                    return True
                above.append(parent)
        return False

    def _take_up(self, task: Wait) -> None:
        if task._is_left:
            self._request(SubscribeEvent(_number(task), task.name))
            self._move(task, self._left, self._waiters)

    def _move(self, task: Wait, source: dict[str, list[Wait]], target: dict[str, list[Wait]]) -> None:
        key = task.name.casefold()
        source[key].remove(task)
        if not source[key]:
            del source[key]
        insort(target.setdefault(key, []), task, key=_number)
        task._is_left = target is self._left

    def _hand_over(self, event: EventRaised, task: Wait) -> None:
        self._waiters[task.name.casefold()].remove(task)
        task._event = event
        self._taken.append(task)
        if len(self._taken) > self._sweep_at:
            self._taken = [taken for taken in self._taken if not taken._is_observed]
            self._sweep_at = 64 + 2 * len(self._taken)
        task._complete(event.input)


def _waits_in(task: TaskBase[Any]) -> Iterator[Wait]:
    return (member for member in single_tasks(task) if isinstance(member, ExternalEventTask))


def _runs(task: TaskBase[Any]) -> bool:
    return task._state is TaskState.RUNNING


def _is_open(task: Wait) -> bool:
    return _runs(task) and not task._is_left and not task._is_canceled


def _number(task: Wait) -> int:
    assert task.id is not None
    return task.id


def _place(event: EventRaised) -> int:
    return event.event_id
