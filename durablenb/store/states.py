"""Where instances stand, as rows of the journal say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any

from durablenb.model.status import InstanceState, OrchestrationRuntimeStatus
from durablenb.ports.store import InstanceQuery
from durablenb.store import statements
from durablenb.store.wire import read_attributes

Ask = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Answers a statement with its parameters."""


def states_of(ask: Ask, query: InstanceQuery) -> list[InstanceState]:
    """The states of the instances that the query is about."""
    sql, parameters = statements.states_of(query)
    rows = ask(sql, parameters)
    wanted = [seq for row in rows for seq in row[-3:] if seq is not None]
    payloads: dict[int, str] = dict(ask(statements.PAYLOADS, [wanted])) if wanted else {}
    return [_state(row, payloads) for row in rows]


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
        output=json.loads(output or "null") if status == "Terminated" else output,
        custom_status=custom,
        version=attributes.get("version"),
        parent_instance_id=None if parent is None else parent.instance_id,
        tags=attributes.get("tags", {}),
        scheduled_start_time=attributes.get("scheduled_start_time"),
        generation=attributes.get("generation", 0),
        forked_from=forked_from[0].instance_id if forked_from else None,
        forked_at=forked_from[0].event_id if forked_from else None,
    )
