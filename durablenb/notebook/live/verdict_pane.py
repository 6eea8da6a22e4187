"""The verdict pane of the explorer: what happens at a step, and the quiz of predict mode."""

from __future__ import annotations

from dataclasses import dataclass, field

from durablenb.analysis.replays import sentences
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.core.requests import subject_name
from durablenb.model.events import TaskScheduled
from durablenb.notebook.html import Markup, code, line, markup, table
from durablenb.notebook.live.interactive import button, row
from durablenb.notebook.still.storyboard import step_glyph, step_look

_PLACES = 12
"""The tasks of asyncio that are listed."""

_COPY = "This copy diverges here. To see what follows, crash it earlier and resume it."


def verdict(replay: Replay, step: Step | None, quiz: Quiz) -> Markup:
    """Return what the code awaits at a step, and the outcome."""
    if step is None:
        return markup('<div class="dnb-says"><p>In this replay the code reached no await.</p></div>')
    if quiz.hides(replay, step):
        return markup('<div class="dnb-says">', _command(replay, step), quiz.html(replay, step), "</div>")
    look = step_look(step.verdict)
    return markup(
        f'<div class="dnb-says dnb-{step.verdict}">',
        _command(replay, step),
        '<div class="dnb-line">',
        step_glyph(step.verdict),
        "<span><b>",
        line(look.word.capitalize()),
        ".</b> ",
        _sentence(step),
        "</span></div>",
        _places(step),
        _mismatch(replay) if step.verdict == "mismatch" else "",
        quiz.html(replay, step),
        "</div>",
    )


def _sentence(step: Step) -> Markup:
    """Return the sentence, with emphasis on what isn't executed again."""
    first, semicolon, last = step.sentence.rpartition("; ")
    if step.verdict != "answered" or not semicolon:
        return line(step.sentence, 500)
    return markup(line(first, 400), "; <b>", line(last, 100), "</b>")


def _command(replay: Replay, step: Step) -> Markup:
    if step.reached is None:
        return Markup("")
    words = sentences.awaited_text(step.reached, replay.requests)
    return markup("<p>waits for ", code(words, 300), "</p>")


def _places(step: Step) -> Markup:
    """Return where asyncio's tasks wait."""
    shown = step.places[:_PLACES]
    more = f"and {len(step.places) - _PLACES:,} tasks more" if len(step.places) > _PLACES else ""
    items = [markup("<li>", line(text, 200), "</li>") for text in (*shown, more) if text]
    return markup("<ul>", *items, "</ul>") if items else Markup("")


def _mismatch(replay: Replay) -> Markup:
    error = replay.trace.mismatch
    if error is None:
        return Markup("")
    rows = [(code(name), code(was, 160), code(now, 160)) for name, was, now in error.differences]
    remedy = _COPY if replay.changes else str(error).rpartition("\n")[2]
    return markup(
        table(("field", "recorded in the history", "requested by the code"), rows),
        "<p>",
        line(remedy, 300),
        "</p>",
    )


@dataclass(frozen=True)
class Question:
    """A question about a step, and whether "yes" is right."""

    words: str
    is_yes: bool


def quiz_question(replay: Replay, step: Step) -> Question | None:
    """Return the question about a step; None if there is nothing to predict."""
    if step.reached is None:
        return None
    calls = {task: replay.requests.get(task) for task in step.reached.task_ids}
    scheduled = [request for request in calls.values() if isinstance(request, TaskScheduled)]
    names = list(dict.fromkeys(map(subject_name, scheduled)))
    if names:
        is_run = any(isinstance(replay.event(event_id), TaskScheduled) for event_id in step.written)
        again = " again" if step.is_replaying else ""
        return Question(f"Will {' and '.join(names[:3])} be run{again} now?", is_run)
    return Question("Will the code go on from here at once?", step.verdict == "answered")


@dataclass
class Quiz:
    """Predict mode: the questions, the answers so far, and the score.

    Parameters
    ----------
    is_on
        Whether predict mode is on.
    right, wrong
        The score.
    """

    is_on: bool = False
    right: int = 0
    wrong: int = 0
    _guessed: dict[tuple[int, int], bool] = field(default_factory=dict)

    def hides(self, replay: Replay, step: Step | None) -> bool:
        """Return whether the outcome of a step is hidden until the user has answered."""
        if not self.is_on or step is None or (step.replay, step.number) in self._guessed:
            return False
        return quiz_question(replay, step) is not None

    def guess(self, replay: Replay, step: Step, is_yes: bool) -> None:
        """Accept an answer; only the first one of a step counts."""
        question = quiz_question(replay, step)
        if question is None or not self.hides(replay, step):
            return
        is_right = question.is_yes is is_yes
        self._guessed[step.replay, step.number] = is_right
        self.right += is_right
        self.wrong += not is_right

    def html(self, replay: Replay, step: Step) -> Markup:
        """Return the question, or the score after an answer; empty if predict mode is off."""
        if not self.is_on:
            return Markup("")
        count = f"{self.right:,} right, {self.wrong:,} wrong"
        question = quiz_question(replay, step)
        if question is not None and self.hides(replay, step):
            words = markup("<b>", line(question.words), "</b>")
            return row(words, button("Yes", "guess", id="yes"), button("No", "guess", id="no"), count)
        was = self._guessed.get((step.replay, step.number))
        reply = "" if was is None else "Right. " if was else "Not quite. "
        return row(f"{reply}{count}")
