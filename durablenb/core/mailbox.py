"""External events of one execution: first in, first out; names compared without case; each delivered once."""

from __future__ import annotations

from collections import deque
from typing import Any

from durablenb.core.tasks import ExternalEventTask
from durablenb.model.events import EventRaised


class Mailbox:
    """Events that wait for a waiter, and waiters that wait for an event."""

    def __init__(self) -> None:
        self._waiters: dict[str, deque[ExternalEventTask[Any]]] = {}
        self._buffered: dict[str, deque[EventRaised]] = {}
        self._taken: list[ExternalEventTask[Any]] = []
        self._sweep_at = 64

    def deliver(self, event: EventRaised) -> None:
        """Gives the event to who has waited longest, or keeps it."""
        waiters = self._waiters.get(event.name.casefold())
        if waiters:
            self._hand_over(event, waiters.popleft())
        else:
            self._buffered.setdefault(event.name.casefold(), deque()).append(event)

    def subscribe(self, task: ExternalEventTask[Any]) -> None:
        """A new waiter: it gets the oldest event kept, or waits."""
        kept = self._buffered.get(task.name.casefold())
        if kept:
            self._hand_over(kept.popleft(), task)
        else:
            self._waiters.setdefault(task.name.casefold(), deque()).append(task)

    def unsubscribe(self, task: ExternalEventTask[Any]) -> None:
        """A waiter gives up; an event that it has but did not look at goes to the next one."""
        if task._event is None:
            self._waiters[task.name.casefold()].remove(task)
            return
        self._taken.remove(task)
        event = task._give_back()
        self.deliver(event)
        kept = self._buffered.get(event.name.casefold())
        if kept and kept[-1] is event:
            self._buffered[event.name.casefold()] = deque(sorted(kept, key=_place))

    def unprocessed(self) -> list[EventRaised]:
        """Events that the orchestrator has not seen, in the order in which they were raised."""
        unseen = [task._event for task in self._taken if not task._is_observed]
        for kept in self._buffered.values():
            unseen.extend(kept)
        return sorted(unseen, key=_place)

    def _hand_over(self, event: EventRaised, task: ExternalEventTask[Any]) -> None:
        task._event = event
        self._taken.append(task)
        if len(self._taken) > self._sweep_at:
            self._taken = [taken for taken in self._taken if not taken._is_observed]
            self._sweep_at = 64 + 2 * len(self._taken)
        task._complete(event.input)


def _place(event: EventRaised) -> int:
    return event.event_id
