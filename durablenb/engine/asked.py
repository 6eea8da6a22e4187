"""What an entity was asked for by an orchestration that has failed since, and what came of it."""

from __future__ import annotations

from durablenb.core.ports.store import Store
from durablenb.engine.instance import Instance
from durablenb.model.events import (
    EntityOperationCalled,
    Event,
    OperationCompleted,
    OperationEnqueued,
    OperationFailed,
    ParentInstance,
)


def last_of_operation(store: Store, caller: Instance, event: Event) -> Event | None:
    """Where the operation stands that this event asked for; None if it has to be asked for once more.

    An orchestration may fail while an entity has still to do what it was asked for, and the entity does it.
    """
    if not isinstance(event, EntityOperationCalled):
        return None
    asked = [
        record.seq
        for record in store.records(caller.id)
        if record.execution_id == caller.execution_id
        and isinstance(record.event, EntityOperationCalled)
        and record.event.task_id == event.task_id
    ]
    link = ParentInstance(caller.id, caller.execution_id, event.task_id, caller.name)
    last: Event | None = None
    part = ""
    for record in store.records(event.entity_id, after=min(asked, default=1) - 1):
        found = record.event
        if isinstance(found, OperationEnqueued) and found.caller == link and not found.is_signal:
            last, part, number = found, record.execution_id, found.event_id
        elif (
            isinstance(found, (OperationCompleted, OperationFailed))
            and record.execution_id == part
            and found.task_id == number
        ):
            last = found
    return None if isinstance(last, OperationFailed) else last
