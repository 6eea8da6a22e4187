"""The verdict pane of the explorer: what happens at a step, and the quiz of predict mode."""

from __future__ import annotations

from dataclasses import dataclass, field

from durablenb.analysis.replays import sentences
from durablenb.analysis.replays.questions import question_about
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
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
        question = quiz.html(replay, step)
        return markup('<div class="dnb-says dnb-quiz">', _command(replay, step), question, "</div>")
    look = step_look(step.verdict)
    return markup(
        f'<div class="dnb-says dnb-{step.verdict}{" dnb-quiz" if quiz.is_on else ""}">',
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
        return question_about(replay, step) is not None

    def guess(self, replay: Replay, step: Step, option: int) -> None:
        """Accept the option at a place; only the first answer of a step counts."""
        question = question_about(replay, step)
        if question is None or not self.hides(replay, step) or not 0 <= option < len(question.options):
            return
        is_right = option == question.right
        self._guessed[step.replay, step.number] = is_right
        self.right += is_right
        self.wrong += not is_right

    def html(self, replay: Replay, step: Step) -> Markup:
        """Return the question, or the score after an answer; empty if predict mode is off."""
        if not self.is_on:
            return Markup("")
        count = f"{self.right:,} right, {self.wrong:,} wrong"
        question = question_about(replay, step)
        if question is None:
            return row(count)
        words = markup("<b>", line(question.words), "</b>")
        if self.hides(replay, step):
            options = [
                button(option, "guess", key=place + 1, id=place)
                for place, option in enumerate(question.options)
            ]
            return row(words, *options, count)
        right = question.options[question.right]
        is_right = self._guessed[step.replay, step.number]
        return row(words, f"Right: {right}." if is_right else f"Not quite: {right}.", count)
