"""Queues: limits that calls of activities share, and how many calls wait and run at a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from durablenb.model.display import Card, Displayed
from durablenb.model.ids import checked_text
from durablenb.model.plain import Plain, plain

_PERIODS = {
    timedelta(seconds=1): "second",
    timedelta(minutes=1): "minute",
    timedelta(hours=1): "hour",
    timedelta(days=1): "day",
}


@plain
class Queue(Plain):
    """Limits for calls of activities: how many run at once, and how many begin in a period of time.

    Calls above the limits wait for a place. Calls with a higher priority begin first. Among calls of the same
    priority, instances take turns, and the calls of one instance begin in the order of their requests. The
    starts of the last period are kept in the hub's file, so a restart doesn't exceed the rate.

    Parameters
    ----------
    name
        The name, compared without case.
    concurrency
        The largest number of calls that run at a time, at least 1; None for no such limit.
    rate
        The largest number of calls that begin in any period of a length: ``(60, timedelta(minutes=1))``;
        None for no such limit.

    Raises
    ------
    ValueError
        If the name is empty, a limit is too small, or there is no limit.
    TypeError
        If a limit has another type.

    Examples
    --------
    >>> import durablenb as df
    >>> from datetime import timedelta
    >>> openai = df.Queue("openai", concurrency=4, rate=(60, timedelta(minutes=1)))
    >>> hub = df.TaskHub(":memory:")
    >>> @hub.activity(queue=openai)
    ... def ask(question):
    ...     return f"{question}?"
    >>> @hub.orchestrator
    ... def interview(context):
    ...     return (yield context.task_all([context.call_activity(ask, q) for q in ("who", "why")]))
    >>> hub.run(interview)
    ['who?', 'why?']
    >>> hub.queues
    [<queue openai: 0 waiting, 0 of 4 running, 60 per minute>]
    >>> hub.close()
    """

    name: str
    concurrency: int | None = None
    rate: tuple[int, timedelta] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"A queue's name is {self.name!r}; expected text, such as Queue('openai', ...).")
        if not checked_text(self.name).strip():
            raise ValueError("A queue's name is empty; expected text, such as Queue('openai', ...).")
        if self.concurrency is not None:
            _check_concurrency(self.name, self.concurrency)
        if self.rate is not None:
            _check_rate(self.name, self.rate)
        if self.concurrency is None and self.rate is None:
            raise ValueError(
                f"The queue {self.name!r} has no limit. Give it a concurrency, a rate, or both: "
                f"Queue({self.name!r}, concurrency=4, rate=(60, timedelta(minutes=1)))."
            )

    def has_same_limits(self, other: Queue) -> bool:
        """Return True if another queue has the same limits."""
        return (self.concurrency, self.rate) == (other.concurrency, other.rate)

    @property
    def rate_text(self) -> str:
        """The rate in words, such as ``60 per minute``; empty without one."""
        if self.rate is None:
            return ""
        count, period = self.rate
        known = _PERIODS.get(period)
        return f"{count:,} per {known}" if known else f"{count:,} in {_seconds_text(period)}"

    @property
    def limits_text(self) -> str:
        """The limits in words, such as ``4 at a time, 60 per minute``."""
        places = [] if self.concurrency is None else [f"{self.concurrency:,} at a time"]
        return ", ".join(places + ([self.rate_text] if self.rate else []))

    def __repr__(self) -> str:
        return f"<queue {self.name}: {self.limits_text}>"


class QueueStart(NamedTuple):
    """The start of a call in a queue with a rate; written before the call begins, and when it has ended.

    Parameters
    ----------
    queue
        The folded name of the queue.
    instance_id, execution_id, task_id
        The call. The id of the instance is empty once that is purged, and in what is written at the end.
    granted_at
        When it got its place.
    started_at
        When it began; None if that isn't known yet.
    """

    queue: str
    instance_id: str
    execution_id: str
    task_id: int
    granted_at: datetime
    started_at: datetime | None = None


class QueueMembers(NamedTuple):
    """A queue, and the names of its activities."""

    queue: Queue
    activities: tuple[str, ...]


@plain
class QueueState(Plain):
    """A queue at a moment.

    Parameters
    ----------
    name, concurrency, rate
        As for `Queue`.
    activities
        The names of the activities that share it.
    waiting, running
        The numbers of calls that wait for a place, and that have one.
    next_free
        If the rate keeps calls waiting: the time, UTC, at which the next one may begin. Otherwise None.
    """

    name: str
    concurrency: int | None
    rate: tuple[int, timedelta] | None
    activities: tuple[str, ...] = ()
    waiting: int = 0
    running: int = 0
    next_free: datetime | None = None

    @property
    def running_text(self) -> str:
        """The number of calls that run, with the limit if there is one."""
        limit = "" if self.concurrency is None else f" of {self.concurrency:,}"
        return f"{self.running:,}{limit}"

    @property
    def rate_text(self) -> str:
        """The rate in words; empty without one."""
        return Queue(self.name, self.concurrency, self.rate).rate_text

    def as_json(self) -> list[Any]:
        """Return the state as JSON values."""
        rate = self.rate and [self.rate[0], self.rate[1].total_seconds()]
        next_free = self.next_free and self.next_free.isoformat()
        return [
            self.name,
            self.concurrency,
            rate,
            list(self.activities),
            self.waiting,
            self.running,
            next_free,
        ]

    @staticmethod
    def from_json(values: list[Any]) -> QueueState:
        """Return the state for JSON from `as_json`."""
        name, concurrency, rate, activities, waiting, running, next_free = values
        return QueueState(
            name,
            concurrency,
            rate and (rate[0], timedelta(seconds=rate[1])),
            tuple(activities),
            waiting,
            running,
            next_free and datetime.fromisoformat(next_free),
        )

    def __repr__(self) -> str:
        parts = [f"{self.waiting:,} waiting", f"{self.running_text} running"]
        if self.rate is not None:
            parts.append(self.rate_text)
        if self.next_free is not None:
            parts.append(f"next start {self.next_free:%Y-%m-%d %H:%M:%S} UTC")
        return f"<queue {self.name}: {', '.join(parts)}>"


class QueueList(list[QueueState], Displayed):
    """The queues of a hub by name; a notebook shows them as a table."""

    def __init__(self, states: Iterable[QueueState] = ()) -> None:
        super().__init__(sorted(states, key=lambda state: state.name.lower()))

    def _shown(self) -> Card:
        rows = tuple((state.name, repr(state).partition(": ")[2].rstrip(">")) for state in self)
        return Card(repr(self), "Queues", rows)


def _check_concurrency(name: str, concurrency: object) -> None:
    if type(concurrency) is not int:
        raise TypeError(
            f"The concurrency of the queue {name!r} is {concurrency!r}; expected a whole number, or None."
        )
    if concurrency < 1:
        raise ValueError(
            f"The concurrency of the queue {name!r} is {concurrency}; expected at least 1, or None for no "
            "limit."
        )


def _check_rate(name: str, rate: object) -> None:
    expected = "expected a number of starts and a period, such as (60, timedelta(minutes=1))"
    if not (isinstance(rate, tuple) and len(rate) == 2):
        raise TypeError(f"The rate of the queue {name!r} is {rate!r}; {expected}.")
    count, period = rate
    if type(count) is not int or not isinstance(period, timedelta):
        raise TypeError(f"The rate of the queue {name!r} is {rate!r}; {expected}.")
    if count < 1:
        raise ValueError(
            f"The rate of the queue {name!r} is {count} calls in {period}; expected at least 1 call. For a "
            "lower rate, give a longer period: (1, timedelta(hours=1))."
        )
    if period <= timedelta():
        raise ValueError(f"The period of the queue {name!r} is {period}; expected a positive duration.")


def _seconds_text(period: timedelta) -> str:
    return f"{period.total_seconds():g} s"
