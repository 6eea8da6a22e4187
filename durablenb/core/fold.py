"""An instance's state, folded from its events; the store's SQL views must return the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from durablenb.model.events import (
    CustomStatusSet,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionTerminated,
    OrchestratorStarted,
    StatusChange,
)
from durablenb.model.status import InstanceState
from durablenb.model.status import OrchestrationRuntimeStatus as Status


def fold_history(instance_id: str, history: Iterable[tuple[str, Event]]) -> InstanceState | None:
    """Return an instance's state after these events of all its executions, oldest first.

    Parameters
    ----------
    instance_id
        The instance's id.
    history
        Pairs of execution id and event.
    """
    state: InstanceState | None = None
    is_started = False
    for execution_id, event in history:
        if isinstance(event, ExecutionStarted):
            state = _started(instance_id, execution_id, event, state)
            is_started = False
        if state is None:
            continue
        if isinstance(event, OrchestratorStarted):
            is_started = True
        state = _after(state, event, is_started)
    return state


def _started(
    instance_id: str, execution_id: str, event: ExecutionStarted, before: InstanceState | None
) -> InstanceState:
    created: datetime = event.timestamp
    updated = event.timestamp
    if before is not None:
        updated = max(updated, before.last_updated_time)
        if event.generation:
            created = before.created_time
    return InstanceState(
        instance_id=instance_id,
        execution_id=execution_id,
        name=event.name,
        status=Status.Pending,
        created_time=created,
        last_updated_time=updated,
        input=event.input,
        version=event.version,
        parent_instance_id=event.parent.instance_id if event.parent else None,
        tags=event.tags,
        scheduled_start_time=event.scheduled_start_time,
        generation=event.generation,
        forked_from=event.forked_from[0].instance_id if event.forked_from else None,
        forked_at=event.forked_from[0].event_id if event.forked_from else None,
        priority=event.priority,
    )


def _after(state: InstanceState, event: Event, is_started: bool) -> InstanceState:
    updated, status = state.last_updated_time, state.status
    if isinstance(event, StatusChange):
        updated = max(updated, event.timestamp)
        status = event.status_after or status
    output, custom = state.output, state.custom_status
    if isinstance(event, CustomStatusSet):
        custom = event.status
    elif isinstance(event, ExecutionResumed) and not is_started:
        status = Status.Pending
    elif isinstance(event, ExecutionCompleted):
        output = event.result
    elif isinstance(event, ExecutionFailed):
        output = event.failure.as_text()
    elif isinstance(event, (ExecutionCanceled, ExecutionTerminated)):
        output = event.reason
    return replace(state, status=status, output=output, custom_status=custom, last_updated_time=updated)
