"""How many calls of a hub ended, and when, by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from durablenb.analysis.hub.fleet import has_entities

_BUCKETS = 120
"""Stretches of time that are told apart, at the most."""

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
"""Seconds that a stretch may have; longer ones are days."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Calls that ended, counted in stretches of time of one length.

    Parameters
    ----------
    begin
        Where the first stretch begins; None if no call ended.
    width
        How long each is.
    completed, failed
        By name, the number in each stretch; the names with most calls first.
    """

    begin: datetime | None
    width: timedelta
    completed: dict[str, tuple[int, ...]]
    failed: dict[str, tuple[int, ...]]


def throughput_of(connection: duckdb.DuckDBPyConnection) -> Throughput:
    """Return when the calls of activities, and the operations of entities, of all instances ended.

    Parameters
    ----------
    connection
        A reader's.
    """
    source = _ACTIVITIES + (_OPERATIONS if has_entities(connection) else "")
    ended = f"with ended as materialized ({source}) "
    first, last = connection.execute(ended + _RANGE).fetchall()[0]
    if first is None:
        return Throughput(None, timedelta(seconds=1), {}, {})
    width = _width_of((last - first).total_seconds())
    begin = datetime.fromtimestamp(first.replace(tzinfo=UTC).timestamp() // width * width, UTC)
    found = connection.execute(ended + _COUNTS, {"begin": begin.replace(tzinfo=None), "width": width})
    counts: dict[str, dict[int, tuple[int, int]]] = {}
    for name, bucket, count, failures in found.fetchall():
        counts.setdefault(name, {})[bucket] = (count - failures, failures)
    names = sorted(counts, key=lambda name: (-sum(map(sum, counts[name].values())), name))
    length = max(max(by_bucket) for by_bucket in counts.values()) + 1
    completed, failed = (
        {name: tuple(counts[name].get(at, (0, 0))[place] for at in range(length)) for name in names}
        for place in (0, 1)
    )
    return Throughput(begin, timedelta(seconds=width), completed, failed)


def _width_of(seconds: float) -> float:
    found = next((width for width in _WIDTHS if seconds / width <= _BUCKETS), None)
    return found if found is not None else 86_400.0 * -(-seconds // (86_400 * _BUCKETS))
