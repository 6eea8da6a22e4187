"""Which instances were forked from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

_FORKS = """
select instance_id from journal
where event_type = 'ExecutionStarted' and contains(attributes, '"forked_from"')
    and try_cast(attributes as json) -> 'forked_from' -> 0 ->> 'instance_id' = ?
group by instance_id
order by min(seq)
"""


def forks_of(connection: duckdb.DuckDBPyConnection, instance_id: str) -> tuple[str, ...]:
    """Return the ids of the instances that were forked from this one, oldest first."""
    return tuple(row[0] for row in connection.execute(_FORKS, [instance_id]).fetchall())
