"""The arrows of a sequence diagram: solid for what is asked, dashed for answers, red for failures."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.messages import Form, Message
from durablenb.notebook.palette import GREEN, LOOKS, RED, SOLIDS, draw_glyph
from durablenb.notebook.svg import INK, MUTED, PLATE, WIDTH, Drawing, number, width_of

_SIZE = 10.5
_BAR = 4
"""Half of the bar that stands on a lifeline."""

_DASHES = "5 3"
_GLYPHS: dict[Form, str] = {"timer": "Scheduled", "wait": "Waiting", "again": "ContinuedAsNew"}


def draw_message(drawing: Drawing, message: Message, xs: Sequence[float], y: float) -> None:
    """Draw a message.

    Parameters
    ----------
    drawing
        On which lifelines stand already.
    message
        What is said.
    xs
        Where the lifelines stand.
    y
        How far down.
    """
    if message.source == message.target:
        _draw_note(drawing, message, xs[message.source], y)
    else:
        _draw_arrow(drawing, message, xs[message.source], xs[message.target], y)


def _draw_note(drawing: Drawing, message: Message, x: float, y: float) -> None:
    """What an orchestrator does by itself: a glyph on its lifeline, and words beside."""
    look = LOOKS[_GLYPHS.get(message.form, "Waiting")]
    if message.text.startswith("retry in "):
        look = LOOKS["Retrying"]
    drawing.mark("circle", message.words, cx=x, cy=y, r=9, fill=PLATE, stroke=look.solid)
    draw_glyph(drawing, look, x - 6, y - 6, 12)
    room = WIDTH - 24 - x - 14
    _write(drawing, message.words, x + 14, y + 3.7, room, look.colour, anchor="start")


def _draw_arrow(drawing: Drawing, message: Message, source: float, target: float, y: float) -> None:
    way = 1 if target > source else -1
    begin, end = source + way * _BAR, target - way * _BAR
    colour = _colour(message.form)
    is_answer = message.form in ("granted", "answer", "failure")
    head = 7 if message.form in ("call", "lock") else 0
    d = f"M{number(begin)} {number(y)}H{number(end - way * head)}"
    dashes = {"stroke_dasharray": _DASHES} if is_answer else {}
    if message.is_par:
        drawing.path(d, fill="none", stroke=colour, stroke_width=4.4)
        drawing.path(d, fill="none", stroke=PLATE, stroke_width=1.8)
    else:
        drawing.path(d, message.words, fill="none", stroke=colour, stroke_width=1.4, **dashes)
    if message.form == "failure":
        d = f"M{number(end - way * 10 - 4)} {number(y - 4)}l8 8m0 -8l-8 8"
        drawing.path(d, fill="none", stroke=colour, stroke_width=1.8)
    elif head:
        drawing.path(f"M{number(end)} {number(y)}l{-8 * way} -4.5v9z", fill=colour)
    else:
        d = f"M{number(end - way * 7)} {number(y - 4)}L{number(end)} {number(y)}l{-7 * way} 4"
        drawing.path(d, fill="none", stroke=colour, stroke_width=1.4)
    if message.form == "event":
        d = f"M{number(begin + way * 6)} {number(y - 5)}l5 5l-5 5l-5 -5z"
        drawing.path(d, fill=SOLIDS[GREEN], stroke=GREEN)
    middle = (begin + end) / 2
    _write(drawing, message.words, middle, y - 5, abs(end - begin) - 14, _ink(message.form), anchor="middle")


def _write(
    drawing: Drawing, words: str, x: float, y: float, room: float, colour: str, *, anchor: str
) -> None:
    """Write on a ground of its own, so that no lifeline runs through the words."""
    wide = min(width_of(words, _SIZE), room)
    left = x - wide / 2 if anchor == "middle" else x
    drawing.box(left - 2, y - 9, wide + 4, 11.5, fill=PLATE)
    drawing.text(x, y, words, width=room, size=_SIZE, fill=colour, anchor=anchor)


def _colour(form: Form) -> str:
    if form == "failure":
        return SOLIDS[_ink(form)]
    return MUTED


def _ink(form: Form) -> str:
    if form == "failure":
        return RED
    if form == "event":
        return GREEN
    return MUTED if form in ("granted", "answer") else INK
