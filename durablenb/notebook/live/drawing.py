"""A picture that is drawn for a live view: parts of it can be pressed, and a call in it is selected."""

from __future__ import annotations

from durablenb.notebook.palette import BLUE, SOLIDS
from durablenb.notebook.svg import Drawing, number

_SIGNS = {"+": "m4 8h8m-4 -4v8", "-": "m4 8h8", ">": "m6.5 4l4 4l-4 4", "<": "m9.5 4l-4 4l4 4"}
"""As paths that begin at the upper left corner."""

_AROUND = 5
"""What can be hit around a control, so that it is as large as a finger needs."""


class LiveDrawing(Drawing):
    """A picture that grows mark by mark, for a live view.

    Parameters
    ----------
    width
        In pixels.
    sentence
        What the picture says.
    chosen
        The call that is selected.
    """

    control_room = 26

    def __init__(self, width: float, sentence: str, chosen: object = None) -> None:
        super().__init__(width, sentence)
        self.chosen = chosen

    def control(self, x: float, y: float, sign: str, words: str, **data: str) -> None:
        """Draw what can be pressed: a square of 16 with a sign in it."""
        state = {"aria_expanded": "true" if sign == "-" else "false"} if sign in "+-" else {}
        self.begin(**data, **state, tabindex="-1", role="button", aria_label=words)
        side = 16 + 2 * _AROUND
        self.box(x - _AROUND, y - _AROUND, side, side, fill="none", pointer_events="all")
        self.box(x, y, 16, 16, words, rx=3.5, fill="#ffffff", stroke=SOLIDS[BLUE], stroke_width=1.2)
        d = f"M{number(x)} {number(y)}{_SIGNS[sign]}"
        self.path(d, fill="none", stroke=BLUE, stroke_width=1.8, pointer_events="none")
        self.end()
