"""The throughput of a hub: ended calls over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from durablenb.journal.related import has_entities

_BUCKETS = 120
"""The largest number of buckets."""

_ACTIVITIES = """
select s.name as name, e.timestamp as ended, e.event_type = 'TaskFailed' as is_failed
from (select * from journal where event_type in ('TaskCompleted', 'TaskFailed')) e
join (select * from standing where event_type = 'TaskScheduled') s
    on s.execution_id = e.execution_id and s.task_id = e.task_id and s.seq < e.seq
"""
_OPERATIONS = """
union all
select '@' || name || '.' || operation, ended, status = 'Failed'
from entity_operations where ended is not null
"""
_RANGE = "select min(ended), max(ended) from ended"
_COUNTS = """
select name, cast(floor(epoch(ended - $begin) / $width) as integer) as bucket,
       count(*), count(*) filter (is_failed)
from ended group by name, bucket
"""

_WIDTHS = (
    *(number * 10**power for power in range(-3, 0) for number in (1, 2, 5)),
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400),
)
"""The widths of buckets in seconds. Longer buckets are multiples of a day."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Numbers of ended calls in time buckets of equal width.

    Parameters
    ----------
    begin
        The start of the first bucket; None if no call ended.
    width
        The width of each bucket.
    completed, failed
        The number in each bucket by name; the names with most calls first.
    """

    begin: datetime | None
    width: timedelta
    completed: dict[str, tuple[int, ...]]
    failed: dict[str, tuple[int, ...]]


def read_throughput(connection: duckdb.DuckDBPyConnection) -> Throughput:
    """Return the numbers of calls of activities and operations of entities that ended over time.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    """
    source = _ACTIVITIES + (_OPERATIONS if has_entities(connection) else "")
    ended = f"with ended as materialized ({source}) "
    first, last = connection.execute(ended + _RANGE).fetchall()[0]
    if first is None:
        return Throughput(None, timedelta(seconds=1), {}, {})
    width = _bucket_width((last - first).total_seconds())
    begin = datetime.fromtimestamp(first.replace(tzinfo=UTC).timestamp() // width * width, UTC)
    rows = connection.execute(ended + _COUNTS, {"begin": begin.replace(tzinfo=None), "width": width})
    counts: dict[str, dict[int, tuple[int, int]]] = {}
    for name, bucket, count, failures in rows.fetchall():
        counts.setdefault(name, {})[bucket] = (count - failures, failures)
    names = sorted(counts, key=lambda name: (-sum(map(sum, counts[name].values())), name))
    length = max(max(by_bucket) for by_bucket in counts.values()) + 1
    completed, failed = (
        {name: tuple(counts[name].get(at, (0, 0))[position] for at in range(length)) for name in names}
        for position in (0, 1)
    )
    return Throughput(begin, timedelta(seconds=width), completed, failed)


def _bucket_width(seconds: float) -> float:
    known = next((width for width in _WIDTHS if seconds / width <= _BUCKETS), None)
    return known if known is not None else 86_400.0 * -(-seconds // (86_400 * _BUCKETS))
