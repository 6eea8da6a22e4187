"""What the explorer says of a step: what the code waits for there, and what comes of it."""

from __future__ import annotations

from durablenb.analysis.replays import sentences
from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.notebook.html import Markup, code, line, markup, table
from durablenb.notebook.live.guess import Guesses
from durablenb.notebook.steps import step_glyph, step_look

_COPY = (
    "In this copy the code goes another way from here on. What it would do there, a copy that ends before "
    "this shows: crash earlier, and let it go on."
)


def verdict(replay: Replay, step: Step | None, guesses: Guesses) -> Markup:
    """Return what the code waits for at a step, and what came of it."""
    if step is None:
        return markup('<div class="dnb-says"><p>In this replay the code came to no await.</p></div>')
    if guesses.hides(replay, step):
        return markup('<div class="dnb-says">', _command(replay, step), guesses.html(replay, step), "</div>")
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
        _mismatch(replay) if step.verdict == "mismatch" else "",
        guesses.html(replay, step),
        "</div>",
    )


def _sentence(step: Step) -> Markup:
    """The sentence; that something is not done again is what it is all about."""
    first, semicolon, last = step.sentence.rpartition("; ")
    if step.verdict != "answered" or not semicolon:
        return line(step.sentence, 500)
    return markup(line(first, 400), "; <b>", line(last, 100), "</b>")


def _command(replay: Replay, step: Step) -> Markup:
    if step.reached is None:
        return Markup("")
    words = sentences.awaited_text(step.reached, replay.requests)
    return markup("<p>waits for ", code(words, 300), "</p>")


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
