"""What the replay explorer needs of an instance, and the lines that its code has run."""

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
"""What came of a line: answered from the history, or something new was written there; else as of the step."""


@dataclass(frozen=True)
class LineHits:
    """A line that the code has come by.

    Parameters
    ----------
    mark
        What came of it the last time.
    times
        How often it was come by.
    """

    mark: LineMark
    times: int


class ExecutedLines:
    """Where the awaits of all replays stand in the code.

    Parameters
    ----------
    replay
        The replays.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.numbers: dict[int, list[int]] = {}
        """The awaits of each line, by their numbers."""
        for one in replay.trace.awaits:
            if one.line is not None:
                self.numbers.setdefault(one.line, []).append(one.number)

    def hits_at(self, step: Step) -> Mapping[int, LineHits]:
        """Return the lines that the code has come by when it reached a step, that of the step too."""
        awaits = self._replay.trace.awaits
        found: dict[int, LineHits] = {}
        for line, numbers in self.numbers.items():
            times = bisect_right(numbers, step.number)
            if times:
                last = awaits[numbers[times - 1] - 1]
                is_new = last.episode == step.replay and bool(last.asked)
                found[line] = LineHits("written" if is_new else "answered", times)
        if step.line is not None:
            times = found[step.line].times if step.line in found else 1
            if step.verdict != "answered":
                found[step.line] = LineHits(step.verdict, times)
            elif step.is_replaying or not step.asked:
                found[step.line] = LineHits("answered", times)
        return found


class ExploredInstance(Protocol):
    """An instance as its user holds it."""

    id: str

    def status(self) -> DurableOrchestrationStatus:
        """Where it stands."""
        ...


@dataclass(frozen=True)
class ExplorerSource:
    """An instance, as the explorer has it.

    Parameters
    ----------
    instance
        What its user holds.
    records
        Its events after a place in the journal.
    replay
        Lets the code go through an execution's events; the execution's id comes first.
    code
        The function that `replay` runs; None while it is missing.
    source
        Gives the text of a source, if the journal has it.
    now
        The time.
    obstacle
        What stands in its way, if something does.
    """

    instance: ExploredInstance
    records: Callable[[int], Sequence[Record]]
    replay: Callable[[str, Sequence[Event]], Replay]
    code: Callable[[], object]
    source: FindText
    now: Callable[[], datetime]
    obstacle: Callable[[], Obstacle] = Obstacle
