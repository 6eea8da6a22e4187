"""The queues of a hub: those of its `Queue`s, and one for each activity with `max_concurrency`."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from durablenb.core.registry import Activity
from durablenb.engine.call_queue import CallQueue, Place
from durablenb.engine.committer import WriteBatch
from durablenb.engine.jobs import ActivityJob
from durablenb.engine.services import EngineServices
from durablenb.model.names import folded
from durablenb.model.queues import QueueMembers, QueueStart, QueueState

Key = tuple[str, str]
"""``"queue"`` or ``"activity"``, and a folded name."""


class CallQueues:
    """Calls that wait for a place, and the calls that hold one.

    Parameters
    ----------
    services
        The services of the engine.
    """

    def __init__(self, services: EngineServices) -> None:
        self._now = services.clock.now
        self._store = services.store
        self._registry = services.registry
        self._committer = services.committer
        self._queues: dict[Key, CallQueue[ActivityJob]] = {}
        self._turns: deque[Key] = deque()
        """The queues in which calls wait; the one whose turn it is comes first."""
        self._members: dict[str, QueueMembers] = {}
        """The last written state of each queue, by its folded name."""
        self._unread: set[Key] = set()
        """The queues with a rate whose starts on disk have not been read yet."""

    @property
    def has_waiting(self) -> bool:
        """True if calls may wait for a place."""
        return bool(self._turns)

    def add(self, job: ActivityJob, activity: Activity) -> None:
        """Let a call of an activity that has limits wait for a place."""
        key = _key(activity)
        if key not in self._turns:
            self._turns.append(key)
        self._queue(key, activity).add(job)

    def take(self) -> ActivityJob | None:
        """Return a call that may begin now, and that has a place; queues take turns."""
        now = self._now()
        for _ in range(len(self._turns)):
            key = self._turns.popleft()
            self._turns.append(key)
            self._recall(key)
            queue = self._queues[key]
            taken = queue.take(now)
            if not len(queue):
                self._turns.pop()
            if taken is not None:
                job, place = taken
                job.place = place
                return job
        return None

    def next_free(self) -> datetime | None:
        """Return the next time at which a call may begin that now waits because of a rate."""
        if not self._turns:
            return None
        now = self._now()
        times = [self._queues[key].next_free(now) for key in self._turns if self._queues[key].rate]
        return min((time for time in times if time is not None), default=None)

    def drop_unwanted(self) -> None:
        """Forget the calls that aren't wanted any more."""
        for key in list(self._turns):
            queue = self._queues[key]
            queue.remove(lambda job: not job.is_wanted)
            if not len(queue):
                self._turns.remove(key)

    # -- registrations ---------------------------------------------------------------------------

    def activity_registered(self, name: str, begun: Iterable[ActivityJob]) -> list[ActivityJob]:
        """Apply an activity's new limits; return its waiting calls, which are to be added again.

        Its calls that have begun hold places in the queue that it has now.
        """
        activity = self._registry.activities.get(name)
        if activity is None:
            return []
        waiting = self._remove(name)
        queue = self._queue(_key(activity), activity) if activity.is_limited else None
        if queue is not None:
            queue.change(*self._limits(activity))
        for job in begun:
            if job.place is not None and job.place.queue is not queue:
                self.release(job, job.place)
            if job.place is None and queue is not None:
                job.place = queue.admit(self._now(), has_begun=job.started_at is not None)
        self._keep_members()
        return waiting

    def queue_added(self, name: str) -> None:
        """Apply a queue's new limits."""
        queue = self._queues.get(("queue", folded(name)))
        if queue is not None:
            added = self._registry.queues[name]
            queue.change(added.concurrency, added.rate)
        self._keep_members()

    def _remove(self, name: str) -> list[ActivityJob]:
        """Remove the waiting calls of an activity, whatever queue they wait in."""
        removed: list[ActivityJob] = []
        for key in list(self._turns):
            queue = self._queues[key]
            removed += queue.remove(lambda job: folded(job.name) == folded(name))
            if not len(queue):
                self._turns.remove(key)
        return removed

    def _queue(self, key: Key, activity: Activity) -> CallQueue[ActivityJob]:
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = CallQueue(*self._limits(activity), key[1])
            if key[0] == "queue":
                self._unread.add(key)
        return queue

    def _limits(self, activity: Activity) -> tuple[int | None, tuple[int, timedelta] | None]:
        if activity.queue is None:
            return activity.max_concurrency, None
        queue = self._registry.queues[activity.queue]
        return queue.concurrency, queue.rate

    # -- what is on disk -------------------------------------------------------------------------

    def record_starts(self, jobs: Sequence[ActivityJob], then: Callable[[], None] | None) -> None:
        """Write that these calls begin; call `then` once it is on disk, on the thread that commits."""
        starts = [_queue_start(job, job.place) for job in jobs if job.place is not None]
        self._committer.submit(WriteBatch(queue_starts=starts, callbacks=[then] if then else []))

    def release(self, job: ActivityJob, place: Place) -> None:
        """Free the place of a call that has ended, and write when it began."""
        job.place = None
        place.release()
        if place.is_rated:
            began = job.started_at or place.granted_at
            # Without the instance's id, since the instance may be purged by now.
            start = _queue_start(job, place)._replace(instance_id="", started_at=began)
            self._committer.submit(WriteBatch(queue_starts=[start]))

    def _recall(self, key: Key) -> None:
        """Read the starts that are on disk, before the first call begins.

        Calls that ran when the process died began at an unknown time: they count as of now.
        """
        if key in self._unread and self._queues[key].rate is not None:
            now, starts = self._now(), self._store.queue_starts(key[1])
            unknown = [start._replace(started_at=now) for start in starts if start.started_at is None]
            self._queues[key].recall((start.granted_at, start.started_at or now) for start in starts)
            self._unread.discard(key)
            if unknown:
                self._committer.submit(WriteBatch(queue_starts=unknown))

    def _keep_members(self) -> None:
        """Write the queues that have changed, with the names of their activities."""
        changed = []
        for name, queue in self._registry.queues.items():
            members = QueueMembers(queue, self._registry.queue_activities(name))
            if self._members.get(folded(name)) != members:
                self._members[folded(name)] = members
                changed.append(members)
        if changed:
            self._committer.submit(WriteBatch(queues=changed))

    # -- state -----------------------------------------------------------------------------------

    def states(self) -> list[QueueState]:
        """Return the state of each `Queue`."""
        now, states = self._now(), []
        for name, queue in self._registry.queues.items():
            calls = self._queues.get(("queue", folded(name)))
            waiting, running, next_free = 0, 0, None
            if calls is not None:
                waiting, running = len(calls), calls.running
                next_free = calls.next_free(now) if queue.rate else None
            if next_free is not None and next_free <= now:
                next_free = None
            activities = self._registry.queue_activities(name)
            states.append(
                QueueState(queue.name, queue.concurrency, queue.rate, activities, waiting, running, next_free)
            )
        return states

    def count_waiting(self, instance_id: str) -> dict[tuple[str, str], int]:
        """Return how many calls of an instance wait in a `Queue`, by the names of queue and activity."""
        counts: Counter[tuple[str, str]] = Counter()
        for kind, name in self._turns:
            if kind == "queue":
                queue = self._registry.queues[name]
                for job in self._queues[kind, name].of(instance_id):
                    if job.is_wanted:
                        counts[queue.name, job.name] += 1
        return dict(counts)


def _queue_start(job: ActivityJob, place: Place) -> QueueStart:
    call = job.instance.id, job.execution_id, job.task_id
    return QueueStart(place.queue.name, *call, place.granted_at)


def _key(activity: Activity) -> Key:
    if activity.queue is None:
        return "activity", folded(activity.name)
    return "queue", folded(activity.queue)
