"""All instances of a hub in a few numbers: counts by orchestrator and status, and those last heard of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

_COUNTS = "select name, status, count(*) from instance_states group by all order by all"
_LATEST = """
select instance_id, name, status, created_time, last_updated_time from instance_states
order by last_updated_time desc, created_time desc, instance_id limit ?
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One instance among others."""

    instance_id: str
    name: str
    status: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class Fleet:
    """The instances of a hub.

    Parameters
    ----------
    counts
        How many there are, by the orchestrator's name and then by status.
    latest
        Those last heard of, the newest first.
    """

    counts: dict[str, dict[str, int]]
    latest: tuple[Seen, ...]

    @property
    def total(self) -> int:
        """How many instances there are."""
        return sum(sum(by_status.values()) for by_status in self.counts.values())


def fleet_of(connection: duckdb.DuckDBPyConnection, latest: int = 10) -> Fleet:
    """Return what a hub's journal says of all its instances.

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
    rows = connection.execute(_LATEST, [latest]).fetchall()
    seen = (
        Seen(instance_id, name, status, created.replace(tzinfo=UTC), updated.replace(tzinfo=UTC))
        for instance_id, name, status, created, updated in rows
    )
    return Fleet(counts, tuple(seen))
