"""Reads other histories for an instance: its forks, and the queues of entities that it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

MOST_QUEUES = 20
"""The number of entities whose queues are read for one instance."""

_QUEUES = """
select instance_id, queue_length, locked_by from entities where list_contains(?, instance_id)
order by instance_id
"""


@dataclass(frozen=True, slots=True)
class EntityQueue:
    """The number of an entity's pending operations, and the orchestration that has locked it."""

    entity_id: str
    length: int
    locked_by: str | None = None


def read_queues(connection: duckdb.DuckDBPyConnection, entity_ids: Sequence[str]) -> dict[str, EntityQueue]:
    """Return the queues of these entities; if there are many, of the first few.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    entity_ids
        The entities' ids as text.
    """
    if not entity_ids:
        return {}
    rows = connection.execute(_QUEUES, [list(entity_ids[:MOST_QUEUES])]).fetchall()
    return {entity_id: EntityQueue(entity_id, length, owner) for entity_id, length, owner in rows}


_FORKS = """
select instance_id from journal
where event_type = 'ExecutionStarted' and contains(attributes, '"forked_from"')
    and try_cast(attributes as json) -> 'forked_from' -> 0 ->> 'instance_id' = ?
group by instance_id
order by min(seq)
"""


def read_forks(connection: duckdb.DuckDBPyConnection, instance_id: str) -> tuple[str, ...]:
    """Return the ids of the instances that were forked from this one, oldest first."""
    return tuple(row[0] for row in connection.execute(_FORKS, [instance_id]).fetchall())


_HAS_ENTITIES = "select count(*) from duckdb_views() where view_name = 'entities' and not internal"


def has_entities(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether a file may have entities. Files written before entities existed have none."""
    return bool(connection.execute(_HAS_ENTITIES).fetchall()[0][0])
