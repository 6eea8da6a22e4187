"""The queues of a hub: how many calls wait and run, as a picture, a table and text."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.text import table_text
from durablenb.model.queues import QueueState
from durablenb.notebook.html import Markup, fold, table
from durablenb.notebook.palette import LOOKS, draw_glyph
from durablenb.notebook.svg import HAIR, MUTED, NARROWER, RIM, WIDTH, Drawing, number, text_width
from durablenb.notebook.words import time_text

_MOST = 12
_TEXT_ROWS = 30
_LEFT = 20.0
_ROW = 28.0
_PLACE, _GAP = 10.0, 3.0


def _columns(width: float) -> tuple[float, int]:
    """Return where the places begin in a picture of this width, and how many there is room for."""
    return (190.0, 20) if width >= NARROWER else (120.0, 6)


def queues_svg(states: Sequence[QueueState], width: float = WIDTH) -> tuple[str, str]:
    """Return the picture of queues, and its description: a row for each, with its places and its calls."""
    shown = states[:_MOST]
    sentence = "; ".join(repr(state).strip("<>") for state in shown)
    drawing = Drawing(width, sentence)
    drawing.text(_LEFT, 22, "queues", size=10, fill=MUTED)
    drawing.text(_columns(width)[0], 22, "places", size=10, fill=MUTED)
    y = 26.0
    for state in shown:
        if state is not shown[0]:
            drawing.path(f"M20 {number(y)}H{number(width - 20)}", fill="none", stroke=HAIR)
        y = _draw_row(drawing, state, y)
    if len(states) > _MOST:
        drawing.text(_LEFT, y + 18, f"{len(states) - _MOST:,} more", size=11, fill=MUTED)
        y += _ROW
    return drawing.finished(y + 8), sentence


def _draw_row(drawing: Drawing, state: QueueState, y: float) -> float:
    """Draw a queue, and return where the next one begins."""
    names, most = _columns(drawing.width)
    drawing.text(_LEFT, y + 18.5, state.name, size=12, is_bold=True, width=names - 30)
    _draw_places(drawing, state, y + 9)
    x = names + most * (_PLACE + _GAP) + 12
    for word, count in (("Running", state.running), ("Waiting", state.waiting)):
        if count:
            look, words = LOOKS[word], f"{count:,} {word.lower()}"
            draw_glyph(drawing, look, x, y + 8, 12)
            drawing.text(x + 16, y + 18, words, size=11, fill=look.colour)
            x += 28 + text_width(words, 11)
    if not (state.running or state.waiting):
        drawing.text(x, y + 18, "no calls", size=11, fill=MUTED)
        x += 60
    words = _rate_words(state)
    if x + text_width(words, 11) > drawing.width - 20:
        y += 16
    drawing.text(drawing.width - 20, y + 18, words, size=11, fill=MUTED, anchor="end")
    return y + _ROW


def _draw_places(drawing: Drawing, state: QueueState, y: float) -> None:
    """Draw a box for each place, filled if a call holds it; too many places are drawn as one bar."""
    places = state.concurrency
    names, most = _columns(drawing.width)
    if places is None:
        drawing.text(names, y + 9, "as many as the rate allows", size=10.5, fill=MUTED)
        return
    look, title = LOOKS["Running"], f"{state.running_text} places are taken"
    if places > most:
        width = most * (_PLACE + _GAP) - _GAP
        drawing.box(names, y, width, _PLACE, title, rx=2, fill="none", stroke=RIM)
        taken = width * min(state.running / places, 1.0)
        if taken:
            drawing.box(names, y, taken, _PLACE, title, rx=2, fill=look.solid)
        return
    for place in range(places):
        is_taken = place < state.running
        drawing.box(
            names + place * (_PLACE + _GAP),
            y,
            _PLACE,
            _PLACE,
            title,
            rx=2,
            fill=look.solid if is_taken else "none",
            stroke=look.solid if is_taken else RIM,
        )


def _rate_words(state: QueueState) -> str:
    if state.next_free is None:
        return state.rate_text
    return f"{state.rate_text}, next at {time_text(state.next_free, with_date=False)[:8]}"


def queues_table(states: Sequence[QueueState]) -> Markup:
    """Return queues as a table."""
    header = ("queue", "activities", "waiting", "running", "rate", "next start (UTC)")
    rows = [(state.name, ", ".join(state.activities), *_cells(state)) for state in states]
    return fold(f"Queues: {len(states):,}", table(header, rows), is_open=True)


def queues_text(states: Sequence[QueueState]) -> str:
    """Return queues as text."""
    header = ("queue", "waiting", "running", "rate", "next start (UTC)")
    text = table_text(header, [(state.name, *_cells(state)) for state in states[:_TEXT_ROWS]])
    more = len(states) - _TEXT_ROWS
    return f"{text}\n… {more:,} more queues" if more > 0 else text


def _cells(state: QueueState) -> tuple[str, ...]:
    return f"{state.waiting:,}", state.running_text, state.rate_text, time_text(state.next_free)
