"""The instances that were last heard of, a page at a time: only those that may be on it are folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from durablenb.queries.text import quoted

LATEST_FIRST = "last_updated_time desc, created_time desc, instance_id"
"""Those last heard of first; of several, those first that were started last."""

FEW = 256
MANY = 16_384
"""The newest events that are looked at for the instances of a page."""

_MOMENT = (
    "select min(timestamp), count(*) from (select timestamp from journal order by timestamp desc limit {})"
)
_HEARD_OF = """
select distinct instance_id from journal
where timestamp >= timestamp '{}' and event_type in (
    'ExecutionStarted', 'OrchestratorStarted', 'ExecutionCompleted', 'ExecutionFailed', 'ExecutionTerminated',
    'CustomStatusSet', 'ExecutionRewound', 'ExecutionResumed', 'ExecutionSuspended'
)
"""
"""What the view takes for the last update of an instance."""

Ask = Callable[[str], Iterable[tuple[Any, ...]]]
"""Gives the rows of a query."""


def latest_of(
    ask: Ask, columns: str, condition: str = "true", *, count: int, offset: int = 0
) -> list[tuple[Any, ...]]:
    """Return a page of the instances that meet a condition, those last heard of first.

    Parameters
    ----------
    ask
        Answers a query over a journal.
    columns
        Of the view `instances`.
    condition
        On its columns.
    count, offset
        How many at the most, after how many that are left out.
    """
    end = offset + count
    looked_at = max(FEW, 2 * end)
    while looked_at <= MANY:
        [(moment, events)] = ask(_MOMENT.format(looked_at))
        is_all = events < looked_at
        ids = [one for (one,) in ask(_HEARD_OF.format(moment))] if events else []
        since = "true" if is_all else f"last_updated_time >= timestamp '{moment}'"
        rows = list(ask(_page(columns, ids, f"{since} and ({condition})", end)))
        if is_all or len(rows) >= end:
            return rows[offset:]
        looked_at *= 8
    found = ask(
        f"select instance_id from instances where {condition} order by {LATEST_FIRST} "
        f"limit {count} offset {offset}"
    )
    return list(ask(_page(columns, [one for (one,) in found], condition, count)))


def _page(columns: str, instance_ids: Iterable[str], condition: str, count: int) -> str:
    ids = ", ".join(map(quoted, instance_ids))
    return (
        f"select {columns} from instances where list_contains([{ids}]::varchar[], instance_id) "
        f"and {condition} order by {LATEST_FIRST} limit {count}"
    )
