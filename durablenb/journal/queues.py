"""Reads the queues of a hub from its tables."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from durablenb.model.queues import QueueState
from durablenb.model.times import aware

_HAS_QUEUES = "select 1 from duckdb_views() where view_name = 'queues' and not internal"
"""Files that were last written before there were queues have no such view."""

_ANY = "select 1 from queue_limits limit 1"
"""The view reads all calls of activities; most hubs have no queues."""

_QUEUES = """
select name, concurrency, rate_count, rate_seconds, activities, waiting, running,
       case when waiting > 0 then next_free end
from queues
"""


def read_queue_states(connection: duckdb.DuckDBPyConnection) -> list[QueueState]:
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
