"""Rewind: keeps the history of a failed execution without its failures, so that failed tasks run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from durablenb.core.execution import Execution
from durablenb.core.requests import is_same_request
from durablenb.model.events import (
    CustomStatusSet,
    Event,
    EventRaised,
    ExecutionCancelRequested,
    ExecutionStarted,
    OrchestratorStarted,
    Request,
)


def rewound(execution: Execution, history: Sequence[Event], first_id: int) -> list[Event]:
    """Return the history to resume with, numbered from `first_id`; `execution`, a new one, is run to its end.

    The orchestrator runs over the events that had arrived, without the failures. Requests that it repeats
    keep their time, and thereby their result; requests that it only made because of a failure (another
    attempt, a compensation) aren't repeated, and are dropped.

    Notes
    -----
    In the Durable Task Framework a rewind also drops the failed tasks from the history.
    """
    recorded: dict[tuple[type[Event], int | None], Event] = {
        (type(event), getattr(event, "task_id", None)): event
        for event in history
        if isinstance(event, Request)
    }
    begun = (event.event_id for event in history if type(event) is OrchestratorStarted)
    first_episode = next(begun, history[-1].event_id)
    kept: list[Event] = []
    same_tasks: set[int] = set()

    def keep(event: Event) -> Event:
        event = replace(event, event_id=first_id + len(kept))
        kept.append(event)
        return event

    for event in history:
        if type(event) is OrchestratorStarted:
            if execution.is_ready:
                for fact in execution.resume(event.timestamp, first_id + len(kept)):
                    keep(fact)
                    was = recorded.get((type(fact), getattr(fact, "task_id", None)))
                    if was is not None and _is_same(was, fact):
                        same_tasks.add(getattr(fact, "task_id", -1))
        elif (
            isinstance(event, (ExecutionStarted, EventRaised, ExecutionCancelRequested))
            or (isinstance(event, CustomStatusSet) and event.event_id < first_episode)
            or (event.settlement == "completed" and getattr(event, "task_id", -1) in same_tasks)
        ):
            execution.deliver(keep(event))
    return kept


def _is_same(recorded: Event, requested: Event) -> bool:
    moved = replace(requested, event_id=recorded.event_id, timestamp=recorded.timestamp)
    return is_same_request(recorded, moved)
