"""Tries of activities in DuckDB: a row for each try, replaced when it reports more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import duckdb

from durablenb.model.activities import ActivityAttempt
from durablenb.model.times import aware, naive
from durablenb.store.connections import append_rows
from durablenb.store.states import Ask

_MARGIN = timedelta(minutes=1)
"""How much the start of one try may differ: another process that joins it compares the clocks again."""

_HAS_ROWS = "select 1 from activity_attempts limit 1"
"""Most hubs have none, and this is quicker than looking for those of some instances."""

_OF = f"""
select {", ".join(ActivityAttempt._fields)} from activity_attempts
where instance_id in (select unnest(?)) order by started_at, task_id, attempt
"""

# The bound lets DuckDB skip older rows: the table may have many, of calls that ended long ago.
_REMOVE = """
delete from activity_attempts
using (
    select unnest($executions) as execution_id, unnest($tasks) as task_id, unnest($numbers) as attempt
) as put
where activity_attempts.started_at >= $since
    and activity_attempts.execution_id = put.execution_id
    and activity_attempts.task_id = put.task_id
    and activity_attempts.attempt = put.attempt
"""


def put(connection: duckdb.DuckDBPyConnection, attempts: Sequence[ActivityAttempt]) -> None:
    """Write these tries, each once, in place of what is there of them; in a transaction of the caller's."""
    connection.execute(
        _REMOVE,
        {
            "executions": [attempt.execution_id for attempt in attempts],
            "tasks": [attempt.task_id for attempt in attempts],
            "numbers": [attempt.attempt for attempt in attempts],
            "since": naive(min(attempt.started_at for attempt in attempts)) - _MARGIN,
        },
    ).fetchall()
    append_rows(connection, "activity_attempts", [_row(attempt) for attempt in attempts])


def load(ask: Ask, instance_ids: Sequence[str]) -> list[ActivityAttempt]:
    """Return the tries of these instances, oldest first."""
    if not ask(_HAS_ROWS, []):
        return []
    return [_attempt(row) for row in ask(_OF, [list(instance_ids)])]


def _row(attempt: ActivityAttempt) -> tuple[Any, ...]:
    reported = attempt.reported_at
    return attempt._replace(started_at=naive(attempt.started_at), reported_at=reported and naive(reported))


def _attempt(row: tuple[Any, ...]) -> ActivityAttempt:
    attempt = ActivityAttempt(*row)
    return attempt._replace(started_at=aware(attempt.started_at), reported_at=aware(attempt.reported_at))
