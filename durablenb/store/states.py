"""The states of instances, computed from rows of the journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

from durablenb.core.ports.store import InstanceQuery
from durablenb.model import events
from durablenb.model.status import InstanceState, OrchestrationRuntimeStatus
from durablenb.store import statements
from durablenb.store.row_codec import read_attributes

_ID, _CREATED = 0, 4
"""Positions of columns of a state."""

_STATUSES = {
    events.ExecutionStarted: "Pending",
    events.OrchestratorStarted: "Running",
    events.ExecutionCompleted: "Completed",
    events.ExecutionFailed: "Failed",
    events.ExecutionCanceled: "Canceled",
    events.ExecutionTerminated: "Terminated",
}
"""The status of an instance after the last of these events, unless it is suspended."""

_STATUS_CHANGES = {kind.__name__ for kind in events.ALL_EVENTS if issubclass(kind, events.StatusChange)}

Ask = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a statement with its parameters, and returns the rows."""

FEW = 64
MANY = 4_096
"""How many starts are read for a page, first and at most."""


def read_states(ask: Ask, query: InstanceQuery) -> list[InstanceState]:
    """Return the states of the instances that match a query."""
    is_all = query.limit is None or query.instance_ids is not None
    rows = ask(*statements.select_states(query)) if is_all else _page(ask, query, query.limit or 0)
    wanted = [seq for row in rows for seq in row[-3:] if seq is not None]
    payloads: dict[int, str] = dict(ask(statements.PAYLOADS, [wanted])) if wanted else {}
    return [_state(row, payloads) for row in rows]


def instance_state(ask: Ask, instance_id: str) -> InstanceState | None:
    """Return the state of one instance, without the views; None if there is no such instance.

    The result is that of `read_states`. DuckDB spends most of the time on planning that query, so this one
    reads the last event of each type, and computes the state from these.
    """
    last = {event_type: (seq, at) for event_type, seq, at in ask(statements.LAST_OF_EACH_TYPE, [instance_id])}

    def last_seq(kind: type[events.Event]) -> int:
        return last[kind.__name__][0] if kind.__name__ in last else 0

    started, custom = last_seq(events.ExecutionStarted), last_seq(events.CustomStatusSet)
    if not started:
        return None
    latest, status = max((last_seq(kind), status) for kind, status in _STATUSES.items())
    ended = latest if status not in ("Pending", "Running") else None
    if last_seq(events.ExecutionSuspended) > max(latest, last_seq(events.ExecutionResumed)):
        status = "Suspended"
    seqs = (started, ended, custom if custom > started else None)
    wanted = [seq for seq in seqs if seq is not None]
    rows = {seq: row for seq, *row in ask(statements.EVENTS_AT, [min(wanted), max(wanted), wanted])}
    if started not in rows:
        return None  # purged in the meantime
    execution_id, created, name, _, extra = rows[started]
    if read_attributes(extra).get("generation"):
        created = ask(statements.CREATED, [instance_id])[0][0]
    updated = max(at for event_type, (_, at) in last.items() if event_type in _STATUS_CHANGES)
    payloads = {seq: payload for seq, (*_, payload, _) in rows.items()}
    return _state((instance_id, execution_id, name, status, created, updated, extra, *seqs), payloads)


def _page(ask: Ask, query: InstanceQuery, limit: int) -> list[tuple[Any, ...]]:
    """Return the rows of a page; only the states of instances that may be on it are computed.

    The oldest starts tell which ones may be. Some may not meet all conditions, or have been started again
    later: then more starts are read. For a page far behind the beginning, the ids are read first, which needs
    no payloads.
    """
    end = query.offset + limit
    count = first = max(FEW, end + end // 4)
    while count <= MANY:
        starts = ask(*statements.first_starts(query, count, narrows=count > first))
        rows = _matching_rows(ask, query, {instance_id for instance_id, _ in starts})
        if len(starts) == count:  # others may follow the last one
            last_id, last_time = starts[-1]
            rows = [row for row in rows if (row[_CREATED], row[_ID]) <= (last_time, last_id)]
        if len(starts) < count or len(rows) >= end:
            return rows[query.offset : end]
        count *= 8
    return _matching_rows(ask, query, {instance_id for (instance_id,) in ask(*statements.select_ids(query))})


def _matching_rows(ask: Ask, query: InstanceQuery, instance_ids: set[str]) -> list[tuple[Any, ...]]:
    """Return the rows of those of these instances that meet all conditions."""
    if not instance_ids:
        return []
    narrowed = replace(query, instance_ids=tuple(instance_ids), limit=None, offset=0)
    return ask(*statements.select_states(narrowed))


def _state(row: tuple[Any, ...], payloads: dict[int, str]) -> InstanceState:
    instance_id, execution_id, name, status, created, updated, extra, *seqs = row
    input_, output, custom = (payloads.get(seq) for seq in seqs)
    attributes = read_attributes(extra)
    parent, forked_from = attributes.get("parent"), attributes.get("forked_from")
    return InstanceState(
        instance_id=instance_id,
        execution_id=execution_id,
        name=name,
        status=OrchestrationRuntimeStatus(status),
        created_time=created.replace(tzinfo=UTC),
        last_updated_time=updated.replace(tzinfo=UTC),
        input=input_,
        output=json.loads(output or "null") if status in ("Canceled", "Terminated") else output,
        custom_status=custom,
        version=attributes.get("version"),
        parent_instance_id=None if parent is None else parent.instance_id,
        tags=attributes.get("tags", {}),
        scheduled_start_time=attributes.get("scheduled_start_time"),
        generation=attributes.get("generation", 0),
        forked_from=forked_from[0].instance_id if forked_from else None,
        forked_at=forked_from[0].event_id if forked_from else None,
        priority=attributes.get("priority", 0),
    )
