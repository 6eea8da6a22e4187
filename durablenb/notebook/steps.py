"""One look for each thing that can come of an await: a word, a shape, a colour."""

from __future__ import annotations

from functools import cache

from durablenb.analysis.replays.explorer import LineMark
from durablenb.notebook.html import Markup
from durablenb.notebook.palette import BLUE, LOOKS, Look, draw_glyph, look_of
from durablenb.notebook.svg import Drawing
from durablenb.notebook.themes import themed

_PLUS = (("s", "M8 2.5V13.5M2.5 8H13.5"),)
_CHECK = (("s", "M2.8 8.6L6.4 12.2L13.2 4.2"),)

_LOOKS: dict[LineMark, Look] = {
    "answered": Look("answered from the history", look_of("Completed").colour, _CHECK),
    "written": Look("written for the first time", BLUE, _PLUS),
    "waits": Look("waits", LOOKS["Waiting"].colour, LOOKS["Waiting"].shape),
    "returned": Look("returned", LOOKS["Completed"].colour, LOOKS["Completed"].shape),
    "raised": Look("raised", LOOKS["Failed"].colour, LOOKS["Failed"].shape),
    "terminated": Look("terminated", LOOKS["Terminated"].colour, LOOKS["Terminated"].shape),
    "mismatch": Look("does not fit", LOOKS["Held"].colour, LOOKS["Held"].shape),
}


def step_look(mark: LineMark) -> Look:
    """Return how it is shown what came of an await."""
    return _LOOKS[mark]


@cache
def step_glyph(mark: LineMark) -> Markup:
    """Return the shape alone, in the page's colours; its word is its name."""
    look = step_look(mark)
    drawing = Drawing(14, look.word)
    draw_glyph(drawing, look, 0, 0)
    return Markup(themed(drawing.finished(14, has_plate=False)))
