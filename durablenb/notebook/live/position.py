"""The explorer's position in the replays of an execution, the ways to move it, and playback."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection

from durablenb.analysis.replays.explorer import ExecutedLines
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step


class Position:
    """A position in the replays: the number of a replay and of a step in it.

    Parameters
    ----------
    replay
        The replays, at least one.
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
        """Number of steps of the current replay."""
        return self.replay.count(self.chosen)

    @property
    def step(self) -> Step | None:
        """The current step; None in a replay without steps."""
        at = (self.chosen, self.number)
        if self._at != at:
            self._at, self._step = at, self.replay.step(*at) if self.count else None
        return self._step

    @property
    def is_first(self) -> bool:
        """True if this is the first step of all."""
        return (self.chosen, self.number) == (1, 1)

    @property
    def is_last(self) -> bool:
        """True if this is the last step of all."""
        return self.chosen == len(self.replay) and self.number >= self.count

    @property
    def awaits(self) -> int:
        """Number of awaits that the current replay reaches: its steps without the end of the code."""
        return min(self.count, len(self.replay.trace.awaits))

    def go_to(self, chosen: int, number: int) -> None:
        """Go to a step, or to the nearest one that exists."""
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
        """Go to the next step at a line, or to the first one of this replay; return whether there is one."""
        numbers = self.lines.numbers.get(line, [])
        within = bisect_right(numbers, self.count)
        index = bisect_right(numbers, self.number)
        if not within:
            return False
        self.number = numbers[index] if index < within else numbers[0]
        return True

    def look_from(self, event_id: int) -> None:
        """Go to the first step at which the history has an event, or to the last step before it."""
        episodes = [await_.event_id for await_ in self.replay.trace.episodes]
        chosen = max(bisect_right(episodes, event_id), 1)
        count = self.replay.count(chosen)
        known = event_id - self.replay.trace.events[0].event_id + 1
        steps = range(self.replay.first_new(chosen), count)
        self.go_to(
            chosen,
            next((n for n in steps if self.replay.events_at(self.replay.step(chosen, n)) >= known), count),
        )

    def go_to_event(self, event_id: int) -> bool:
        """Go to the step that scheduled or consumed an event, or to the replay that it began.

        The step is one of the current replay, if that got so far. Return whether there is one.
        """
        trace = self.replay.trace
        episodes = [await_.event_id for await_ in trace.episodes]
        index = bisect_left(episodes, event_id)
        if index < len(episodes) and episodes[index] == event_id:
            self.go_to(index + 1, self.replay.first_new(index + 1))
            return True
        for await_ in trace.awaits:
            scheduled = any(event.event_id == event_id for event in await_.requests)
            if scheduled or event_id in await_.answers.values():
                number = await_.episode if scheduled or await_.answered_in is None else await_.answered_in
                self.go_to(max(self.chosen, number), await_.number)
                return True
        if any(event.event_id == event_id for event in (*trace.requests, trace.end) if event is not None):
            self.go("last")
            return True
        if trace.events and trace.events[0].event_id == event_id:
            self.go_to(self.chosen, 1)
            return True
        return False

    def go_to_task(self, task_id: int) -> bool:
        """Go to the step that awaited a task; return whether there is one."""
        now = self.step
        if now is not None and now.reached is not None and task_id in now.reached.task_ids:
            return True
        for await_ in self.replay.trace.awaits:
            if task_id in await_.task_ids or task_id in await_.answers:
                self.go_to(max(self.chosen, await_.episode), await_.number)
                return True
        return False

    def is_at(self, stops: Collection[str]) -> bool:
        """Return whether there is a breakpoint on the step's line, or an event it scheduled or consumed."""
        step = self.step
        if step is None or not stops:
            return False
        events = (f"event {event}" for event in (*step.requests, *step.answers))
        return f"line {step.line}" in stops or any(event in stops for event in events)


SPEEDS = {"slow": 1.5, "1\N{MULTIPLICATION SIGN}": 0.6, "fast": 0.15}
"""Seconds per step."""


class Player:
    """Playback: decides when the next step is due.

    Parameters
    ----------
    ticks
        A clock in seconds.
    """

    def __init__(self, ticks: Callable[[], float]) -> None:
        self.ticks = ticks
        self.speed = "1\N{MULTIPLICATION SIGN}"
        self.is_on = False
        self._moved_at = 0.0

    def start(self) -> None:
        """Start playing; the first step is due after one interval."""
        self.is_on, self._moved_at = True, self.ticks()

    def stop(self) -> None:
        """Stop playing."""
        self.is_on = False

    def set_speed(self, speed: str) -> None:
        """Set the speed, one of `SPEEDS`."""
        self.speed = speed

    def is_due(self) -> bool:
        """Return whether a step is due; if so, the next one is due one interval later."""
        now = self.ticks()
        if not self.is_on or now - self._moved_at < SPEEDS[self.speed]:
            return False
        self._moved_at = now
        return True
