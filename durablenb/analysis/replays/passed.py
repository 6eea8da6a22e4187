"""The lines that an orchestrator's code has come by in a replay, and what came of it there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.stepping import Step

Mark = Literal["answered", "written", "waits", "returned", "raised", "terminated", "mismatch"]
"""What came of a line: answered from the history, or something new was written there; else as of the step."""


@dataclass(frozen=True)
class Passed:
    """A line that the code has come by.

    Parameters
    ----------
    mark
        What came of it the last time.
    times
        How often it was come by.
    """

    mark: Mark
    times: int


class Lines:
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

    def passed(self, step: Step) -> Mapping[int, Passed]:
        """Return the lines that the code has come by when it reached a step, that of the step too."""
        awaits = self._replay.trace.awaits
        found: dict[int, Passed] = {}
        for line, numbers in self.numbers.items():
            times = bisect_right(numbers, step.number)
            if times:
                last = awaits[numbers[times - 1] - 1]
                is_new = last.episode == step.replay and bool(last.asked)
                found[line] = Passed("written" if is_new else "answered", times)
        if step.line is not None:
            times = found[step.line].times if step.line in found else 1
            if step.verdict != "answered":
                found[step.line] = Passed(step.verdict, times)
            elif step.is_replaying or not step.asked:
                found[step.line] = Passed("answered", times)
        return found
