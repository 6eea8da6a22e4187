"""Questions about the steps of replays, for predicting what happens: each with options, one of them right."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from durablenb.core.requests import describe_event, subject_name
from durablenb.core.trace import MORE_CODE, Await
from durablenb.model.events import Event, TaskScheduled

if TYPE_CHECKING:
    from durablenb.analysis.replays.replay import Replay
    from durablenb.analysis.replays.steps import Step

WAITS = "nothing yet: it waits"
NOT_NEW = "none: all of it is in the history"
_MOST = 4
"""Maximum options of a question."""


@dataclass(frozen=True)
class Question:
    """A question about a step.

    Parameters
    ----------
    words
        The question.
    options
        The possible answers, at least two.
    right
        The place of the right one.
    """

    words: str
    options: tuple[str, ...]
    right: int


def questions_about(replay: Replay, step: Step) -> list[Question]:
    """Return all questions about a step; none at the end of the code, where nothing is left to predict.

    Parameters
    ----------
    replay
        The replays.
    step
        One of their steps.
    """
    reached = step.reached
    if reached is None or reached.awaited == MORE_CODE:
        return []
    return [made for kind in _KINDS if (made := kind(replay, step, reached)) is not None]


def question_about(replay: Replay, step: Step) -> Question | None:
    """Return one of the questions about a step; None if there is none.

    Its kind depends on the step's place alone, so it doesn't give the answer away.
    """
    asked = questions_about(replay, step)
    return asked[(step.replay - 1 + 2 * (step.number - 1)) % len(asked)] if asked else None


def _which_runs(replay: Replay, step: Step, reached: Await) -> Question | None:
    """Ask which of the awaited activities are scheduled at this step, first or again after a failure."""
    calls = [task for task in reached.task_ids if isinstance(replay.requests.get(task), TaskScheduled)]
    if not calls:
        return None
    written = [replay.event(event_id) for event_id in step.written]
    new = {_first_attempt(event) for event in written if isinstance(event, TaskScheduled)}
    run = sum(_first_attempt(replay.requests[task]) in new for task in calls)
    names = {subject_name(replay.requests[task]) for task in calls}
    if len(calls) == 1:
        return Question(f"Will {names.pop()} be run now?", ("Yes", "No"), int(not run))
    what = f"calls of {names.pop()}" if len(names) == 1 else "awaited activities"
    return _numbers(f"How many of the {len(calls):,} {what} are run now?", run, (0, len(calls), 1))


def _which_is_written(replay: Replay, step: Step, reached: Await) -> Question | None:
    """Ask which event the code writes first at this step."""
    if not reached.requests:
        return None
    first = replay.event(step.written[0]) if step.written else None
    right = NOT_NEW if first is None else describe_event(first)
    asked = (describe_event(event) for event in _near(replay.requests, reached.requests[0]))
    others = (describe_event(reached.requests[0]), NOT_NEW, *asked)
    return _choice("Which event does the code write next?", right, others)


def _which_value(replay: Replay, step: Step, reached: Await) -> Question | None:
    """Ask for the value that comes out of an await of one task."""
    if len(reached.task_ids) != 1 or reached.awaited:
        return None
    value = "an error is raised" if reached.has_failed else reached.outcome
    right = value if step.verdict == "answered" else WAITS
    awaits = replay.trace.awaits
    around = awaits[max(step.number - 4, 0) : step.number + 3]
    others = (value, WAITS, *(other.outcome for other in around))
    return _choice("What comes out of it here?", right, others)


def _how_often(replay: Replay, step: Step, reached: Await) -> Question | None:
    """Ask how many attempts of an activity have ended before this replay began."""
    called = [replay.requests.get(task) for task in reached.task_ids]
    names = [subject_name(event) for event in called if isinstance(event, TaskScheduled)]
    if not names:
        return None
    ended = replay.count_ended(names[0], step.replay)
    words = f"How often has {names[0]} run to its end by now?"
    return _numbers(words, ended, (step.replay, ended + 1, 0))


def _who_wins(replay: Replay, step: Step, reached: Await) -> Question | None:
    """Ask which task of a ``task_any`` settles first."""
    tasks = reached.task_ids
    if reached.awaited != f"task_any of {len(tasks):,}" or len(tasks) < 2:
        return None
    names = [f"{_named(replay.requests.get(task))} #{task}" for task in tasks]
    is_decided = step.verdict == "answered" and reached.winner is not None
    right = names[reached.winner] if is_decided and reached.winner is not None else WAITS
    return _choice("Which task wins the task_any?", right, (WAITS, *names))


def _goes_on(_: Replay, step: Step, __: Await) -> Question:
    answered = step.verdict == "answered"
    return Question("Does the code continue here at once?", ("Yes", "No"), int(not answered))


_KINDS: tuple[Callable[[Replay, Step, Await], Question | None], ...] = (
    _which_runs,
    _who_wins,
    _which_is_written,
    _which_value,
    _how_often,
    _goes_on,
)


def _first_attempt(event: Event) -> int | None:
    """Return the task of a call's first attempt."""
    first = getattr(event, "retry_of", None)
    return getattr(event, "task_id", None) if first is None else first


def _named(event: Event | None) -> str:
    if event is None:
        return "task"
    return subject_name(event) or type(event).__name__.removesuffix("Created").lower()


def _near(requests: dict[int, Event], event: Event) -> Iterator[Event]:
    """Yield the requests next to an event, nearest first."""
    all_ = list(requests.values())
    place = bisect_left([one.event_id for one in all_], event.event_id)
    for distance in range(1, _MOST + 1):
        for other in (place + distance, place - distance):
            if 0 <= other < len(all_):
                yield all_[other]


def _numbers(words: str, right: int, others: tuple[int, ...]) -> Question:
    options = sorted(
        {right, *(other for other in others if other >= 0), right + 1 if right < 2 else right - 1}
    )
    return Question(words, tuple(f"{option:,}" for option in options), options.index(right))


def _choice(words: str, right: str, others: tuple[str, ...]) -> Question | None:
    """Return a question with the right answer among others, in the order of their texts."""
    known = list(dict.fromkeys(other for other in others if other))[:_MOST]
    options = sorted({*known, right}) if right in known else sorted({*known[: _MOST - 1], right})
    if len(options) < 2:
        return None
    return Question(words, tuple(options), options.index(right))
