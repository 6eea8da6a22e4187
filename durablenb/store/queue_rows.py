"""Queues in DuckDB: their limits, and the starts that a rate still counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import duckdb

from durablenb.model.names import folded
from durablenb.model.queues import Queue, QueueMembers, QueueStart, QueueState
from durablenb.model.times import aware, naive
from durablenb.store.connections import append_rows
from durablenb.store.states import Ask

_FORGET = "delete from queue_limits where lower(name) = ?"
_INSERT = "insert into queue_limits values (?, ?, ?, ?, ?)"
_FORGET_STARTS = """
delete from queue_starts using (
    select s.execution_id, s.task_id, s.granted_at
    from queue_starts s join queue_limits q on s.queue = lower(q.name)
    group by s.execution_id, s.task_id, s.granted_at
    having max(s.started_at) < ? - max(to_microseconds(cast(1e6 * q.rate_seconds as bigint)))
) old
where queue_starts.execution_id = old.execution_id and queue_starts.task_id = old.task_id
  and queue_starts.granted_at = old.granted_at
"""
_FORGET_INSTANCES = "update queue_starts set instance_id = '' where list_contains(?, instance_id)"
_STARTS = """
select queue, max(instance_id), execution_id, task_id, granted_at, max(started_at)
from queue_starts where queue = ? group by all
"""
_HAS_QUEUES = "select 1 from duckdb_views() where view_name = 'queues' and not internal"
"""Files that were last written before there were queues have no such view."""

_ANY = "select 1 from queue_limits limit 1"
"""The view reads all calls of activities; most hubs have no queues."""

_QUEUES = """
select name, concurrency, rate_count, rate_seconds, activities, waiting, running,
       case when waiting > 0 then next_free end
from queues
"""


def write(
    connection: duckdb.DuckDBPyConnection, queues: Sequence[QueueMembers], starts: Sequence[QueueStart]
) -> None:
    """Write queues, in place of those of the same names, and starts; delete starts that no rate counts.

    The caller has a transaction.
    """
    for members in queues:
        connection.execute(_FORGET, [folded(members.queue.name)]).fetchall()
        connection.execute(_INSERT, members_as_json(members)).fetchall()
    if starts:
        rows = [
            (*start[:-2], naive(start.granted_at), start.started_at and naive(start.started_at))
            for start in starts
        ]
        append_rows(connection, "queue_starts", rows)
        latest = max(start.granted_at for start in starts)
        connection.execute(_FORGET_STARTS, [naive(latest)]).fetchall()


def forget_instances(connection: duckdb.DuckDBPyConnection, instance_ids: Sequence[str]) -> None:
    """Remove the ids of purged instances; their starts stay, since a rate still counts them."""
    connection.execute(_FORGET_INSTANCES, [instance_ids]).fetchall()


def read_starts(ask: Ask, queue: str) -> list[QueueStart]:
    """Return the starts of a queue, by its folded name, each once."""
    starts = map(QueueStart._make, ask(_STARTS, [queue]))
    return [
        start._replace(granted_at=aware(start.granted_at), started_at=aware(start.started_at))
        for start in starts
    ]


def read_states(connection: duckdb.DuckDBPyConnection) -> list[QueueState]:
    """Return the queues of a hub, as its tables have them.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    """
    if not connection.execute(_HAS_QUEUES).fetchall() or not connection.execute(_ANY).fetchall():
        return []
    return [
        QueueState(
            name,
            concurrency,
            None if count is None else (count, timedelta(seconds=seconds)),
            tuple(activities),
            waiting,
            running,
            aware(next_free),
        )
        for name, concurrency, count, seconds, activities, waiting, running, next_free in connection.execute(
            _QUEUES
        ).fetchall()
    ]


def members_as_json(members: QueueMembers) -> list[Any]:
    """Return the row of a queue, which has JSON values only."""
    queue = members.queue
    count, seconds = (queue.rate[0], queue.rate[1].total_seconds()) if queue.rate else (None, None)
    return [queue.name, queue.concurrency, count, seconds, list(members.activities)]


def members_from_json(row: Sequence[Any]) -> QueueMembers:
    """Return the queue of a row."""
    name, concurrency, count, seconds, activities = row
    rate = None if count is None else (count, timedelta(seconds=seconds))
    return QueueMembers(Queue(name, concurrency, rate), tuple(activities))
