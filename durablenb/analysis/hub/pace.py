"""How fast a hub works at present: the calls that ended lately, second by second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

SECONDS = 120
"""How far back it looks."""

_PACE = f"""
select cast(epoch(now.at) - floor(epoch(timestamp)) as integer) as age, count(*),
       count(*) filter (event_type in ('TaskFailed', 'OperationFailed'))
from journal, (select date_trunc('second', max(timestamp)) as at from journal) now
where event_type in ('TaskCompleted', 'TaskFailed', 'OperationCompleted', 'OperationFailed')
  and timestamp >= now.at - interval {SECONDS - 1} second
group by age
"""
_LAST = "select max(timestamp) from journal"


@dataclass(frozen=True, slots=True)
class Pace:
    """Calls of activities and operations of entities that ended, in each second, the last one last.

    Parameters
    ----------
    until
        The last second: that of the last event of all; None if there is none.
    ended, failed
        How many ended, and how many of these failed.
    """

    until: datetime | None
    ended: tuple[int, ...]
    failed: tuple[int, ...]


def pace_of(connection: duckdb.DuckDBPyConnection) -> Pace:
    """Return how many calls ended in each of the last seconds.

    Parameters
    ----------
    connection
        A reader's.
    """
    last = connection.execute(_LAST).fetchall()[0][0]
    ended, failed = [0] * SECONDS, [0] * SECONDS
    for age, count, failures in connection.execute(_PACE).fetchall() if last else ():
        if 0 <= age < SECONDS:
            ended[SECONDS - 1 - age], failed[SECONDS - 1 - age] = count, failures
    return Pace(None if last is None else last.replace(tzinfo=UTC), tuple(ended), tuple(failed))
