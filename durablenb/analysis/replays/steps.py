"""The steps of replays: one for each await, and one for the end; and counts of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any, Literal

from durablenb.analysis.replays import sentences
from durablenb.core.trace import Await, Trace
from durablenb.model.events import (
    Arrival,
    ContinueAsNew,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTerminated,
    Request,
    TaskScheduled,
)
from durablenb.model.source import Source

Verdict = Literal["answered", "waits", "returned", "raised", "canceled", "terminated", "mismatch"]
"""The outcome of an await in one replay, or of the code after the last await."""


@dataclass(frozen=True)
class Step:
    """An await in a replay, or the end of a replay.

    Parameters
    ----------
    replay
        The replay's number, from 1. There is one for each episode: it runs the code from its start up to
        where that episode ended.
    number
        The step's number in that replay, from 1.
    reached
        The await that the code reached; None after the last one.
    verdict
        The outcome.
    sentence
        The outcome as text.
    line
        The line of the orchestrator's source.
    names
        The local variables.
    changed
        The names of variables that differ from the step before.
    requests, written, answers
        The ids of the requests made by then; of the new ones in this replay, which were written; and of the
        events that answered the await.
    is_replaying
        Whether this had happened before. Then nothing is written, and prints are muted.
    printed
        The lines that the code printed since the step before.
    now
        ``current_utc_datetime`` there.
    places
        Where asyncio's tasks wait at the end of the replay, as text, if the code waits here.
    """

    replay: int
    number: int
    reached: Await | None
    verdict: Verdict
    sentence: str
    line: int | None
    names: dict[str, str]
    changed: tuple[str, ...]
    requests: tuple[int, ...]
    written: tuple[int, ...]
    answers: tuple[int, ...]
    is_replaying: bool
    printed: tuple[str, ...]
    now: datetime
    places: tuple[str, ...] = ()


class MissingAnswers:
    """The answers for which an await waits, as replays begin one after another.

    Parameters
    ----------
    reached
        The await.
    """

    def __init__(self, reached: Await) -> None:
        arrivals = reached.arrivals or (None,) * len(reached.task_ids)
        self._tasks = list(zip(reached.task_ids, arrivals, strict=True))
        self._arrived = sorted(event for event in arrivals if event is not None)
        self._first = 0

    def at(self, begun: int) -> tuple[list[int], int]:
        """Return the first tasks without an answer before a replay began, and the number of all of these.

        Parameters
        ----------
        begun
            The event with which the replay began; not before that of an earlier call.
        """
        count = len(self._tasks) - bisect_left(self._arrived, begun)
        while self._first < len(self._tasks) and (self._tasks[self._first][1] or begun) < begun:
            self._first += 1
        missing = (
            task for task, event in islice(self._tasks, self._first, None) if event is None or event > begun
        )
        return list(islice(missing, sentences.NAMED)), count


class ReplaySteps:
    """The steps of all replays of an execution, with counts of calls, awaits, events and prints.

    Parameters
    ----------
    trace
        The notes taken while the code ran.
    source
        The orchestrator's source text, as it was when it was traced.
    """

    def __init__(self, trace: Trace, source: Source | None) -> None:
        self.trace = trace
        self.source = source
        self._reached_in = [reached.episode for reached in trace.awaits]

    @property
    def fits(self) -> bool:
        """True if the code makes the recorded requests."""
        return self.trace.mismatch is None

    def __len__(self) -> int:
        """Return the number of replays, one for each episode."""
        return len(self.trace.episodes)

    def count(self, replay: int) -> int:
        """Return the number of steps of a replay."""
        self._check(replay)
        return bisect_right(self._reached_in, replay) + (replay == len(self) and self._has_end)

    def steps(self, replay: int | None = None) -> list[Step]:
        """Return the steps of a replay, numbered from 1; without a number, of the last one."""
        chosen = len(self) if replay is None else replay
        return [self.step(chosen, number) for number in range(1, self.count(chosen) + 1)]

    def step(self, replay: int, number: int) -> Step:
        """Return one step of a replay; both are counted from 1.

        Raises
        ------
        IndexError
            If there is no such replay or no such step.
        """
        count = self.count(replay)
        if not 1 <= number <= count:
            raise IndexError(f"There is no step {number} in replay {replay:,}; the last one is {count:,}.")
        awaits = self.trace.awaits
        if number > len(awaits):
            return self._last(replay, number)
        current = awaits[number - 1]
        before = awaits[number - 2].names if number > 1 else {}
        requests = tuple(event for event in current.requests if event.event_id < self._replay_end(replay))
        is_answered = current.answered_in is not None and current.answered_in <= replay
        begun = self.trace.episodes[replay - 1].event_id
        written = tuple(event for event in requests if event.event_id > begun)
        places = sentences.place_texts(current.places.get(replay, ()), self.requests)
        if is_answered:
            sentence = sentences.answered_sentence(current, self.requests)
        else:
            sentence = sentences.waiting_sentence(
                current, written, MissingAnswers(current).at(begun), self.requests, len(places)
            )
        return Step(
            replay=replay,
            number=number,
            reached=current,
            verdict="answered" if is_answered else "waits",
            sentence=sentence,
            line=current.line,
            names=current.names,
            changed=_changed_names(current.names, before),
            requests=_event_ids(requests),
            written=_event_ids(written),
            answers=tuple(current.answers.values()) if is_answered else (),
            is_replaying=current.episode < replay,
            printed=current.printed,
            now=current.now,
            places=() if is_answered else places,
        )

    def end(self, replay: int) -> Verdict | None:
        """Return the outcome of the last step of a replay; None if it has no steps."""
        count = self.count(replay)
        if count > len(self.trace.awaits):
            return self._verdict
        if not count:
            return None
        answered_in = self.trace.awaits[count - 1].answered_in
        return "answered" if answered_in is not None and answered_in <= replay else "waits"

    def first_new(self, replay: int) -> int:
        """Return the first step of a replay that is new in this replay; its last step if none is new."""
        return min(bisect_left(self._reached_in, replay) + 1, self.count(replay))

    def event(self, event_id: int) -> Event | None:
        """Return the event of the history that has this id, if there is one."""
        events = self.trace.events
        position = event_id - events[0].event_id if events else -1
        return events[position] if 0 <= position < len(events) else None

    @cached_property
    def requests(self) -> dict[int, Event]:
        """The requests by task id."""
        requests: dict[int, Event] = {}
        for event in self.trace.events:
            task_id = getattr(event, "task_id", None)
            if isinstance(event, Request) and task_id is not None:
                requests.setdefault(task_id, event)
        return requests

    # -- inside ----------------------------------------------------------------------------------

    def _check(self, replay: int) -> None:
        if not 1 <= replay <= len(self):
            raise IndexError(f"There is no replay {replay}; the last one is {len(self):,}.")

    @property
    def _has_end(self) -> bool:
        return self.trace.end is not None or self.trace.mismatch is not None

    def _replay_end(self, replay: int) -> float:
        """Return the id of the event that began the next replay; infinity for the last replay."""
        episodes = self.trace.episodes
        return episodes[replay].event_id if replay < len(episodes) else float("inf")

    @property
    def _verdict(self) -> Verdict:
        """The outcome of the code."""
        return "mismatch" if self.trace.mismatch is not None else _VERDICTS[type(self.trace.end)]

    def _last(self, replay: int, number: int) -> Step:
        trace = self.trace
        before = trace.awaits[-1] if trace.awaits else None
        is_parted = trace.mismatch is not None
        known = {} if before is None else before.names
        names = trace.names or (known if is_parted else {})
        requests = _event_ids(trace.requests)
        return Step(
            replay=replay,
            number=number,
            reached=None,
            verdict=self._verdict,
            sentence=sentences.end_sentence(trace),
            line=trace.line if trace.line is not None else self._line_of_end(before),
            names=names,
            changed=_changed_names(names, known),
            requests=requests if trace.parted_at is None else (*requests, trace.parted_at),
            written=() if is_parted else requests,
            answers=(),
            is_replaying=is_parted,
            printed=trace.printed,
            now=trace.episodes[-1].timestamp,
        )

    def _line_of_end(self, before: Await | None) -> int | None:
        """Return the line of the last await; without awaits, that of the ``return`` if there is only one."""
        if before is not None:
            return None if isinstance(self.trace.end, ExecutionCompleted) else before.line
        returns = [] if self.source is None else self.source.returns
        return returns[0] if len(returns) == 1 else None

    # -- counts ----------------------------------------------------------------------------------

    @property
    def executed(self) -> int:
        """The number of activities that were called. Replaying the code doesn't call them again."""
        return len(self._calls)

    @property
    def reached(self) -> int:
        """The number of awaits that were reached, in all replays together."""
        return self._reached_by[-1]

    @cached_property
    def each(self) -> str:
        """The number of calls of each activity, as text: a replay never calls it again."""
        calls = [event for event in self.trace.events if isinstance(event, TaskScheduled)]
        if any(event.attempt > 1 for event in calls):
            return "once for each attempt"
        return "once" if len(calls) == 1 else "once each"

    @property
    def account(self) -> str:
        """The numbers of activities called and of awaits reached, as a sentence."""
        called = f"Activities called: {self.executed:,}" + (f", {self.each}." if self.executed else ".")
        return f"{called} Awaits reached, in all replays: {self.reached:,}."

    def counts_at(self, step: Step) -> tuple[int, int]:
        """Return the number of activities called, and of awaits reached, up to a step."""
        awaits = self._reached_by[step.replay - 1] + step.number - (step.reached is None)
        return bisect_right(self._calls, self._last_known(step)), awaits

    def count_ended(self, name: str, replay: int) -> int:
        """Return how many attempts of an activity had ended before a replay began."""
        return bisect_right(self._ended.get(name, []), self.trace.episodes[replay - 1].event_id)

    def events_at(self, step: Step) -> int:
        """Return the number of events up to a step, including those that it has written."""
        return self._last_known(step) - self.trace.events[0].event_id + 1

    def events_before(self, step: Step) -> int:
        """Return the number of events when the code reaches a step, without those that it writes there."""
        begun = self.trace.episodes[step.replay - 1].event_id
        return max(begun, self._written_before(step)) - self.trace.events[0].event_id + 1

    def output_until(self, step: Step, most: int) -> list[tuple[str, bool]]:
        """Return the lines that the code printed in this replay up to a step, and whether each was muted.

        Parameters
        ----------
        step
            The step.
        most
            The largest number of lines. The last ones are returned.
        """
        last = bisect_right(self._speaking, step.number)
        printed = [] if step.reached is not None else [(words, False) for words in reversed(step.printed)]
        for number in reversed(self._speaking[:last]):
            reached = self.trace.awaits[number - 1]
            printed += [(words, reached.episode < step.replay) for words in reversed(reached.printed)]
            if len(printed) >= most:
                break
        return printed[most - 1 :: -1] if len(printed) > most else printed[::-1]

    def _last_known(self, step: Step) -> int:
        """Return the id of the last event when the code reached a step."""
        begun = self.trace.episodes[step.replay - 1].event_id
        return max(begun, step.requests[-1] if step.requests else self._written_before(step))

    def _written_before(self, step: Step) -> int:
        """Return the last event that the code wrote in the same replay before a step; 0 if there is none."""
        first = bisect_left(self._reached_in, step.replay)
        before = reversed(self.trace.awaits[first : step.number - 1])
        return next((reached.requests[-1].event_id for reached in before if reached.requests), 0)

    @cached_property
    def _speaking(self) -> list[int]:
        return [reached.number for reached in self.trace.awaits if reached.printed]

    @cached_property
    def _calls(self) -> list[int]:
        return [event.event_id for event in self.trace.events if isinstance(event, TaskScheduled)]

    @cached_property
    def _ended(self) -> dict[str, list[int]]:
        """The events that ended attempts of activities, by the activity's name."""
        open_, ended = {}, dict[str, list[int]]()
        for event in self.trace.events:
            if isinstance(event, TaskScheduled):
                open_[event.task_id] = event.name
            elif isinstance(event, Arrival) and (name := open_.pop(getattr(event, "task_id", -1), None)):
                ended.setdefault(name, []).append(event.event_id)
        return ended

    @cached_property
    def _reached_by(self) -> list[int]:
        """The number of awaits that were reached in the first replays, by the number of replays."""
        totals = [0]
        for replay in range(1, len(self) + 1):
            totals.append(totals[-1] + bisect_right(self._reached_in, replay))
        return totals


_VERDICTS: dict[type[Any], Verdict] = {
    ExecutionFailed: "raised",
    ExecutionCanceled: "canceled",
    ExecutionTerminated: "terminated",
    ExecutionCompleted: "returned",
    ContinueAsNew: "returned",
}


def _event_ids(events: Iterable[Event]) -> tuple[int, ...]:
    return tuple(event.event_id for event in events)


def _changed_names(names: dict[str, str], before: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, value in names.items() if before.get(name) != value)
