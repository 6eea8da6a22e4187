"""What a replay's steps have cost so far: activities that were called, awaits reached, lines printed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property

from durablenb.analysis.replays.stepping import Step, Steps
from durablenb.model.events import TaskScheduled


class Tally(Steps):
    """Steps that are counted."""

    @property
    def executed(self) -> int:
        """How many activities were called: once each, however often the code came by."""
        return len(self._calls)

    @property
    def reached(self) -> int:
        """How many awaits were reached, in all replays together."""
        return self._reached_by[-1]

    @cached_property
    def each(self) -> str:
        """How often activities were called, in words: a replay calls none again."""
        calls = [event for event in self.trace.events if isinstance(event, TaskScheduled)]
        if any(event.attempt > 1 for event in calls):
            return "once for each attempt"
        return "once" if len(calls) == 1 else "once each"

    @property
    def account(self) -> str:
        """How many activities were called and how many awaits reached, as a sentence."""
        called = f"Activities called: {self.executed:,}" + (f", {self.each}." if self.executed else ".")
        return f"{called} Awaits reached, in all replays: {self.reached:,}."

    def so_far(self, step: Step) -> tuple[int, int]:
        """Return how many activities had been called at a step, and how many awaits had been reached."""
        awaits = self._reached_by[step.replay - 1] + step.number - (step.reached is None)
        return bisect_right(self._calls, self._last_known(step)), awaits

    def known_by(self, step: Step) -> int:
        """Return how many events there were at a step: what it has written is among them."""
        return self._last_known(step) - self.trace.events[0].event_id + 1

    def said_by(self, step: Step, most: int) -> list[tuple[str, bool]]:
        """Return what the code printed in this replay up to a step, and whether that was muted.

        Parameters
        ----------
        step
            The step.
        most
            How many lines at the most, the last ones.
        """
        last = bisect_right(self._speaking, step.number)
        said = [] if step.reached is not None else [(words, False) for words in reversed(step.said)]
        for number in reversed(self._speaking[:last]):
            one = self.trace.awaits[number - 1]
            said += [(words, one.episode < step.replay) for words in reversed(one.said)]
            if len(said) >= most:
                break
        return said[most - 1 :: -1] if len(said) > most else said[::-1]

    def _last_known(self, step: Step) -> int:
        """The id of the last event that there was when the code came to a step."""
        begun = self.trace.episodes[step.replay - 1].event_id
        if step.asked:
            return max(begun, step.asked[-1])
        first = bisect_left(self._reached_in, step.replay)
        for one in reversed(self.trace.awaits[first : step.number - 1]):
            if one.asked:
                return max(begun, one.asked[-1].event_id)
        return begun

    @cached_property
    def _speaking(self) -> list[int]:
        return [one.number for one in self.trace.awaits if one.said]

    @cached_property
    def _calls(self) -> list[int]:
        return [event.event_id for event in self.trace.events if isinstance(event, TaskScheduled)]

    @cached_property
    def _reached_by(self) -> list[int]:
        """How many awaits were reached in so many replays."""
        totals = [0]
        for replay in range(1, len(self) + 1):
            totals.append(totals[-1] + bisect_right(self._reached_in, replay))
        return totals
