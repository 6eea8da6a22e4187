"""The data for the picture of an entity: its state, its operations, its queue and its locks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import duckdb

from durablenb.analysis.text import plural
from durablenb.journal.related import EntityQueue
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.store.blobs import transaction
from durablenb.store.statements import PAYLOADS

MOST_DETAILED = 10
"""The number of operations, ended and pending ones, that are read with their values."""

OperationStatus = Literal["Pending", "Scheduled", "Completed", "Failed"]
EntityWord = Literal["Not loaded", "Locked", "Busy", "Idle", "No state"]


@dataclass(frozen=True, slots=True)
class EntityOperation:
    """One operation of an entity.

    Parameters
    ----------
    name
        The operation's name.
    status
        The operation's status. "Scheduled": it isn't due yet.
    sent_by
        The instance or the entity that requested it, None for a client.
    is_signal
        Whether the caller doesn't wait for the result.
    queued, due, ended
        The times of the request, of the earliest start, and of the end.
    state
        The state after the operation, as JSON; None if it is unknown or long.
    input, result
        The values as JSON; None if they weren't read.
    failure
        The failure, if it failed.
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
class EntityLock:
    """A critical section that an orchestration holds or waits for."""

    owner: str
    is_held: bool
    since: datetime


@dataclass(frozen=True)
class EntitySnapshot:
    """An entity at one moment, with all that a picture shows.

    Parameters
    ----------
    entity_id
        The entity.
    exists, state
        Whether it has a state, and the state: the value, or JSON if the value can't be rebuilt.
    operations, failures, queue_length
        The numbers of operations that ended, that failed, and that are pending.
    done
        The operations that ended last, the newest last. The newest ones have their values.
    failed
        The operations that failed last, the newest last.
    waiting
        The first pending operations.
    locks
        The owner of its lock, and the orchestrations that wait for the lock.
    is_missing
        Whether its function isn't registered.
    now
        The time of the snapshot.
    """

    entity_id: EntityId
    exists: bool = False
    state: Any = None
    operations: int = 0
    failures: int = 0
    queue_length: int = 0
    done: tuple[EntityOperation, ...] = ()
    failed: tuple[EntityOperation, ...] = ()
    waiting: tuple[EntityOperation, ...] = ()
    locks: tuple[EntityLock, ...] = ()
    is_missing: bool = False
    now: datetime | None = None

    @property
    def word(self) -> EntityWord:
        """The entity's condition in a word."""
        is_busy = any(operation.status == "Pending" for operation in self.waiting)
        if self.is_missing and is_busy:
            return "Not loaded"
        if self.locks and self.locks[0].is_held:
            return "Locked"
        if is_busy:
            return "Busy"
        return "Idle" if self.exists else "No state"

    @property
    def line(self) -> str:
        """The entity's condition in a line of text, without times."""
        parts = [f"{self.entity_id.name.lower()} {self.entity_id.key}: {self.word}"]
        parts.append(plural(self.operations, "operation"))
        if self.failures:
            parts.append(f"{self.failures:,} failed")
        if self.queue_length:
            parts.append(f"{self.queue_length:,} in its queue")
        return f"<{', '.join(parts)}>"

    @property
    def detailed(self) -> tuple[EntityOperation, ...]:
        """The last operations that ended, with their values."""
        return self.done[-MOST_DETAILED:]


MOST_DRAWN = 200
"""The number of operations that are drawn."""

_FAILURES = 3
_SMALL = 4_000
"""The longest state, in characters, that is searched for a number."""


_ENTITY = """
select entity_exists, operations, failures, queue_length from entities where instance_id = ?
"""
_STATE = """
select max(seq) from journal where instance_id = ? and event_type = 'StateChanged'
"""
_OPERATION = """
select number, operation, status, sent_by, is_signal, queued, due, ended, execution_id, seq, ended_seq
from entity_operations where instance_id = ? and
"""
_DONE = f"{_OPERATION} ended_seq is not null order by ended_seq desc limit ?"
_FAILED = f"{_OPERATION} status = 'Failed' order by ended_seq desc limit ?"
_OPEN = f"{_OPERATION} ended_seq is null order by coalesce(due, queued), seq limit ?"
_STATES = """
select execution_id, task_id, seq, case when length(payload) <= ? then payload end from journal
where instance_id = ? and event_type = 'StateChanged' and seq > ? order by seq
"""
_STATE_BEFORE = """
select arg_max_null(case when length(payload) <= ? then payload end, seq) from journal
where instance_id = ? and event_type = 'StateChanged' and seq <= ?
"""
_LOCKS = """
select owner, status, requested, taken from entity_locks
where instance_id = ? and status in ('Held', 'Waiting') order by seq
"""


def entity_snapshot(
    connection: duckdb.DuckDBPyConnection,
    entity_id: EntityId,
    decode: Callable[[str], Any],
    *,
    is_missing: bool = False,
    now: datetime | None = None,
) -> EntitySnapshot:
    """Return the snapshot of an entity.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    entity_id
        The entity.
    decode
        Decodes the text of a state.
    is_missing
        Whether its function isn't registered.
    now
        The time.
    """
    with transaction(connection):  # the engine writes meanwhile
        summary = entity_summary(connection, entity_id, is_missing=is_missing, now=now)
        rows = _EntityRows(connection, str(entity_id), now)
        state = rows.state() if summary.exists else None
        done = rows.done() if summary.operations else ()
        failed = rows.failed() if summary.failures else ()
    return replace(summary, state=None if state is None else decode(state), done=done, failed=failed)


def entity_summary(
    connection: duckdb.DuckDBPyConnection,
    entity_id: EntityId,
    *,
    is_missing: bool = False,
    now: datetime | None = None,
) -> EntitySnapshot:
    """Return the snapshot of an entity without its state and its ended operations; see `entity_snapshot`."""
    entities = connection.execute(_ENTITY, [str(entity_id)]).fetchall()
    if not entities:
        return EntitySnapshot(entity_id, is_missing=is_missing, now=now)
    exists, operations, failures, queue_length = entities[0]
    rows = _EntityRows(connection, str(entity_id), now)
    return EntitySnapshot(
        entity_id,
        exists=exists,
        operations=operations,
        failures=failures,
        queue_length=queue_length,
        waiting=rows.waiting() if queue_length else (),
        locks=rows.locks(),
        is_missing=is_missing,
        now=now,
    )


class _EntityRows:
    """Reads the rows of one entity from the journal."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, instance_id: str, now: datetime | None) -> None:
        self._connection = connection
        self._id = instance_id
        self._now = now

    def state(self) -> str | None:
        """Return the last state."""
        seq = self._fetch(_STATE, self._id)[0][0]
        return None if seq is None else str(self._fetch(PAYLOADS, [seq])[0][1])

    def done(self) -> tuple[EntityOperation, ...]:
        """Return the operations that ended last, with the states after them."""
        rows = self._fetch(_DONE, self._id, MOST_DRAWN)[::-1]
        if not rows:
            return ()
        first = rows[0][-1]
        changed = {
            (execution, number): text
            for execution, number, _, text in self._fetch(_STATES, _SMALL, self._id, first)
        }
        state = self._fetch(_STATE_BEFORE, _SMALL, self._id, first)[0][0]
        payloads = self._payloads(rows[-MOST_DETAILED:])
        done = []
        for row in rows:
            state = changed.get((row[8], row[0]), state)
            done.append(_operation(row, payloads, self._now, state))
        return tuple(done)

    def failed(self) -> tuple[EntityOperation, ...]:
        """Return the operations that failed last."""
        rows = self._fetch(_FAILED, self._id, _FAILURES)[::-1]
        payloads = self._payloads(rows)
        return tuple(_operation(row, payloads, self._now) for row in rows)

    def waiting(self) -> tuple[EntityOperation, ...]:
        """Return the next pending operations."""
        rows = self._fetch(_OPEN, self._id, MOST_DETAILED)
        payloads = self._payloads(rows)
        return tuple(_operation(row, payloads, self._now) for row in rows)

    def locks(self) -> tuple[EntityLock, ...]:
        """Return the owner of the entity's lock, and the orchestrations that wait for the lock."""
        rows = self._fetch(_LOCKS, self._id)
        locks = [
            EntityLock(owner, status == "Held", _utc(taken or requested))
            for owner, status, requested, taken in rows
        ]
        return tuple(sorted(locks, key=lambda lock: not lock.is_held))

    def _payloads(self, rows: Sequence[tuple[Any, ...]]) -> dict[int, str]:
        seqs = [seq for row in rows for seq in row[9:] if seq is not None]
        return dict(self._fetch(PAYLOADS, seqs)) if seqs else {}

    def _fetch(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(parameters)).fetchall()


def _operation(
    row: tuple[Any, ...], payloads: dict[int, str], now: datetime | None, state: str | None = None
) -> EntityOperation:
    _, name, status, sent_by, is_signal, queued, due, ended, _, seq, ended_seq = row
    due, text = _moment(due), payloads.get(ended_seq)
    if status == "Pending" and due is not None and now is not None and due > now:
        status = "Scheduled"
    is_failed = status == "Failed" and text is not None
    return EntityOperation(
        name,
        status,
        sent_by,
        is_signal,
        _utc(queued),
        due,
        _moment(ended),
        state,
        payloads.get(seq),
        None if is_failed else text,
        FailureDetails.from_json(json.loads(text)) if is_failed and text is not None else None,
    )


def _moment(moment: datetime | None) -> datetime | None:
    return None if moment is None else _utc(moment)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def queue_text(queues: Iterable[EntityQueue], own_id: str = "") -> str:
    """Return as text why an instance waits for entities: the owner of the lock, or the length of the queue.

    Parameters
    ----------
    queues
        The queues of the entities that it waits for.
    own_id
        The instance's id. Its own locks don't keep it waiting.

    Examples
    --------
    >>> queue_text([EntityQueue("@account@a", 2, "transfer-7"), EntityQueue("@account@b", 1)], "transfer-8")
    '@account@a is locked by transfer-7. @account@b has 1 other operation to do.'
    """
    parts = []
    for queue in queues:
        if queue.locked_by is not None:
            if queue.locked_by != own_id:
                parts.append(f"{queue.entity_id} is locked by {queue.locked_by}.")
        elif queue.length:
            operations = plural(queue.length, "other operation")
            parts.append(f"{queue.entity_id} has {operations} to do.")
    return " ".join(parts)
