"""The time that an instance ran: without the time before a fork of it was made, or before it was rewound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from durablenb.analysis.text import lasting
from durablenb.model.events import Event, ExecutionRewound, ExecutionStarted

Pause = tuple[datetime, datetime]
"""The last event before a fork or a rewind, and the time of the fork or rewind."""


_EVER = datetime.max.replace(tzinfo=UTC)


def fork_times(started: ExecutionStarted) -> list[datetime]:
    """Return when the forks were made whose past an execution has, the first one first."""
    return sorted(origin.time for origin in started.forked_from if origin.time is not None)


class PauseReader:
    """Reads a history event by event, and notes when the instance didn't run: before forks and rewinds."""

    def __init__(self) -> None:
        self.pauses: list[Pause] = []
        self.forked: datetime | None = None
        """When the last fork was made whose past the instance has."""
        self._forks: list[datetime] = []
        self._last: datetime | None = None

    def read(self, kind: str, at: datetime, forks: Sequence[datetime] = ()) -> None:
        """Read the next event; the first one has the times of the forks."""
        if self._last is None and forks:
            self._forks, self.forked = list(forks), forks[-1]
        last = at if self._last is None else self._last
        if kind == ExecutionRewound.__name__:
            self.pauses.append((last, at))
        while self._forks and at >= self._forks[0]:
            self.pauses.append((last, self._forks.pop(0)))
        self._last = max(last, at)

    def read_event(self, event: Event) -> None:
        """Read the next event."""
        forks = fork_times(event) if isinstance(event, ExecutionStarted) else ()
        self.read(type(event).__name__, event.timestamp, forks)

    def until(self, end: datetime) -> list[Pause]:
        """Return the pauses until a moment. A fork that was made by then may have no events of its own."""
        last = end if self._last is None else self._last
        return self.pauses + [(last, fork) for fork in self._forks if fork <= end]


def read_pauses(events: Iterable[Event]) -> list[Pause]:
    """Return the times in a history at which the instance didn't run."""
    reader = PauseReader()
    for event in events:
        reader.read_event(event)
    return reader.until(_EVER)


def running_time(begin: datetime, end: datetime, pauses: Iterable[Pause]) -> timedelta:
    """Return the time from the one to the other, without pauses."""
    took = end - begin
    for first, last in pauses:
        took -= max(min(last, end) - max(first, begin), timedelta())
    return max(took, timedelta())


@dataclass(frozen=True, slots=True)
class RunTime:
    """How long an instance ran.

    Parameters
    ----------
    own
        The time that it ran itself, without pauses before rewinds.
    shared
        The time of the past that a fork shares.
    origin
        The instance that it shares that with; empty for none.
    paused
        The time between failures and rewinds.
    """

    own: timedelta
    shared: timedelta = timedelta()
    origin: str = ""
    paused: timedelta = timedelta()

    def __str__(self) -> str:
        return self.text()

    def text(self, label: str = "") -> str:
        """Return it in words, with a label behind the own time.

        Examples
        --------
        >>> RunTime(timedelta(seconds=2), timedelta(seconds=10), "first").text(" in all")
        '2 s in all after 10 s shared with first'
        """
        before = f" after {lasting(self.shared)} shared with {self.origin}" if self.origin else ""
        without = f", without {lasting(self.paused)} before a rewind" if self.paused else ""
        return f"{lasting(self.own)}{label}{before}{without}"


def read_run_time(events: Sequence[Event], end: datetime, pauses: Sequence[Pause] | None = None) -> RunTime:
    """Return how long an instance ran until a moment.

    Parameters
    ----------
    events
        Its history.
    end
        The moment.
    pauses
        Its pauses, if they are known.
    """
    pauses = read_pauses(events) if pauses is None else pauses
    first = events[0]
    begin = forked = first.timestamp
    origin = ""
    if isinstance(first, ExecutionStarted):
        forked = max([begin, *fork_times(first)])
        origin = first.forked_from[0].instance_id if forked > begin else ""
    before = [(left, right) for left, right in pauses if right <= forked]
    after = [(left, right) for left, right in pauses if right > forked]
    own = running_time(forked, end, after)
    return RunTime(own, running_time(begin, forked, before), origin, max(end - forked, timedelta()) - own)
