"""A hub in a few numbers: instances by orchestrator and status, entities by name, and what is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

_EXTENT = "select coalesce(max(seq), 0), count(*) from journal"
_COUNTS = "select name, status, count(*) from instance_states group by all order by all"
_LATEST = """
select instance_id, name, status, created_time, last_updated_time from instance_states
where {condition} order by last_updated_time desc, created_time desc, instance_id limit ?
"""
_UPDATES = """
select instance_id, timestamp from journal
where event_type in (
    'ExecutionStarted', 'OrchestratorStarted', 'ExecutionCompleted', 'ExecutionFailed', 'ExecutionTerminated',
    'CustomStatusSet', 'ExecutionRewound', 'ExecutionResumed', 'ExecutionSuspended'
)
order by timestamp desc limit ?
"""
"""What the view takes for the last update of an instance."""

_FEW = 128
_MANY = 8_192
"""Updates that are looked at for those instances that were last heard of."""
_ENTITIES = """
select name, count(*) filter (entity_exists), cast(sum(operations - failures) as bigint),
       cast(sum(failures) as bigint), cast(sum(queue_length) as bigint), count(locked_by)
from entities group by name order by name
"""
_HAS_ENTITIES = "select count(*) from duckdb_views() where view_name = 'entities' and not internal"


@dataclass(frozen=True, slots=True)
class Seen:
    """One instance among others."""

    instance_id: str
    name: str
    status: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class EntityCounts:
    """The entities of one name: how many there are, and their operations by what became of them."""

    name: str
    existing: int
    completed: int
    failed: int
    waiting: int
    locked: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The instances and entities of a hub.

    Parameters
    ----------
    counts
        How many there are, by the orchestrator's name and then by status.
    latest
        Those last heard of, the newest first.
    entities
        By name.
    """

    counts: dict[str, dict[str, int]]
    latest: tuple[Seen, ...]
    entities: tuple[EntityCounts, ...] = ()

    @property
    def total(self) -> int:
        """How many instances there are."""
        return sum(sum(by_status.values()) for by_status in self.counts.values())


def extent_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return the last place in a journal, and how many events it has: a purge changes that, too.

    Parameters
    ----------
    connection
        A reader's.
    """
    last, count = connection.execute(_EXTENT).fetchall()[0]
    return last, count


def fleet_of(connection: duckdb.DuckDBPyConnection, latest: int = 10) -> Fleet:
    """Return what a hub's journal says of all its instances and entities.

    Parameters
    ----------
    connection
        A reader's.
    latest
        How many instances to name.
    """
    counts: dict[str, dict[str, int]] = {}
    for name, status, count in connection.execute(_COUNTS).fetchall():
        counts.setdefault(name, {})[status] = count
    rows = _latest(connection, latest)
    seen = (
        Seen(instance_id, name, status, created.replace(tzinfo=UTC), updated.replace(tzinfo=UTC))
        for instance_id, name, status, created, updated in rows
    )
    entities = connection.execute(_ENTITIES).fetchall() if has_entities(connection) else []
    return Fleet(counts, tuple(seen), tuple(EntityCounts(*row) for row in entities))


def _latest(connection: duckdb.DuckDBPyConnection, count: int) -> list[tuple[Any, ...]]:
    """The rows of those instances that were last heard of; only these are folded, where that can be."""
    looked_at = _FEW
    while looked_at <= _MANY:
        updates = connection.execute(_UPDATES, [looked_at]).fetchall()
        is_all = len(updates) < looked_at
        ids = {one for one, moment in updates if is_all or moment > updates[-1][1]}
        if is_all or len(ids) >= count:
            sql = _LATEST.format(condition="list_contains(?, instance_id)")
            return connection.execute(sql, [list(ids), count]).fetchall()
        looked_at *= 8
    return connection.execute(_LATEST.format(condition="true"), [count]).fetchall()


def has_entities(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file may have entities: it has none if it was last written before there were any."""
    return bool(connection.execute(_HAS_ENTITIES).fetchall()[0][0])
