"""Parts of an instance that the replay explorer reads, and the lines that its code has executed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step

LineMark = Literal["answered", "written", "waits", "returned", "raised", "canceled", "terminated", "mismatch"]
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
                is_new = last.episode == step.replay and bool(last.requests)
                hits[line] = LineHits("written" if is_new else "answered", times)
        if step.line is not None:
            times = hits[step.line].times if step.line in hits else 1
            if step.verdict != "answered":
                hits[step.line] = LineHits(step.verdict, times)
            elif step.is_replaying or not step.requests:
                hits[step.line] = LineHits("answered", times)
        return hits
