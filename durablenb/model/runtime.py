"""Runtime information: facts on an instance or an entity that only a running engine has."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class RunningCall:
    """A call of an activity that runs, and how far it is.

    Parameters
    ----------
    name
        The activity's name.
    execution_id, task_id
        The task.
    attempt
        The number of the try, from 1.
    started_at
        When the try began, aware, UTC.
    worker
        Where it runs; None for the hub's own thread.
    done, total, note
        Its progress; `done` is None if it has reported none, `total` if that is unknown.
    streamed
        The last characters, at most 1,000, of the text that it streams; None if there are none.
    """

    name: str
    execution_id: str
    task_id: int
    attempt: int
    started_at: datetime
    worker: str | None = None
    done: float | None = None
    total: float | None = None
    note: str | None = None
    streamed: str | None = None

    @property
    def share(self) -> float | None:
        """The part that is done, from 0 to 1; None if that isn't known."""
        if self.done is None or not self.total or not 0 <= self.done / self.total < float("inf"):
            return None
        return min(self.done / self.total, 1.0)

    def seconds_left(self, now: datetime) -> float | None:
        """Return how long it will take at the rate so far; None if that isn't known."""
        if not self.share:
            return None
        return max((now - self.started_at).total_seconds(), 0.0) * (1 - self.share) / self.share

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "started_at": self.started_at.isoformat()}

    @staticmethod
    def from_json(fields: dict[str, Any]) -> RunningCall:
        """Return the call for JSON from `as_json`."""
        known: dict[str, Any] = {name: fields.get(name) for name in RunningCall.__dataclass_fields__}
        known["started_at"] = datetime.fromisoformat(fields["started_at"])
        return RunningCall(**known)


@dataclass(frozen=True)
class Obstacle:
    """The reasons, known to the engine, why an instance is blocked until the user acts.

    Parameters
    ----------
    missing
        Functions that aren't registered yet.
    held
        The reason why the instance is held, if it is.
    below
        The reason why one of its sub-orchestrations, or an entity that it waits for, is blocked.
    without_executor
        Activities whose executor has stopped, each with the executor's message.
    in_queues
        The calls that wait for a place: the name of the queue, that of the activity, and their number.
        These end by themselves.
    """

    missing: tuple[str, ...] = ()
    held: str | None = None
    below: str | None = None
    without_executor: tuple[tuple[str, str], ...] = ()
    in_queues: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True)
class RuntimeInfo:
    """State of an instance or an entity that an engine has in memory, and the journal doesn't have.

    Parameters
    ----------
    obstacle
        The reasons why it is blocked.
    reason
        The same as an error: the name of its type, and its message. None if it isn't blocked.
    is_missing
        True if the function of an entity isn't registered.
    imported_from
        The source of an imported one.
    running
        The calls of activities that have run for a moment, oldest first; at most a hundred.
    running_ids
        The task ids of all calls of activities that run; None if that isn't known. Its other open calls are
        queued.
    """

    obstacle: Obstacle = field(default_factory=Obstacle)
    reason: tuple[str, str] | None = None
    is_missing: bool = False
    imported_from: str | None = None
    running: tuple[RunningCall, ...] = ()
    running_ids: frozenset[int] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        ids = None if self.running_ids is None else sorted(self.running_ids)
        running = [call.as_json() for call in self.running]
        return {**asdict(self), "running": running, "running_ids": ids}

    @staticmethod
    def from_json(fields: dict[str, Any]) -> RuntimeInfo:
        """Return the information for JSON from `as_json`."""
        obstacle, reason, ids = fields["obstacle"], fields["reason"], fields.get("running_ids")
        without_executor = tuple((name, why) for name, why in obstacle.get("without_executor", ()))
        return RuntimeInfo(
            Obstacle(
                tuple(obstacle["missing"]),
                obstacle["held"],
                obstacle["below"],
                without_executor,
                tuple((queue, name, count) for queue, name, count in obstacle.get("in_queues", ())),
            ),
            reason and (reason[0], reason[1]),
            bool(fields["is_missing"]),
            fields.get("imported_from"),
            tuple(map(RunningCall.from_json, fields.get("running", ()))),
            None if ids is None else frozenset(ids),
        )
