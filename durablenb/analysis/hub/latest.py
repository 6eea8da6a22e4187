"""The instances that were last heard of, a page at a time: only those that may be on it are folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from durablenb.analysis.text import quoted
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.store.statements import EVENT_OF

LATEST_FIRST = "last_updated_time desc, created_time desc, instance_id"
"""Those last heard of first; of several, those first that were started last."""

FEW = 256
MANY = 16_384
"""The newest events that are looked at for the instances of a page."""

_UPDATES = """event_type in (
    'ExecutionStarted', 'OrchestratorStarted', 'ExecutionCompleted', 'ExecutionFailed', 'ExecutionTerminated',
    'CustomStatusSet', 'ExecutionRewound', 'ExecutionResumed', 'ExecutionSuspended'
)"""
"""What the view takes for an update of an instance."""

_MOMENT = """
select min(timestamp), count(*)
from (select timestamp from journal where {} order by timestamp desc limit {})
"""
_HEARD_OF = f"select distinct instance_id from journal where timestamp >= timestamp '{{}}' and {_UPDATES}"
_EVER = "select distinct instance_id from journal where event_type = {} limit {}"
_MENTION = """
select distinct instance_id from journal
where event_type = 'ExecutionStarted' and (contains(lower(instance_id), {0}) or contains(lower(name), {0}))
    or event_type = 'CustomStatusSet' and contains(lower(payload), {0})
limit {1}
"""

Ask = Callable[[str], Iterable[tuple[Any, ...]]]
"""Gives the rows of a query."""


def latest_of(
    ask: Ask,
    columns: str,
    status: str = "",
    condition: str = "true",
    *,
    among: list[str] | None = None,
    count: int,
    offset: int = 0,
) -> list[tuple[Any, ...]]:
    """Return a page of the instances that meet all conditions, those last heard of first.

    Parameters
    ----------
    ask
        Answers a query over a journal.
    columns
        Of the view `instances`.
    status
        That they have; empty for any.
    condition
        On columns of the view.
    among
        Instances of which those are a part that meet the conditions, if that is known.
    count, offset
        How many at the most, after how many that are left out.
    """
    if status:
        condition = f"status = {quoted(status)} and ({condition})"
    end = offset + count
    if among is not None:
        return _page(ask, columns, among, condition, end)[offset:]
    looks = [("true", most) for most in (FEW, 8 * FEW, MANY) if 2 * end <= most]
    if looks:
        looks.append((_UPDATES, MANY))  # if the newest events are all of activities, or entities
    for kinds, most in looks:
        [(moment, events)] = ask(_MOMENT.format(kinds, most))
        is_all = events < most
        ids = _ids(ask, _HEARD_OF.format(moment)) if events else []
        since = "true" if is_all else f"last_updated_time >= timestamp '{moment}'"
        rows = _page(ask, columns, ids, f"{since} and ({condition})", end)
        if is_all or len(rows) >= end:
            return rows[offset:]
    if status in EVENT_OF:
        ids = _ids(ask, _EVER.format(quoted(EVENT_OF[OrchestrationRuntimeStatus(status)]), MANY + 1))
        if len(ids) <= MANY:
            return _page(ask, columns, ids, condition, end)[offset:]
    of_all = f"select instance_id from instances where {condition} order by {LATEST_FIRST}"
    ids = _ids(ask, f"{of_all} limit {count} offset {offset}")
    return _page(ask, columns, ids, condition, count)


def mentioning(ask: Ask, word: str) -> list[str] | None:
    """Return the instances that ever had a word in their id, their name or their custom status.

    None if they are too many to tell: then a page of them is soon found.

    Parameters
    ----------
    ask
        Answers a query over a journal.
    word
        In lower case.
    """
    found = _ids(ask, _MENTION.format(quoted(word), MANY + 1))
    return found if len(found) <= MANY else None


def _ids(ask: Ask, sql: str) -> list[str]:
    return [instance_id for (instance_id,) in ask(sql)]


def _page(
    ask: Ask, columns: str, instance_ids: list[str], condition: str, count: int
) -> list[tuple[Any, ...]]:
    """The first ones of these instances that meet the condition."""
    sql = f"select {columns} from instances where {one_of(instance_ids)} and {condition}"
    return list(ask(f"{sql} order by {LATEST_FIRST} limit {count}"))


def one_of(instance_ids: Iterable[str]) -> str:
    """Return the condition that it is one of these instances."""
    return f"list_contains([{', '.join(map(quoted, instance_ids))}]::varchar[], instance_id)"
