"""All that a picture of one entity is drawn from, whether it stands still or moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails

TOLD = 10
"""Operations of which all is told, of those that were done and of those that weren't."""

OperationStatus = Literal["Pending", "Scheduled", "Completed", "Failed"]
EntityWord = Literal["Not loaded", "Locked", "Busy", "Idle", "No state"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that was asked of an entity.

    Parameters
    ----------
    name
        What was asked for.
    status
        What became of it; "Scheduled" is what isn't due yet.
    sent_by
        The instance or the entity that asked, None for a client.
    is_signal
        Whether nobody waits for the result.
    queued, due, ended
        When it was asked for, from when on it may be done, when it was done.
    state
        The state that it left, as JSON; None if that isn't known here, or is long.
    input, result
        As JSON, of those of which all is told.
    failure
        Why it failed.
    """

    name: str
    status: OperationStatus
    sent_by: str | None
    is_signal: bool
    queued: datetime
    due: datetime | None = None
    ended: datetime | None = None
    state: str | None = None
    input: str | None = None
    result: str | None = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """A critical section that an orchestration has, or waits for."""

    owner: str
    is_held: bool
    since: datetime


@dataclass(frozen=True)
class EntityPicture:
    """An entity as it stands: nothing in it has to be asked for any more.

    Parameters
    ----------
    entity_id
        Which one.
    exists, state
        Whether it has a state, and which: the value, or JSON where that can't be rebuilt.
    operations, failures, queue_length
        How many were done, how many of these failed, how many aren't done yet.
    done
        Those that were done last, the last one last; all is told of the very last ones.
    failed
        Those that failed last, the last one last.
    waiting
        The first ones of those that aren't done yet.
    locks
        Who has locked it, and who waits for that.
    is_missing
        Whether it can't go on before its cell is run.
    now
        When this was so.
    """

    entity_id: EntityId
    exists: bool = False
    state: Any = None
    operations: int = 0
    failures: int = 0
    queue_length: int = 0
    done: tuple[Operation, ...] = ()
    failed: tuple[Operation, ...] = ()
    waiting: tuple[Operation, ...] = ()
    locks: tuple[Lock, ...] = ()
    is_missing: bool = False
    now: datetime | None = None

    @property
    def word(self) -> EntityWord:
        """How it stands, in a word."""
        is_busy = any(one.status == "Pending" for one in self.waiting)
        if self.is_missing and is_busy:
            return "Not loaded"
        if self.locks and self.locks[0].is_held:
            return "Locked"
        if is_busy:
            return "Busy"
        return "Idle" if self.exists else "No state"

    @property
    def line(self) -> str:
        """How it stands, in a line of text without times."""
        parts = [f"{self.entity_id.name.lower()} {self.entity_id.key}: {self.word}"]
        parts.append(f"{self.operations:,} operation{'' if self.operations == 1 else 's'}")
        if self.failures:
            parts.append(f"{self.failures:,} failed")
        if self.queue_length:
            parts.append(f"{self.queue_length:,} in its queue")
        return f"<{', '.join(parts)}>"

    @property
    def told(self) -> tuple[Operation, ...]:
        """The last operations that were done, of which all is told."""
        return self.done[-TOLD:]
