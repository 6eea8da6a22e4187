"""Finds the data frame that an instance or a call returned, and returns it as a table of Arrow's."""

from __future__ import annotations

from typing import Any

from durablenb.journal.port import Journal
from durablenb.model.events import Returned
from durablenb.model.ids import task_number
from durablenb.model.status import OrchestrationRuntimeStatus
from durablenb.values.stored_tables import stored_table


def read_table(journal: Journal, instance_id: str, task: int | str | None) -> Any:
    """Return a data frame as a table of Arrow's; see `Hub.table`."""
    own, mark, number = instance_id.partition("#")  # which no id has in it
    if mark and task is None:
        instance_id, task = own, number
    what, text = _result(journal, instance_id, None if task is None else task_number(task))
    return stored_table(journal.codec, text, what)


def _result(journal: Journal, instance_id: str, task: int | None) -> tuple[str, str]:
    """Return the result of an instance or of one of its tasks: in words, and as text."""
    journal.refresh(instance_id)
    state = journal.existing(instance_id)
    if task is None:
        if state.status is not OrchestrationRuntimeStatus.Completed or state.output is None:
            raise ValueError(
                f"{instance_id} is {state.status.name}, and has no result. For the result of one of its "
                f"calls, name the task: '{instance_id}#0'."
            )
        return f"The result of {instance_id}", state.output
    events = journal.load([instance_id]).get(instance_id, [])
    results = [event.result for event in events if isinstance(event, Returned) and event.task_id == task]
    if not results:
        raise ValueError(f"No call #{task} of {instance_id} has returned anything.")
    return f"The result of #{task} of {instance_id}", results[-1]
