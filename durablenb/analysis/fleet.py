"""A hub in a few numbers: instances and entities by name and status, its pace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from durablenb.analysis.instances import last_events, latest_page
from durablenb.journal.instance_counts import InstanceCounter
from durablenb.journal.related import has_entities
from durablenb.model.events import ALL_EVENTS, OperationEnqueued, TaskScheduled
from durablenb.store.row_codec import event_types

_SEEN = "instance_id, name, status, created_time, last_updated_time"
_ENTITIES = """
select name, count(*) filter (entity_exists), cast(sum(operations - failures) as bigint),
       cast(sum(failures) as bigint), cast(sum(queue_length) as bigint), count(locked_by)
from entities group by name order by name
"""


@dataclass(frozen=True, slots=True)
class InstanceSummary:
    """The name, the status and the times of an instance."""

    instance_id: str
    name: str
    status: str
    created: datetime
    updated: datetime


@dataclass(frozen=True, slots=True)
class EntityCounts:
    """The entities of one name: their number, and the numbers of their operations by status."""

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
        The number of instances by orchestrator and status.
    latest
        The instances that were updated last, the newest first.
    entities
        The counts of entities by name.
    """

    counts: dict[str, dict[str, int]]
    latest: tuple[InstanceSummary, ...]
    entities: tuple[EntityCounts, ...] = ()

    @property
    def total(self) -> int:
        """The number of instances."""
        return sum(sum(by_status.values()) for by_status in self.counts.values())


def read_fleet(
    connection: duckdb.DuckDBPyConnection, latest: int = 10, counter: InstanceCounter | None = None
) -> Fleet:
    """Return the numbers of a hub's instances and entities.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    latest
        The number of instances that are listed.
    counter
        The counter of the journal's instances, which keeps counts between calls.
    """
    counts = (counter or InstanceCounter()).counts(connection)

    def run_query(sql: str) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    rows = latest_page(run_query, _SEEN, count=latest) if latest else []
    events = last_events(run_query, [row[0] for row in rows])
    seen = (
        InstanceSummary(instance_id, name, status, created.replace(tzinfo=UTC), events[instance_id].at)
        for instance_id, name, status, created, _ in rows
    )
    entities = connection.execute(_ENTITIES).fetchall() if has_entities(connection) else []
    return Fleet(counts, tuple(seen), tuple(EntityCounts(*row) for row in entities))


PACE_SECONDS = 120
"""The number of seconds that are read."""

_ENDED = [kind for kind in ALL_EVENTS if kind.settles in (TaskScheduled, OperationEnqueued)]
_FAILED = [kind for kind in _ENDED if kind.settlement == "failed"]

_PACE = f"""
select cast(floor(epoch(timestamp)) as bigint) as second, count(*),
       count(*) filter (event_type in ({event_types(_FAILED)})), max(seq)
from journal
where seq > $seen and event_type in ({event_types(_ENDED)})
  and timestamp > cast($now as timestamp) - interval {PACE_SECONDS} second
group by second
"""


@dataclass(frozen=True, slots=True)
class HubPace:
    """The calls of activities and operations of entities that ended in each second, the latest second last.

    Parameters
    ----------
    until
        The last second.
    ended, failed
        The numbers of calls that ended, and that failed.
    """

    until: datetime
    ended: tuple[int, ...]
    failed: tuple[int, ...]


class PaceCounter:
    """Counts the calls that end in each second. Each look reads only new events."""

    def __init__(self) -> None:
        self._seen = 0
        self._ended: Counter[int] = Counter()
        self._failed: Counter[int] = Counter()

    def read(self, connection: duckdb.DuckDBPyConnection, now: datetime) -> HubPace:
        """Return the number of calls that ended in each of the last seconds.

        Parameters
        ----------
        connection
            A connection that reads the journal.
        now
            The hub's time, UTC.
        """
        parameters = {"seen": self._seen, "now": now.astimezone(UTC).replace(tzinfo=None)}
        for second, count, failures, seq in connection.execute(_PACE, parameters).fetchall():
            self._ended[second] += count
            self._failed[second] += failures
            self._seen = max(self._seen, seq)
        last = int(now.timestamp())
        seconds = range(last - PACE_SECONDS + 1, last + 1)
        for counts in (self._ended, self._failed):
            for second in [second for second in counts if second < seconds[0]]:
                del counts[second]
        return HubPace(
            now, *(tuple(counts[second] for second in seconds) for counts in (self._ended, self._failed))
        )
