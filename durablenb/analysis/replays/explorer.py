"""Parts of an instance that the replay explorer reads, and the lines that its code has executed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from durablenb.analysis.replays.executions import FindText
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.analysis.waits import Obstacle
from durablenb.core.ports.store import Record
from durablenb.model.events import Event
from durablenb.model.status import DurableOrchestrationStatus

LineMark = Literal["answered", "written", "waits", "returned", "raised", "terminated", "mismatch"]
"""The mark of a line: answered from the history, new events written there, or the verdict of the step."""


@dataclass(frozen=True)
class LineHits:
    """A line that the code has executed.

    Parameters
    ----------
    mark
        The mark of the last time.
    times
        The number of times that it was executed.
    """

    mark: LineMark
    times: int


class ExecutedLines:
    """The lines of the code at which awaits were reached.

    Parameters
    ----------
    replay
        The replays of an execution.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.numbers: dict[int, list[int]] = {}
        """The numbers of the awaits on each line."""
        for reached in replay.trace.awaits:
            if reached.line is not None:
                self.numbers.setdefault(reached.line, []).append(reached.number)

    def hits_at(self, step: Step) -> Mapping[int, LineHits]:
        """Return the lines that the code has executed when it reaches a step, including the step's line."""
        awaits = self._replay.trace.awaits
        hits: dict[int, LineHits] = {}
        for line, numbers in self.numbers.items():
            times = bisect_right(numbers, step.number)
            if times:
                last = awaits[numbers[times - 1] - 1]
                is_new = last.episode == step.replay and bool(last.asked)
                hits[line] = LineHits("written" if is_new else "answered", times)
        if step.line is not None:
            times = hits[step.line].times if step.line in hits else 1
            if step.verdict != "answered":
                hits[step.line] = LineHits(step.verdict, times)
            elif step.is_replaying or not step.asked:
                hits[step.line] = LineHits("answered", times)
        return hits


class ExploredInstance(Protocol):
    """A handle, as far as the explorer uses it."""

    id: str

    def status(self) -> DurableOrchestrationStatus:
        """Return its status."""
        ...


@dataclass(frozen=True)
class ExplorerSource:
    """All that the explorer reads of an instance.

    Parameters
    ----------
    instance
        The instance's handle.
    records
        Gives its events after a position in the journal.
    replay
        Replays the code against an execution's events. The first argument is the execution's id.
    code
        Gives the function that `replay` runs; None while it is missing.
    source
        Gives a source text by its hash, if the journal has it.
    now
        Gives the time.
    obstacle
        Gives the reasons why it is blocked, if there are any.
    """

    instance: ExploredInstance
    records: Callable[[int], Sequence[Record]]
    replay: Callable[[str, Sequence[Event]], Replay]
    code: Callable[[], object]
    source: FindText
    now: Callable[[], datetime]
    obstacle: Callable[[], Obstacle] = Obstacle
