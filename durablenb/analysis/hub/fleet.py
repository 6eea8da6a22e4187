"""A hub in a few numbers: instances by orchestrator and status, entities by name, and what is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from durablenb.analysis.hub.latest import latest_of
from durablenb.journal.tally import Tally

_SEEN = "instance_id, name, status, created_time, last_updated_time"
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


def fleet_of(connection: duckdb.DuckDBPyConnection, latest: int = 10, tally: Tally | None = None) -> Fleet:
    """Return what a hub's journal says of all its instances and entities.

    Parameters
    ----------
    connection
        A reader's.
    latest
        How many instances to name.
    tally
        What has counted the journal's instances before.
    """
    counts = (tally or Tally()).counts(connection)
    rows = latest_of(lambda sql: connection.execute(sql).fetchall(), _SEEN, count=latest)
    seen = (
        Seen(instance_id, name, status, created.replace(tzinfo=UTC), updated.replace(tzinfo=UTC))
        for instance_id, name, status, created, updated in rows
    )
    entities = connection.execute(_ENTITIES).fetchall() if has_entities(connection) else []
    return Fleet(counts, tuple(seen), tuple(EntityCounts(*row) for row in entities))


def has_entities(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a file may have entities: it has none if it was last written before there were any."""
    return bool(connection.execute(_HAS_ENTITIES).fetchall()[0][0])
