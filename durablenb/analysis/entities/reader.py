"""Reads what a picture of one entity is drawn from: its state, what it did last, what it has still to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import duckdb

from durablenb.analysis.entities.picture import TOLD, EntityPicture, Lock, Operation
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.store.blobs import transaction
from durablenb.store.statements import PAYLOADS

DRAWN = 200
"""Operations that are drawn."""

_FAILURES = 3
_SMALL = 4_000
"""Characters of a state in which a number is looked for."""


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


def last_seq_of(connection: duckdb.DuckDBPyConnection, instance_id: str) -> int:
    """Return the last place that an entity has in the journal, 0 if it has none."""
    found = connection.execute("select max(seq) from journal where instance_id = ?", [instance_id]).fetchall()
    return int(found[0][0] or 0)


def entity_picture_of(
    connection: duckdb.DuckDBPyConnection,
    entity_id: EntityId,
    shown: Callable[[str], Any],
    *,
    is_missing: bool = False,
    now: datetime | None = None,
) -> EntityPicture:
    """Return all that there is to draw of an entity.

    Parameters
    ----------
    connection
        A reader's.
    entity_id
        Which one.
    shown
        Gives the value that a state's text stands for.
    is_missing
        Whether its function isn't registered.
    now
        The time.
    """
    with transaction(connection):  # the engine writes meanwhile
        found = standing_of(connection, entity_id, is_missing=is_missing, now=now)
        rows = _Rows(connection, str(entity_id), now)
        state = rows.state() if found.exists else None
        done = rows.done() if found.operations else ()
        failed = rows.failed() if found.failures else ()
    return replace(found, state=None if state is None else shown(state), done=done, failed=failed)


def standing_of(
    connection: duckdb.DuckDBPyConnection,
    entity_id: EntityId,
    *,
    is_missing: bool = False,
    now: datetime | None = None,
) -> EntityPicture:
    """Return where an entity stands, without its state and what it did; see `entity_picture_of`."""
    found = connection.execute(_ENTITY, [str(entity_id)]).fetchall()
    if not found:
        return EntityPicture(entity_id, is_missing=is_missing, now=now)
    exists, operations, failures, queue_length = found[0]
    rows = _Rows(connection, str(entity_id), now)
    return EntityPicture(
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


class _Rows:
    """Reads what the journal has of one entity."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, instance_id: str, now: datetime | None) -> None:
        self._connection = connection
        self._id = instance_id
        self._now = now

    def state(self) -> str | None:
        """Return the last state."""
        place = self._ask(_STATE, self._id)[0][0]
        return None if place is None else str(self._ask(PAYLOADS, [place])[0][1])

    def done(self) -> tuple[Operation, ...]:
        """Return the operations that were done last, with their states."""
        rows = self._ask(_DONE, self._id, DRAWN)[::-1]
        if not rows:
            return ()
        first = rows[0][-1]
        changed = {
            (execution, number): text
            for execution, number, _, text in self._ask(_STATES, _SMALL, self._id, first)
        }
        state = self._ask(_STATE_BEFORE, _SMALL, self._id, first)[0][0]
        payloads = self._payloads(rows[-TOLD:])
        done = []
        for row in rows:
            state = changed.get((row[8], row[0]), state)
            done.append(_operation(row, payloads, self._now, state))
        return tuple(done)

    def failed(self) -> tuple[Operation, ...]:
        """Return the operations that failed last."""
        rows = self._ask(_FAILED, self._id, _FAILURES)[::-1]
        payloads = self._payloads(rows)
        return tuple(_operation(row, payloads, self._now) for row in rows)

    def waiting(self) -> tuple[Operation, ...]:
        """Return the operations that are to be done next."""
        rows = self._ask(_OPEN, self._id, TOLD)
        payloads = self._payloads(rows)
        return tuple(_operation(row, payloads, self._now) for row in rows)

    def locks(self) -> tuple[Lock, ...]:
        """Return who has locked the entity, and who waits for that."""
        rows = self._ask(_LOCKS, self._id)
        locks = [
            Lock(owner, status == "Held", _aware(taken or requested))
            for owner, status, requested, taken in rows
        ]
        return tuple(sorted(locks, key=lambda lock: not lock.is_held))

    def _payloads(self, rows: Sequence[tuple[Any, ...]]) -> dict[int, str]:
        places = [place for row in rows for place in row[9:] if place is not None]
        return dict(self._ask(PAYLOADS, places)) if places else {}

    def _ask(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, list(parameters)).fetchall()


def _operation(
    row: tuple[Any, ...], payloads: dict[int, str], now: datetime | None, state: str | None = None
) -> Operation:
    _, name, status, sent_by, is_signal, queued, due, ended, _, seq, ended_seq = row
    due, text = _moment(due), payloads.get(ended_seq)
    if status == "Pending" and due is not None and now is not None and due > now:
        status = "Scheduled"
    is_failed = status == "Failed" and text is not None
    return Operation(
        name,
        status,
        sent_by,
        is_signal,
        _aware(queued),
        due,
        _moment(ended),
        state,
        payloads.get(seq),
        None if is_failed else text,
        FailureDetails.from_json(json.loads(text)) if is_failed and text is not None else None,
    )


def _moment(found: datetime | None) -> datetime | None:
    return None if found is None else _aware(found)


def _aware(found: datetime) -> datetime:
    return found.replace(tzinfo=UTC)
