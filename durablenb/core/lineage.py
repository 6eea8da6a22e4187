"""Identities of forks: in its shared past, a fork's code runs with the ids of its origins.

What the code asked for there has their ids in it, in inputs, in UUIDs, in the names of children; a replay has
to ask for the same. Where the shared part ends is a number of tasks: it stays the same when a rewind writes
the history anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.model.events import Event, ExecutionStarted, Origin, Request


def origin_at(started: ExecutionStarted | None, tasks: int) -> Origin | None:
    """Return the origin whose ids the code has after so many tasks, or None if it has its own."""
    shared = () if started is None else started.forked_from
    return next((origin for origin in reversed(shared) if tasks < origin.tasks), None)


def child_id(execution_id: str, started: ExecutionStarted | None, task_id: int) -> str:
    """Return the id of a child without a given one: its origin's, if shared and not requested again."""
    origins = [] if started is None else list(reversed(started.forked_from))
    owners = [*(origin.execution_id for origin in origins), execution_id]
    index = next((index for index, origin in enumerate(origins) if task_id < origin.tasks), len(origins))
    for later in range(index, len(origins)):
        if task_id in origins[later].again:
            index = later + 1
    return f"{owners[index]}:{task_id}"


def tasks_in(events: Sequence[Event]) -> int:
    """Return the number of tasks that an execution has requested."""
    task_ids = (getattr(event, "task_id", None) for event in events if isinstance(event, Request))
    return max((task_id + 1 for task_id in task_ids if task_id is not None), default=0)
