"""The generations of an instance: one for each execution that continue-as-new made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from durablenb.analysis.run_time import Pause, PauseReader, running_time
from durablenb.model.events import ContinueAsNew, Ending, Event, ExecutionStarted


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of an instance.

    Parameters
    ----------
    execution
        The number of its execution in the instance, from 1; after a rewind, that of the last one.
    number
        Its number, from 0.
    events
        The number of its events.
    began, ended
        Its first and its last event.
    took
        How long it ran: without the time before a fork or a rewind.
    first
        The event that began it.
    ending
        The event that ended it; None if it is open.
    """

    execution: int
    number: int
    events: int
    began: datetime
    ended: datetime
    took: timedelta
    first: ExecutionStarted
    ending: Event | None

    @property
    def word(self) -> str:
        """How it ended: ``ContinuedAsNew``, ``Completed``, ...; ``Running`` if it is open."""
        if self.ending is None:
            return "Running"
        if isinstance(self.ending, ContinueAsNew):
            return "ContinuedAsNew"
        return type(self.ending).__name__.removeprefix("Execution")


def read_generations(events: Iterable[Event]) -> list[Generation]:
    """Return the generations of an instance, oldest first.

    Parameters
    ----------
    events
        Its history, without what is left of purged generations.
    """
    parts: dict[int, list[Event]] = {}
    executions: dict[int, int] = {}
    part: list[Event] = []
    count = 0
    idle = PauseReader()
    for event in events:
        if isinstance(event, ExecutionStarted):
            count += 1
            part = parts.setdefault(event.generation, [])  # a rewind begins one again
            executions[event.generation] = count
        part.append(event)
        idle.read_event(event)
    return [_generation(executions[number], part, idle.pauses) for number, part in parts.items()]


def _generation(execution: int, part: list[Event], pauses: Sequence[Pause]) -> Generation:
    first = part[0]
    assert isinstance(first, ExecutionStarted)
    ending: Event | None = None
    for event in reversed(part):
        if isinstance(event, Ending | ExecutionStarted):  # what was before a rewind is over
            ending = event if isinstance(event, Ending) else None
            break
    begin, end = first.timestamp, (part[-1] if ending is None else ending).timestamp
    took = running_time(begin, end, pauses)
    return Generation(execution, first.generation, len(part), begin, end, took, first, ending)
