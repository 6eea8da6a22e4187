"""Predict mode: what happens at a step is asked before it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.core.requests import name_in
from durablenb.model.events import TaskScheduled
from durablenb.notebook.html import Markup, line, markup
from durablenb.notebook.live.parts import button, row


@dataclass(frozen=True)
class Question:
    """What is asked of a step, and whether "yes" is right."""

    words: str
    is_yes: bool


def question_of(replay: Replay, step: Step) -> Question | None:
    """Return what is asked of a step; None where there is nothing to guess."""
    if step.reached is None:
        return None
    calls = {task: replay.requests.get(task) for task in step.reached.task_ids}
    names = list(dict.fromkeys(name_in(one) for one in calls.values() if isinstance(one, TaskScheduled)))
    if names:
        is_run = any(isinstance(replay.event(one), TaskScheduled) for one in step.written)
        again = " again" if step.is_replaying else ""
        return Question(f"Will {' and '.join(names[:3])} be run{again} now?", is_run)
    return Question("Will the code go on from here at once?", step.verdict == "answered")


@dataclass
class Guesses:
    """The guesses so far.

    Parameters
    ----------
    is_on
        Whether it is asked at all.
    right, wrong
        How many there were.
    """

    is_on: bool = False
    right: int = 0
    wrong: int = 0
    _told: dict[tuple[int, int], bool] = field(default_factory=dict)

    def hides(self, replay: Replay, step: Step | None) -> bool:
        """Whether a step is still to be guessed."""
        if not self.is_on or step is None or (step.replay, step.number) in self._told:
            return False
        return question_of(replay, step) is not None

    def guess(self, replay: Replay, step: Step, is_yes: bool) -> None:
        """Take a guess; only the first one of a step counts."""
        asked = question_of(replay, step)
        if asked is None or not self.hides(replay, step):
            return
        is_right = asked.is_yes is is_yes
        self._told[step.replay, step.number] = is_right
        self.right += is_right
        self.wrong += not is_right

    def html(self, replay: Replay, step: Step) -> Markup:
        """Return the question, or how the guess was; nothing if there is neither."""
        if not self.is_on:
            return Markup("")
        count = f"{self.right:,} right, {self.wrong:,} wrong"
        asked = question_of(replay, step)
        if asked is not None and self.hides(replay, step):
            words = markup("<b>", line(asked.words), "</b>")
            return row(words, button("Yes", "guess", id="yes"), button("No", "guess", id="no"), count)
        was = self._told.get((step.replay, step.number))
        told = "" if was is None else "Right. " if was else "No: look. "
        return row(f"{told}{count}")
