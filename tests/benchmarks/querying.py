"""SQL over ten million events."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import durablenb as df

_QUESTIONS = {
    "status counts": "select status, count(*) from instances group by 1",
    "open instances": "select instance_id, name from instances where status in ('Running', 'Pending')",
    "p95 by activity": "select name, quantile_cont(epoch(run_time), 0.95) from activities group by 1",
    "episodes by orchestrator": "select name, max(episodes), max(events) from executions group by 1",
    "spans by kind": "select kind, status, count(*) from spans group by 1, 2",
    "critical path of one": "from critical_path('instance-777777')",
}

_FILL = """
insert into journal
with instances as (
    select range as i, (range * 8)::bigint as first, printf('%016x', range) as execution from range(1250000)
),
events as (
    select unnest(range(8)) as e, * from instances
)
select
    first + e + 1, 'instance-' || i, execution, e + 1,
    ['ExecutionStarted', 'OrchestratorStarted', 'TaskScheduled', 'TaskCompleted', 'OrchestratorStarted',
     'TaskScheduled', 'TaskCompleted', 'ExecutionCompleted'][e + 1],
    timestamp '2026-01-01' + to_milliseconds(first + e + (i % 40)),
    case e when 0 then 'orchestrator-' || (i % 9) when 2 then 'activity-' || (i % 17)
           when 5 then 'activity-' || (i % 13) end,
    case e when 2 then 0 when 3 then 0 when 5 then 1 when 6 then 1 end,
    case when e in (0, 2, 3, 5, 6, 7) then '{"value": ' || i || '}' end,
    case when e in (3, 6) then timestamp '2026-01-01' + to_milliseconds(first + e) end,
    null
from events
where i % 1000 > 0 or e < 7
order by first, e
"""


def ten_million_events(folder: Path) -> Iterator[dict[str, Any]]:
    """Queries of all instances, and of one, over 10,000,000 events."""
    with df.TaskHub(folder / "ten-million.duckdb") as hub:
        hub._store.cursor().execute(_FILL)
        count = hub.sql("select count(*) from journal").fetchall()[0][0]
        for question, sql in _QUESTIONS.items():
            taken = []
            for _ in range(5):
                begin = time.perf_counter()
                hub.sql(sql).fetchall()
                taken.append(time.perf_counter() - begin)
            yield {"n": count, "question": question, "seconds": statistics.median(taken)}
