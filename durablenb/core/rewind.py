"""Rewind: what is kept of a failed execution so that only its failed tasks are done again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from durablenb.core.execution import Execution
from durablenb.model.events import (
    CustomStatusSet,
    Event,
    EventRaised,
    ExecutionStarted,
    OrchestratorStarted,
    Request,
)


def rewound(execution: Execution, history: Sequence[Event], first_id: int) -> list[Event]:
    """The history to go on with, numbered from `first_id`; `execution`, which is fresh, stands at its end.

    The orchestrator runs over what had arrived, without the failures. What it asks for as recorded
    keeps its time, and with it its result; what it only asked for because something had failed
    (another attempt, a compensation) is not asked for, and is gone.

    Notes
    -----
    In the Durable Task Framework a rewind drops the failed tasks from the history, too.
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
            isinstance(event, (ExecutionStarted, EventRaised))
            or (isinstance(event, CustomStatusSet) and event.event_id < first_episode)
            or (event.settlement == "completed" and getattr(event, "task_id", -1) in same_tasks)
        ):
            execution.deliver(keep(event))
    return kept


def _is_same(recorded: Event, requested: Event) -> bool:
    return replace(requested, event_id=recorded.event_id, timestamp=recorded.timestamp) == recorded
