"""A queue of calls: which call begins next, and when. It has no clock, no thread and no disk of its own."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar


class WaitingCall(Protocol):
    """A call that waits in a queue."""

    @property
    def instance_id(self) -> str:
        """The instance that requested it."""
        ...

    @property
    def priority(self) -> int:
        """Calls with a higher priority begin first."""
        ...

    @property
    def is_wanted(self) -> bool:
        """False once it isn't needed any more."""
        ...


C = TypeVar("C", bound=WaitingCall)


class CallQueue(Generic[C]):
    """Calls that wait for a place, and the places that others hold.

    Parameters
    ----------
    concurrency
        The largest number of calls that hold a place at a time; None for no limit.
    rate
        The largest number of calls that begin in any period of a length; None for no limit.
    name
        Its name, which its user may choose.
    """

    def __init__(
        self, concurrency: int | None, rate: tuple[int, timedelta] | None = None, name: str = ""
    ) -> None:
        self.name = name
        self.running = 0
        """The number of places that are held."""
        self._waiting: FairOrder[C] = FairOrder()
        self._window = StartWindow()
        self._last_granted: datetime | None = None
        self.change(concurrency, rate)

    def change(self, concurrency: int | None, rate: tuple[int, timedelta] | None) -> None:
        """Replace the limits. Calls that hold a place keep it."""
        self.concurrency = concurrency
        self.rate = rate
        self._window.change(rate)

    def recall(self, starts: Iterable[tuple[datetime, datetime]]) -> None:
        """Count starts that were recorded before: when each call got its place, and when it began."""
        for granted_at, started_at in starts:
            self._window.begin(started_at, is_reserved=False)
            if self._last_granted is None or granted_at > self._last_granted:
                self._last_granted = granted_at

    def __len__(self) -> int:
        return len(self._waiting)

    def of(self, instance_id: str) -> list[C]:
        """Return the waiting calls of an instance."""
        return self._waiting.of(instance_id)

    def add(self, call: C) -> None:
        """Let a call wait for a place."""
        self._waiting.add(call)

    def take(self, now: datetime) -> tuple[C, Place] | None:
        """Return the next call that may begin now, with its place; None if none may."""
        call = self._first()
        if call is None or not self._has_place or self._window.free_at(now) > now:
            return None
        self._waiting.remove_first()
        return call, self.admit(now)

    def admit(self, now: datetime, *, has_begun: bool = False) -> Place:
        """Return a place for a call, whatever the limits. `has_begun`: its start isn't counted."""
        self.running += 1
        if not has_begun:
            self._window.reserve()
        return Place(self, self._window, self._granted_at(now), has_begun=has_begun)

    def _granted_at(self, now: datetime) -> datetime:
        """Return the time at which a place is given: another one for each, since it tells starts apart.

        A virtual clock stands still while a call is made again after a mistake.
        """
        last = self._last_granted
        is_taken = last is not None and timedelta(0) <= last - now < timedelta(seconds=1)
        self._last_granted = now if last is None or not is_taken else last + timedelta(microseconds=1)
        return self._last_granted

    def leave(self) -> None:
        """Let another call have a place."""
        self.running -= 1

    def next_free(self, now: datetime) -> datetime | None:
        """Return when the next call may begin; None if none waits, or if another call has to end first.

        While a call has its place and hasn't begun, the answer may be too early. Ask again then.
        """
        if self._first() is None or not self._has_place:
            return None
        return self._window.free_at(now)

    def remove(self, is_left_out: Callable[[C], bool]) -> list[C]:
        """Remove waiting calls, and return them, those of each instance in their order."""
        return self._waiting.remove(is_left_out)

    @property
    def _has_place(self) -> bool:
        return self.concurrency is None or self.running < self.concurrency

    def _first(self) -> C | None:
        """Return the next call that is still wanted; drop the others before it."""
        while (call := self._waiting.first()) is not None and not call.is_wanted:
            self._waiting.remove_first()
        return call


class Place:
    """A place of a queue that a call holds.

    Parameters
    ----------
    queue
        The queue.
    window
        Its window of starts.
    granted_at
        When the call got the place.
    has_begun
        True if the call's start isn't counted.
    """

    __slots__ = ("_has_begun", "_is_counted", "_window", "granted_at", "queue")

    def __init__(
        self, queue: CallQueue[C], window: StartWindow, granted_at: datetime, *, has_begun: bool
    ) -> None:
        self.queue: CallQueue[Any] = queue
        self._window = window
        self.granted_at = granted_at
        self._has_begun = has_begun
        self._is_counted = not has_begun

    @property
    def is_rated(self) -> bool:
        """True if the start of the call counts for a rate."""
        return self._is_counted and self.queue.rate is not None

    @property
    def has_begun(self) -> bool:
        """True once the call has begun."""
        return self._has_begun

    def begin(self, now: datetime) -> None:
        """Record that the call begins; from any thread. A call that begins again counts again."""
        self._window.begin(now, is_reserved=not self._has_begun)
        self._has_begun = True

    def release(self) -> None:
        """Free the place; a call that has not begun doesn't count as a start."""
        self.queue.leave()
        if not self._has_begun:
            self._window.give_back()


class StartWindow:
    """The starts of the last period: at most so many in any period of that length.

    A place that was given counts as a start until its call begins, whenever that is. Thus calls that an
    executor holds back never begin together with later ones in one period.
    """

    def __init__(self) -> None:
        self.rate: tuple[int, timedelta] | None = None
        self._starts: list[datetime] = []  # a heap
        self._latest: datetime | None = None
        self._reserved = 0
        self._news: deque[tuple[datetime, bool]] = deque()
        """Starts that other threads have reported, and whether a place was reserved for each."""

    def change(self, rate: tuple[int, timedelta] | None) -> None:
        """Replace the limit; the starts of the last period count."""
        self.rate = rate

    def reserve(self) -> None:
        """Count a call that will begin."""
        self._reserved += 1

    def give_back(self) -> None:
        """Don't count a call that was to begin."""
        self._reserved -= 1

    def begin(self, now: datetime, *, is_reserved: bool) -> None:
        """Record a start; from any thread."""
        self._news.append((now, is_reserved))

    def free_at(self, now: datetime) -> datetime:
        """Return the time from which another call may begin; `now` if one may at once."""
        self._read_news()
        if self.rate is None:
            self._starts.clear()
            return now
        count, period = self.rate
        if self._latest is not None and self._latest > now + period:  # the clock was set back
            self._starts = [min(start, now) for start in self._starts]
            self._latest = now
        while self._starts and self._starts[0] <= now - period:
            heapq.heappop(self._starts)
        too_many = self._reserved + len(self._starts) - count + 1
        if too_many <= 0:
            return now
        if too_many > len(self._starts):  # places whose calls have not begun: they count until then
            return now + period
        nth = self._starts[0] if too_many == 1 else heapq.nsmallest(too_many, self._starts)[-1]
        return nth + period

    def _read_news(self) -> None:
        while self._news:
            start, is_reserved = self._news.popleft()
            self._reserved -= is_reserved
            heapq.heappush(self._starts, start)
            self._latest = start if self._latest is None else max(self._latest, start)


class FairOrder(Generic[C]):
    """Waiting calls in the order in which they begin: by priority, and in turn between instances."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, deque[C]]] = {}
        """For each priority, the calls of each instance; the instance whose turn it is comes first."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def of(self, instance_id: str) -> list[C]:
        """Return the calls of an instance."""
        return [call for level in self._levels.values() for call in level.get(instance_id, ())]

    def add(self, call: C) -> None:
        """Add a call behind those of its instance; an instance without one comes behind the others."""
        level = self._levels.setdefault(call.priority, OrderedDict())
        level.setdefault(call.instance_id, deque()).append(call)
        self._count += 1

    def first(self) -> C | None:
        """Return the next call, or None."""
        if not self._levels:
            return None
        level = self._levels[max(self._levels)]
        return level[next(iter(level))][0]

    def remove_first(self) -> None:
        """Remove the next call; then it is another instance's turn."""
        priority = max(self._levels)
        level = self._levels[priority]
        instance_id, calls = next(iter(level.items()))
        calls.popleft()
        self._count -= 1
        if calls:
            level.move_to_end(instance_id)
        else:
            del level[instance_id]
        if not level:
            del self._levels[priority]

    def remove(self, is_left_out: Callable[[C], bool]) -> list[C]:
        """Remove calls, and return them, those of each instance in their order. No turn changes."""
        removed: list[C] = []
        for priority, level in list(self._levels.items()):
            for instance_id, calls in list(level.items()):
                removed += filter(is_left_out, calls)
                level[instance_id] = deque(call for call in calls if not is_left_out(call))
                if not level[instance_id]:
                    del level[instance_id]
            if not level:
                del self._levels[priority]
        self._count -= len(removed)
        return removed
