"""Where one stands in the replays of an execution, and the ways to go from there."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection

from durablenb.analysis.replays.explorer import ExecutedLines
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step


class Place:
    """A step of one of the replays.

    Parameters
    ----------
    replay
        The replays; there must be at least one.
    """

    def __init__(self, replay: Replay) -> None:
        self.replay = replay
        self.lines = ExecutedLines(replay)
        self._at = (0, 0)
        self._step: Step | None = None
        self.chosen = len(replay)
        self.number = max(replay.count(self.chosen), 1)

    @property
    def count(self) -> int:
        """How many steps the chosen replay has."""
        return self.replay.count(self.chosen)

    @property
    def step(self) -> Step | None:
        """The step; None in a replay that has none."""
        at = (self.chosen, self.number)
        if self._at != at:
            self._at, self._step = at, self.replay.step(*at) if self.count else None
        return self._step

    @property
    def is_first(self) -> bool:
        """Whether there is no step before this one in any replay."""
        return (self.chosen, self.number) == (1, 1)

    @property
    def is_last(self) -> bool:
        """Whether there is no step after this one in any replay."""
        return self.chosen == len(self.replay) and self.number >= self.count

    def go_to(self, chosen: int, number: int) -> None:
        """Go to a step; what is out of reach is the nearest one within it."""
        self.chosen = min(max(chosen, 1), len(self.replay))
        self.number = min(max(number, 1), max(self.count, 1))

    def go(self, way: str) -> None:
        """Go to the ``first``, ``previous``, ``next`` or ``last`` step, or a replay ``back`` or ``on``."""
        if way == "first":
            self.go_to(1, 1)
        elif way == "last":
            self.go_to(len(self.replay), self.replay.count(len(self.replay)))
        elif way == "back":
            self.go_to(self.chosen - 1, 1 if self.chosen == 1 else self.replay.count(self.chosen - 1))
        elif way == "on" and self.chosen < len(self.replay):
            self.go_to(self.chosen + 1, self.replay.count(self.chosen + 1))
        elif way == "on":
            self.go("last")
        elif way == "previous" and self.number > 1:
            self.number -= 1
        elif way == "previous" and self.chosen > 1:
            self.go_to(self.chosen - 1, self.replay.count(self.chosen - 1))
        elif way == "next" and self.number < self.count:
            self.number += 1
        elif way == "next" and self.chosen < len(self.replay):
            self.go_to(self.chosen + 1, 1)

    def run_to(self, line: int) -> bool:
        """Go to the next step at a line of the code, or to its first one in this replay; answers whether."""
        numbers = self.lines.numbers.get(line, [])
        within = bisect_right(numbers, self.count)
        found = bisect_right(numbers, self.number)
        if not within:
            return False
        self.number = numbers[found] if found < within else numbers[0]
        return True

    def go_to_event(self, event_id: int) -> bool:
        """Go to the step that an event answered, or that asked for it, or to the replay that it began.

        It is a step of the chosen replay, if that has got so far; answers whether there is one.
        """
        trace = self.replay.trace
        episodes = [one.event_id for one in trace.episodes]
        place = bisect_left(episodes, event_id)
        if place < len(episodes) and episodes[place] == event_id:
            self.go_to(place + 1, self.replay.first_new(place + 1))
            return True
        for one in trace.awaits:
            asked = any(event.event_id == event_id for event in one.asked)
            if asked or event_id in one.answers.values():
                came = one.episode if asked or one.answered_in is None else one.answered_in
                self.go_to(max(self.chosen, came), one.number)
                return True
        if any(event.event_id == event_id for event in (*trace.asked, trace.end) if event is not None):
            self.go("last")
            return True
        if trace.events and trace.events[0].event_id == event_id:
            self.go_to(self.chosen, 1)
            return True
        return False

    def go_to_task(self, task_id: int) -> bool:
        """Go to the step that waited for a task; answers whether there is one."""
        now = self.step
        if now is not None and now.reached is not None and task_id in now.reached.task_ids:
            return True
        for one in self.replay.trace.awaits:
            if task_id in one.task_ids or task_id in one.answers:
                self.go_to(max(self.chosen, one.episode), one.number)
                return True
        return False

    def is_at(self, stops: Collection[str]) -> bool:
        """Whether a breakpoint is there: its line, or an event that it asked for or that answered it."""
        step = self.step
        if step is None or not stops:
            return False
        events = (f"event {one}" for one in (*step.asked, *step.answers))
        return f"line {step.line}" in stops or any(one in stops for one in events)
