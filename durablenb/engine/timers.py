"""The timers of a hub: deadlines in the order in which they are due."""

from __future__ import annotations

import heapq
from datetime import datetime
from typing import NamedTuple

from durablenb.engine.entity import Entity
from durablenb.engine.instance import Instance
from durablenb.engine.jobs import ActivityJob
from durablenb.engine.time_limits import TimeLimits


class Deadline(NamedTuple):
    """A deadline of a task, or, without a task, of a scheduled start; with a job, a check of its limits."""

    due: datetime
    order: int
    instance: Instance | Entity
    execution_id: str
    task_id: int | None
    job: ActivityJob | None = None
    limits: TimeLimits | None = None

    @property
    def is_wanted(self) -> bool:
        """False once nothing waits for it any more."""
        instance = self.instance
        if instance.is_closed or instance.execution_id != self.execution_id:
            return False
        if self.job is not None and self.job.limits is not self.limits:  # it has begun again
            return False
        return self.task_id is None or self.task_id in instance.pending


class Timers:
    """The deadlines of a hub."""

    def __init__(self) -> None:
        self._heap: list[Deadline] = []
        self._wake: datetime | None = None
        self._added = 0
        self._sweep_at = 1024

    def __bool__(self) -> bool:
        """True if there may be deadlines."""
        return bool(self._heap)

    def add(self, due: datetime, instance: Instance | Entity, task_id: int | None) -> None:
        """Add a deadline; of several at the same time, the first one added comes first."""
        self._add(due, instance, task_id, None)

    def limit(self, due: datetime, job: ActivityJob) -> None:
        """Add a time at which a job that runs may exceed a limit."""
        self._add(due, job.instance, job.task_id, job)

    def _add(
        self, due: datetime, instance: Instance | Entity, task_id: int | None, job: ActivityJob | None
    ) -> None:
        self._added += 1
        limits = None if job is None else job.limits
        deadline = Deadline(due, self._added, instance, instance.execution_id, task_id, job, limits)
        heapq.heappush(self._heap, deadline)
        if len(self._heap) > self._sweep_at:
            self._heap = [deadline for deadline in self._heap if deadline.is_wanted]
            heapq.heapify(self._heap)
            self._sweep_at = 1024 + 2 * len(self._heap)

    def wake_at(self, moment: datetime | None) -> None:
        """Wake the engine at this time, too, in place of the time that was set before; None for no such time.

        Then a call may begin that waits in a queue with a rate.
        """
        self._wake = moment

    def next_due(self) -> datetime | None:
        """Return the next time at which the engine has something to do."""
        due = self._next_deadline()
        return due if self._wake is None or (due is not None and due < self._wake) else self._wake

    def _next_deadline(self) -> datetime | None:
        while self._heap and not self._heap[0].is_wanted:
            heapq.heappop(self._heap)
        return self._heap[0].due if self._heap else None

    def take_due(self, now: datetime) -> list[Deadline]:
        """Remove and return the deadlines that have come, earliest first."""
        taken = []
        while (due := self._next_deadline()) is not None and due <= now:
            taken.append(heapq.heappop(self._heap))
        return taken
