"""The generations of an instance: one for each execution that continue-as-new made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from durablenb.model.events import ContinueAsNew, Ending, Event, ExecutionStarted


@dataclass(frozen=True, slots=True)
class Generation:
    """One execution of an instance.

    Parameters
    ----------
    execution
        Its number among the executions of the instance, from 1.
    number
        Its generation, from 0. A rewind begins another execution of the same generation.
    events
        The number of its events.
    began, ended
        Its first and its last event.
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
    """Return the executions of an instance, oldest first.

    Parameters
    ----------
    events
        Its history, without what is left of purged generations.
    """
    parts: list[list[Event]] = []
    for event in events:
        if isinstance(event, ExecutionStarted):
            parts.append([])
        if parts:
            parts[-1].append(event)
    return [_generation(number, part) for number, part in enumerate(parts, 1)]


def _generation(execution: int, part: list[Event]) -> Generation:
    first = part[0]
    assert isinstance(first, ExecutionStarted)
    ending = next((event for event in reversed(part) if isinstance(event, Ending)), None)
    last = part[-1] if ending is None else ending
    return Generation(execution, first.generation, len(part), first.timestamp, last.timestamp, first, ending)
