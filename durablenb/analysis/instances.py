"""Lists of instances: as a sequence, the latest ones page by page, and the forks of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from durablenb.analysis.figures import InstanceFigures
from durablenb.analysis.text import plural, quoted
from durablenb.model.display import SavedSequence
from durablenb.model.events import ALL_EVENTS, StatusChange
from durablenb.model.status import DurableOrchestrationStatus, OrchestrationRuntimeStatus
from durablenb.store.row_codec import event_types
from durablenb.store.statements import EVENT_OF

if TYPE_CHECKING:
    pass


class InstanceList(SavedSequence[DurableOrchestrationStatus]):
    """The statuses of several instances. It equals a list of the same statuses.

    Parameters
    ----------
    statuses
        The statuses, in order.
    handle_of
        Gives the handle of an instance by its id, if the hub is known.
    """

    def __init__(
        self,
        statuses: Sequence[DurableOrchestrationStatus],
        handle_of: Callable[[str], InstanceFigures] | None = None,
    ) -> None:
        super().__init__(statuses)
        self._handle_of = handle_of

    def handles(self) -> list[InstanceFigures] | None:
        """Return the handles of all instances; None if their hub isn't known."""
        if self._handle_of is None:
            return None
        return [self._handle_of(str(status.instance_id)) for status in self]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (InstanceList, list)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def counts(self) -> dict[str, int]:
        """Return the number of instances with each status."""
        return dict(Counter(str(status.runtime_status) for status in self))

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {status}" for status, count in self.counts().items())
        return f"<{plural(len(self), 'instance')}{': ' if counts else ''}{counts}>"


LATEST_FIRST = "last_updated_time desc, created_time desc, instance_id"
"""The order of lists: the instances that were updated last come first, then those that were created last."""

FEW_EVENTS = 256
MANY_EVENTS = 16_384
"""The numbers of newest events that are searched for the instances of a page."""

_UPDATES = f"event_type in ({event_types(kind for kind in ALL_EVENTS if issubclass(kind, StatusChange))})"
"""The events that the view `instances` counts as updates."""

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

RunQuery = Callable[[str], Iterable[tuple[Any, ...]]]
"""Runs a query and returns its rows."""


def latest_page(
    run_query: RunQuery,
    columns: str,
    status: str = "",
    condition: str = "true",
    *,
    among: list[str] | None = None,
    count: int,
    offset: int = 0,
) -> list[tuple[Any, ...]]:
    """Return a page of the instances that meet all conditions, those updated last first.

    Parameters
    ----------
    run_query
        Runs a query over a journal.
    columns
        Columns of the view `instances`.
    status
        The status of the instances; empty for any.
    condition
        A condition on columns of the view.
    among
        The ids of all instances that may meet the conditions, if they are known.
    count, offset
        The size of the page, and the number of instances before it.
    """
    if status:
        condition = f"status = {quoted(status)} and ({condition})"
    end = offset + count
    if among is not None:
        return _page(run_query, columns, among, condition, end)[offset:]
    looks = [("true", most) for most in (FEW_EVENTS, 8 * FEW_EVENTS, MANY_EVENTS) if 2 * end <= most]
    if looks:
        looks.append((_UPDATES, MANY_EVENTS))  # the newest events may all be of activities or entities
    for kinds, most in looks:
        [(moment, events)] = run_query(_MOMENT.format(kinds, most))
        is_all = events < most
        ids = _ids(run_query, _HEARD_OF.format(moment)) if events else []
        since = "true" if is_all else f"last_updated_time >= timestamp '{moment}'"
        rows = _page(run_query, columns, ids, f"{since} and ({condition})", end)
        if is_all or len(rows) >= end:
            return rows[offset:]
    if status in EVENT_OF:
        ids = _ids(
            run_query, _EVER.format(quoted(EVENT_OF[OrchestrationRuntimeStatus(status)]), MANY_EVENTS + 1)
        )
        if len(ids) <= MANY_EVENTS:
            return _page(run_query, columns, ids, condition, end)[offset:]
    of_all = f"select instance_id from instances where {condition} order by {LATEST_FIRST}"
    ids = _ids(run_query, f"{of_all} limit {count} offset {offset}")
    return _page(run_query, columns, ids, condition, count)


class LastEvent(NamedTuple):
    """The last event of an instance: its place in the journal, and its time."""

    seq: int
    at: datetime


_LAST_EVENTS = """
select instance_id, max(seq), max(timestamp) from journal where {} group by instance_id
"""


def last_events(run_query: RunQuery, instance_ids: Iterable[str]) -> dict[str, LastEvent]:
    """Return the last event of each of these instances, of any kind: also the end of a call.

    Parameters
    ----------
    run_query
        Runs a query over a journal.
    instance_ids
        The instances.
    """
    ids = list(instance_ids)
    rows = run_query(_LAST_EVENTS.format(id_condition(ids))) if ids else []
    return {instance_id: LastEvent(seq, at.replace(tzinfo=UTC)) for instance_id, seq, at in rows}


def ids_mentioning(run_query: RunQuery, word: str) -> list[str] | None:
    """Return the ids of the instances that ever had a word in their id, name or custom status.

    None if there are too many of them: then a page of them is found soon anyway.

    Parameters
    ----------
    run_query
        Runs a query over a journal.
    word
        The word in lower case.
    """
    ids = _ids(run_query, _MENTION.format(quoted(word), MANY_EVENTS + 1))
    return ids if len(ids) <= MANY_EVENTS else None


def _ids(run_query: RunQuery, sql: str) -> list[str]:
    return [instance_id for (instance_id,) in run_query(sql)]


def _page(
    run_query: RunQuery, columns: str, instance_ids: list[str], condition: str, count: int
) -> list[tuple[Any, ...]]:
    """Return the first of these instances that meet the condition."""
    sql = f"select {columns} from instances where {id_condition(instance_ids)} and {condition}"
    return list(run_query(f"{sql} order by {LATEST_FIRST} limit {count}"))


def id_condition(instance_ids: Iterable[str]) -> str:
    """Return an SQL condition: the instance is one of these."""
    return f"list_contains([{', '.join(map(quoted, instance_ids))}]::varchar[], instance_id)"
