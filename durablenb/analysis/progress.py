"""Progress of an orchestration: counts of its steps; each look reads only new events."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from durablenb.analysis.run_time import Pause, PauseReader, running_time
from durablenb.analysis.text import plural
from durablenb.model.events import (
    ALL_EVENTS,
    Event,
    ExecutionStarted,
    InstanceEnding,
    Settlement,
    StatusChange,
    TaskKind,
)
from durablenb.model.runtime import RunningCall
from durablenb.store.row_codec import event_types

WINDOW = 60
"""The number of seconds over which the rate of an open step is measured."""

RECENT = 120
"""The number of seconds whose ends are counted one by one."""

_REQUESTS = [event for event in ALL_EVENTS if event.begins not in (None, "signal")]
"""The events that begin a call. Nothing settles a signal, so it is no step."""

_BEGINNINGS: dict[str, TaskKind | None] = {event.__name__: event.begins for event in _REQUESTS}
_ENDS: dict[str, Settlement | None] = {
    event.__name__: event.settlement for event in ALL_EVENTS if event.settles in _REQUESTS
}
_FINAL = ("Completed", "Failed", "Canceled", "Terminated")
_STATUSES = {
    event.__name__: event.status_after.value
    for event in ALL_EVENTS
    if issubclass(event, StatusChange) and event.status_after is not None
}
_NOT_TIMED: tuple[TaskKind, ...] = ("timer", "external event", "lock")

_NEWS = f"""
select seq, event_type, timestamp, name, task_id,
       case when event_type in ({event_types([*_REQUESTS, ExecutionStarted])}) then attributes end
from journal where instance_id = ? and seq > ? order by seq
"""


@dataclass(frozen=True, slots=True)
class StepCount:
    """The numbers of requested and ended calls of one name.

    Parameters
    ----------
    name, kind
        The called function's name, and the kind of task.
    total
        The number of calls so far. Retries of a call don't count.
    over
        The number of calls that have ended.
    failed, canceled
        The numbers of ended calls that failed, and that were canceled.
    took
        The time from the first request until the last end, or until now.
    rate
        The recent number of ended calls per second; None if it would mean nothing.
    seconds_left
        The time that the open calls will take at this rate; None if it can't be known.
    running
        The number of calls of an activity that run now; None if that isn't known. The other open calls are
        queued.
    recent
        For an open step, the number of calls that ended in each of the last 120 seconds, the latest last.
    is_fan_out
        True if several calls were open at the same time. Calls that run one after another, such as the
        requests of an agent, have no rate: the next one may be requested at any time, or never.
    """

    name: str
    kind: TaskKind
    total: int
    over: int
    failed: int
    canceled: int
    took: timedelta
    rate: float | None = None
    seconds_left: float | None = None
    running: int | None = None
    recent: tuple[int, ...] = ()
    is_fan_out: bool = True

    @property
    def queued(self) -> int | None:
        """The number of open calls of an activity that have not begun; None if that isn't known."""
        return None if self.running is None else max(self.total - self.over - self.running, 0)

    @property
    def is_over(self) -> bool:
        """True if no call is open."""
        return self.over >= self.total


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """The progress of an instance: its status, the steps of its last execution, and its running calls.

    `now` is the time of the snapshot.
    """

    name: str
    instance_id: str
    status: str
    steps: tuple[StepCount, ...]
    took: timedelta
    now: datetime
    running: tuple[RunningCall, ...] = ()

    @property
    def is_over(self) -> bool:
        """True if the instance has ended."""
        return self.status in _FINAL


@dataclass(slots=True)
class _StepTally:
    """The counts of one step. `ends` has the number of calls that ended in each recent second."""

    name: str
    kind: TaskKind
    first: datetime
    last: datetime
    total: int = 0
    over: int = 0
    failed: int = 0
    canceled: int = 0
    is_fan_out: bool = False
    ends: Counter[int] = field(default_factory=Counter)

    def end(self, at: datetime) -> None:
        """Count a call that ended, and forget seconds that are long past."""
        self.last = max(self.last, at)
        second = int(at.timestamp())
        self.ends[second] += 1
        if len(self.ends) > 2 * RECENT:
            self.ends = Counter({key: n for key, n in self.ends.items() if key >= second - RECENT})


class StepCounter:
    """Counts the calls of an instance, requested and ended ones, event by event.

    Parameters
    ----------
    instance_id
        The instance's id.
    """

    def __init__(self, instance_id: str) -> None:
        self._id = instance_id
        self._name = ""
        self._status = "Pending"
        self._began: datetime | None = None
        self._last: datetime | None = None
        self._idle = PauseReader()
        self._begin()

    def read(self, event: Event) -> None:
        """Read the next event of the history."""
        about = {
            "retry_of": getattr(event, "retry_of", None),
            "entity_id": getattr(event, "entity_id", None),
            "forked_from": [
                {"time": origin.time.isoformat()}
                for origin in getattr(event, "forked_from", ())
                if origin.time is not None
            ],
        }
        name, task_id = getattr(event, "name", None), getattr(event, "task_id", None)
        self.read_row(type(event).__name__, event.timestamp, name, task_id, about)

    def snapshot(
        self,
        now: datetime,
        running: tuple[RunningCall, ...] = (),
        running_ids: Collection[int] | None = None,
    ) -> ProgressSnapshot:
        """Return the progress by now.

        Parameters
        ----------
        now
            The hub's time.
        running
            The calls that have run for a moment, with their progress.
        running_ids
            The task ids of all calls that run, read before; None if they aren't known.
        """
        is_over = self._status in _FINAL
        until = self._last if is_over and self._last is not None else now
        pauses = self._idle.until(until)
        took = timedelta() if self._began is None else running_time(self._began, until, pauses)
        begun = None if running_ids is None else self._open_among(running_ids)
        steps = tuple(_count(tally, until, begun, pauses) for tally in self._tallies.values())
        return ProgressSnapshot(
            self._name, self._id, self._status, steps, took, now, () if is_over else running
        )

    def _open_among(self, task_ids: Collection[int]) -> Counter[int]:
        """Return how many of these calls are open, by the identity of their tallies."""
        return Counter(id(self._calls[task_id]) for task_id in task_ids if task_id in self._calls)

    def _begin(self) -> None:
        self._tallies: dict[tuple[TaskKind, str], _StepTally] = {}
        self._calls: dict[int, _StepTally] = {}
        self._pauses: dict[int, _StepTally] = {}  # the calls that wait for another attempt, by the timer's id
        self._waits: dict[str, list[int]] = {}
        self._early: Counter[str] = Counter()
        self._settled_by: dict[int, str] = {}  # the names of events that settled a wait, by task id

    def read_row(
        self,
        kind: str,
        timestamp: datetime,
        name: str | None,
        task_id: int | None,
        attributes: dict[str, Any],
    ) -> None:
        """Read the next event as a row of the journal."""
        at = self._last = timestamp.replace(tzinfo=UTC)
        self._idle.read(kind, at, _fork_times(attributes))
        if kind == "ExecutionStarted":  # also after a rewind, which writes the kept events again
            self._begin()
            self._name, self._status = name or "", "Pending"
            self._began = self._began or self._idle.forked or at
        elif kind in _STATUSES:
            self._status = _STATUSES[kind]
        elif (begun := _BEGINNINGS.get(kind)) is not None and task_id is not None:
            self._request(begun, name, task_id, attributes, at)
        elif kind == "EventRaised":
            self._arrive((name or "").casefold(), at)
        elif task_id is not None and kind in _ENDS:
            self._end(task_id, kind, at)

    def _request(
        self, kind: TaskKind, name: str | None, task_id: int, attributes: dict[str, Any], at: datetime
    ) -> None:
        retried = attributes.get("retry_of")
        if kind == "timer" and retried is not None:
            if retried in self._calls:
                self._pauses[task_id] = self._calls[retried]
            return
        if retried is not None and (tally := self._calls.get(retried)) is not None:
            tally.failed -= 1  # the call is open again
            tally.over -= 1
            self._calls[task_id] = tally
            return
        if task_id in self._calls:  # an abandoned wait that is awaited again
            left = self._calls[task_id]
            left.over -= 1
            left.canceled -= 1
            self._wait(left.name.casefold(), task_id, at)
            return
        step = kind if name is None and kind in ("timer", "lock") else _step_name(name, attributes)
        tally = self._tallies.setdefault((kind, step), _StepTally(step, kind, at, at))
        tally.total += 1
        tally.is_fan_out |= tally.total - tally.over > 1
        self._calls[task_id] = tally
        if kind == "external event":
            self._wait(step.casefold(), task_id, at)

    def _wait(self, key: str, task_id: int, at: datetime) -> None:
        if self._early[key]:
            self._early[key] -= 1
            self._settled_by[task_id] = key
            self._end(task_id, "", at)
        else:
            self._waits.setdefault(key, []).append(task_id)

    def _arrive(self, key: str, at: datetime) -> None:
        waits = self._waits.get(key)
        if waits:
            self._settled_by[waits[0]] = key
            self._end(waits.pop(0), "", at)
        else:
            self._early[key] += 1

    def _end(self, task_id: int, kind: str, at: datetime) -> None:
        pausing = self._pauses.pop(task_id, None)
        if pausing is not None and _ENDS.get(kind) == "canceled":
            pausing.failed -= 1
            pausing.canceled += 1
        tally = self._calls.get(task_id)
        if tally is None:
            return
        if kind == "EventUnsubscribed" and task_id in self._settled_by:  # never seen; the next wait gets it
            tally.canceled += 1
            self._arrive(self._settled_by.pop(task_id), at)
            return
        if kind == "EventUnsubscribed":
            waits = self._waits[tally.name.casefold()]
            if task_id not in waits:  # abandoned before
                return
            waits.remove(task_id)
        tally.over += 1
        tally.failed += _ENDS.get(kind) == "failed"
        tally.canceled += _ENDS.get(kind) == "canceled"
        tally.end(at)


class ProgressCounter:
    """Counts the calls of an instance as a `StepCounter` does, from the journal.

    Parameters
    ----------
    connect
        Gives the calling thread a connection that reads the journal.
    instance_id
        The instance's id.
    """

    def __init__(
        self, connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], instance_id: str
    ) -> None:
        self._connect = connect
        self._id = instance_id
        self._lock = threading.Lock()
        self._seen = 0
        self._steps = StepCounter(instance_id)

    def look(
        self,
        now: datetime,
        running: tuple[RunningCall, ...] = (),
        running_ids: Collection[int] | None = None,
    ) -> ProgressSnapshot:
        """Return the progress by now; see `StepCounter.snapshot`. Only new events are read."""
        with self._lock:
            with self._connect() as connection:
                rows = connection.execute(_NEWS, [self._id, self._seen]).fetchall()
            for seq, kind, timestamp, name, task_id, attributes in rows:
                self._seen = seq
                about = json.loads(attributes) if attributes else {}
                self._steps.read_row(kind, timestamp, name, task_id, about)
            return self._steps.snapshot(now, running, running_ids)


def _step_name(name: str | None, attributes: dict[str, Any]) -> str:
    entity = attributes.get("entity_id")
    return name or "" if entity is None else f"{entity[1:].partition('@')[0]}.{name}"


def _fork_times(attributes: dict[str, Any]) -> list[datetime]:
    times = (origin.get("time") for origin in attributes.get("forked_from") or ())
    return sorted(datetime.fromisoformat(time).replace(tzinfo=UTC) for time in times if time)


def _count(
    tally: _StepTally, now: datetime, begun: Counter[int] | None = None, pauses: Sequence[Pause] = ()
) -> StepCount:
    is_over = tally.over >= tally.total
    until = tally.last if is_over else max(now, tally.last)
    since = tally.first if is_over else max(tally.first, until - timedelta(seconds=WINDOW))
    seconds = running_time(since, until, pauses).total_seconds()
    ends = tally.over if is_over else _ended_since(tally.ends, since)
    is_rated = tally.is_fan_out and seconds > 0 and ends > 1 and tally.kind not in _NOT_TIMED
    rate = ends / seconds if is_rated else None
    left = tally.total - tally.over
    seconds_left = left / rate if rate and left > 1 else None  # for one call it would be a guess
    return StepCount(
        tally.name,
        tally.kind,
        tally.total,
        tally.over,
        tally.failed,
        tally.canceled,
        running_time(tally.first, until, pauses),
        rate,
        seconds_left,
        min(begun[id(tally)], left) if begun is not None and tally.kind == "activity" else None,
        () if is_over else _recent(tally.ends, until),
        tally.is_fan_out,
    )


def _recent(ends: Counter[int], until: datetime) -> tuple[int, ...]:
    last = int(until.timestamp())
    return tuple(ends[second] for second in range(last - RECENT + 1, last + 1))


def _ended_since(ends: Counter[int], since: datetime) -> int:
    return sum(count for second, count in ends.items() if second >= int(since.timestamp()))


_STARTS = """
select any_value(name), min(timestamp) from journal
where event_type = 'ExecutionStarted' and list_contains(?, instance_id)
"""
_ENDS_OF_INSTANCES = event_types(kind for kind in ALL_EVENTS if issubclass(kind, InstanceEnding))
_ENDED = f"""
select seq, instance_id, event_type, timestamp from journal
where seq > ? and event_type in ({_ENDS_OF_INSTANCES})
order by seq
"""
_OUTCOMES = {"ExecutionFailed": "failed", "ExecutionCanceled": "canceled", "ExecutionTerminated": "canceled"}


class EndedCounter:
    """Counts which of several instances have ended.

    Parameters
    ----------
    connect
        Gives the calling thread a connection that reads the journal.
    instance_ids
        The instances.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
        instance_ids: Collection[str],
    ) -> None:
        self._connect = connect
        self._ids = frozenset(instance_ids)
        self._lock = threading.Lock()
        self._seen = 0
        self._outcomes: dict[str, str] = {}
        self._tally: _StepTally | None = None

    def look(self, now: datetime) -> ProgressSnapshot:
        """Return the present progress. Only events after those of the last call are read."""
        with self._lock:
            with self._connect() as connection:
                tally = self._tally
                if tally is None:
                    name, first = connection.execute(_STARTS, [list(self._ids)]).fetchall()[0]
                    began = now if first is None else first.replace(tzinfo=UTC)
                    tally = _StepTally(
                        name or "", "sub-orchestration", began, began, len(self._ids), is_fan_out=True
                    )
                rows = connection.execute(_ENDED, [self._seen]).fetchall()
            self._tally = tally
            for seq, instance_id, kind, timestamp in rows:
                self._seen = seq
                if instance_id in self._ids:
                    if instance_id in self._outcomes:  # it ended again, after a rewind
                        tally.last = max(tally.last, timestamp.replace(tzinfo=UTC))
                    else:
                        tally.end(timestamp.replace(tzinfo=UTC))
                    self._outcomes[instance_id] = _OUTCOMES.get(kind, "")
            outcomes = Counter(self._outcomes.values())
            tally.over, tally.failed = len(self._outcomes), outcomes["failed"]
            tally.canceled = outcomes["canceled"]
            count = _count(tally, now)
            status = "Running" if not count.is_over else "Failed" if tally.failed else "Completed"
            about = plural(len(self._ids), "instance")
            return ProgressSnapshot(tally.name, about, status, (count,), count.took, now)
