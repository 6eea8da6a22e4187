"""Progress of an orchestration: counts of its steps; each look reads only new events."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from durablenb.analysis.timeline import TaskKind

WINDOW = 60
"""Seconds that a rate is about, of a step that isn't done."""

_ASKED: dict[str, TaskKind] = {
    "TaskScheduled": "activity",
    "SubOrchestrationInstanceCreated": "sub-orchestration",
    "TimerCreated": "timer",
    "EventSubscribed": "external event",
    "EntityOperationCalled": "entity call",
    "EntityLockRequested": "lock",
}
_DONE = frozenset(
    {
        *("TaskCompleted", "SubOrchestrationInstanceCompleted", "TimerFired"),
        *("EntityOperationCompleted", "EntityLockGranted"),
    }
)
_FAILED = frozenset({"TaskFailed", "SubOrchestrationInstanceFailed", "EntityOperationFailed"})
_CANCELED = frozenset({"TimerCanceled", "EventUnsubscribed"})
_STATUSES = {
    "ExecutionCompleted": "Completed",
    "ExecutionFailed": "Failed",
    "ExecutionTerminated": "Terminated",
    "ExecutionSuspended": "Suspended",
    "ExecutionResumed": "Running",
    "OrchestratorStarted": "Running",
}
_NOT_TIMED: tuple[TaskKind, ...] = ("timer", "external event", "lock")

_NEWS = f"""
select seq, event_type, timestamp, name, task_id,
       case when event_type in ({", ".join(f"'{kind}'" for kind in _ASKED)}) then attributes end
from journal where instance_id = ? and seq > ? order by seq
"""


@dataclass(frozen=True, slots=True)
class StepCount:
    """How many calls of one name were asked for, and how many of them are over.

    Parameters
    ----------
    name, kind
        What is called.
    total
        How many calls there are by now; a call that is made again after a failure is one.
    over
        How many have ended, one way or another.
    failed, canceled
        How many of these did not end well.
    took
        From the first call until the last one's end, or until now.
    rate
        Ends in a second, of late; None where that says nothing.
    seconds_left
        What the calls that are open will take at this rate; None where that can't be known.
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

    @property
    def is_over(self) -> bool:
        """Whether nothing is open."""
        return self.over >= self.total


@dataclass(frozen=True, slots=True)
class ProgressSnapshot:
    """How far an instance has come: its status, and the steps of its last execution."""

    name: str
    instance_id: str
    status: str
    steps: tuple[StepCount, ...]
    took: timedelta

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in ("Completed", "Failed", "Terminated")


@dataclass(slots=True)
class _StepTally:
    """Counts of one step; `ends` has how many ended in each second of late."""

    name: str
    kind: TaskKind
    first: datetime
    last: datetime
    total: int = 0
    over: int = 0
    failed: int = 0
    canceled: int = 0
    ends: Counter[int] = field(default_factory=Counter)


class ProgressCounter:
    """Counts what an instance asks for, and what comes of it.

    Parameters
    ----------
    reader
        Gives a connection to read with, in the calling thread.
    instance_id
        Which instance.
    """

    def __init__(self, reader: Callable[[], duckdb.DuckDBPyConnection], instance_id: str) -> None:
        self._reader = reader
        self._id = instance_id
        self._turn = threading.Lock()
        self._seen = 0
        self._name = ""
        self._status = "Pending"
        self._began: datetime | None = None
        self._last: datetime | None = None
        self._begin()

    def look(self, now: datetime) -> ProgressSnapshot:
        """Return how far it has come; what was read before is not read again."""
        with self._turn:
            for row in self._reader().execute(_NEWS, [self._id, self._seen]).fetchall():
                self._take(*row)
            return self._standing(now)

    def _standing(self, now: datetime) -> ProgressSnapshot:
        is_over = self._status in ("Completed", "Failed", "Terminated")
        until = self._last if is_over and self._last is not None else now
        took = timedelta() if self._began is None else until - self._began
        steps = tuple(_count(tally, until) for tally in self._tallies.values())
        return ProgressSnapshot(self._name, self._id, self._status, steps, took)

    def _begin(self) -> None:
        self._tallies: dict[tuple[TaskKind, str], _StepTally] = {}
        self._calls: dict[int, _StepTally] = {}
        self._waits: dict[str, list[int]] = {}
        self._early: Counter[str] = Counter()
        self._taken: dict[int, str] = {}  # waits that have an event, as it seems, with its name

    def _take(
        self,
        seq: int,
        kind: str,
        timestamp: datetime,
        name: str | None,
        task_id: int | None,
        more: str | None,
    ) -> None:
        self._seen = seq
        at = self._last = timestamp.replace(tzinfo=UTC)
        if kind == "ExecutionStarted":  # also of a rewind, which writes once more what it keeps
            self._begin()
            self._name, self._status = name or "", "Pending"
            self._began = at if self._began is None else self._began
        elif kind in _STATUSES:
            self._status = _STATUSES[kind]
        elif kind in _ASKED and task_id is not None:
            self._ask(_ASKED[kind], name, task_id, json.loads(more) if more else {}, at)
        elif kind == "EventRaised":
            self._arrive((name or "").casefold(), at)
        elif task_id is not None and (kind in _DONE or kind in _FAILED or kind in _CANCELED):
            self._end(task_id, kind, at)

    def _ask(
        self, kind: TaskKind, name: str | None, task_id: int, more: dict[str, Any], at: datetime
    ) -> None:
        retried = more.get("retry_of")
        if kind == "timer" and retried is not None:
            return
        if retried is not None and (tally := self._calls.get(retried)) is not None:
            tally.failed -= 1  # it is open again
            tally.over -= 1
            self._calls[task_id] = tally
            return
        if task_id in self._calls:  # a wait that had been left, and isn't any more
            left = self._calls[task_id]
            left.over -= 1
            left.canceled -= 1
            self._wait(left.name.casefold(), task_id, at)
            return
        step = kind if name is None and kind in ("timer", "lock") else _named(name, more)
        tally = self._tallies.setdefault((kind, step), _StepTally(step, kind, at, at))
        tally.total += 1
        self._calls[task_id] = tally
        if kind == "external event":
            self._wait(step.casefold(), task_id, at)

    def _wait(self, key: str, task_id: int, at: datetime) -> None:
        if self._early[key]:
            self._early[key] -= 1
            self._taken[task_id] = key
            self._end(task_id, "", at)
        else:
            self._waits.setdefault(key, []).append(task_id)

    def _arrive(self, key: str, at: datetime) -> None:
        waits = self._waits.get(key)
        if waits:
            self._taken[waits[0]] = key
            self._end(waits.pop(0), "", at)
        else:
            self._early[key] += 1

    def _end(self, task_id: int, kind: str, at: datetime) -> None:
        tally = self._calls.get(task_id)
        if tally is None:
            return
        if kind == "EventUnsubscribed" and task_id in self._taken:  # unseen, and now for the next one
            tally.canceled += 1
            self._arrive(self._taken.pop(task_id), at)
            return
        tally.over += 1
        tally.failed += kind in _FAILED
        tally.canceled += kind in _CANCELED
        tally.last = max(tally.last, at)
        second = int(at.timestamp())
        tally.ends[second] += 1
        if len(tally.ends) > 2 * WINDOW:
            tally.ends = Counter({one: n for one, n in tally.ends.items() if one >= second - WINDOW})
        if kind == "EventUnsubscribed":
            for waits in self._waits.values():
                waits[:] = [one for one in waits if one != task_id]


def _named(name: str | None, more: dict[str, Any]) -> str:
    entity = more.get("entity_id")
    return name or "" if entity is None else f"{entity[1:].partition('@')[0]}.{name}"


def _count(tally: _StepTally, now: datetime) -> StepCount:
    is_over = tally.over >= tally.total
    until = tally.last if is_over else max(now, tally.last)
    since = tally.first if is_over else max(tally.first, until - timedelta(seconds=WINDOW))
    seconds = (until - since).total_seconds()
    ends = tally.over if is_over else _ended_since(tally.ends, since)
    is_rated = seconds > 0 and ends > 1 and tally.kind not in _NOT_TIMED
    rate = ends / seconds if is_rated else None
    left = tally.total - tally.over
    seconds_left = left / rate if rate and left > 1 else None  # of one call it would be a guess
    return StepCount(
        tally.name,
        tally.kind,
        tally.total,
        tally.over,
        tally.failed,
        tally.canceled,
        until - tally.first,
        rate,
        seconds_left,
    )


def _ended_since(ends: Counter[int], since: datetime) -> int:
    return sum(count for second, count in ends.items() if second >= int(since.timestamp()))
