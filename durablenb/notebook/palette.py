"""The look of each status: a word, a shape, a colour that is readable on the plate and on its tint."""

from __future__ import annotations

from dataclasses import dataclass

from durablenb.analysis.calls import CallState
from durablenb.model.events import TaskKind
from durablenb.notebook.svg import Drawing, text_width

GREEN, RED, BLUE, AMBER, GREY, VIOLET = "#166b30", "#b42318", "#0b5cad", "#8a5300", "#57606a", "#6b3fa0"
TINTS = {
    GREEN: "#ddf3e2",
    RED: "#fde3df",
    BLUE: "#dcebfb",
    AMBER: "#fbecc8",
    GREY: "#eceff2",
    VIOLET: "#ece5f8",
}
"""A light background for each colour, with a contrast of at least 4.5 to 1."""
SOLIDS = {
    GREEN: "#3f9f5f",
    RED: "#d6402f",
    BLUE: "#4a8fd6",
    AMBER: "#c07f10",
    GREY: "#86909b",
    VIOLET: "#9576c8",
}
"""Colours of areas without text, such as bars and cells."""


@dataclass(frozen=True, slots=True)
class Look:
    """The look of a status. `shape` has paths in a square of 16: filled ``f``, stroked ``s``, cut ``w``."""

    word: str
    colour: str
    shape: tuple[tuple[str, str], ...]

    @property
    def tint(self) -> str:
        """The background."""
        return TINTS[self.colour]

    @property
    def solid(self) -> str:
        """The colour of bars."""
        return SOLIDS[self.colour]


PILL = 24
"""Height of a pill."""

_RING = "M14 8A6 6 0 1 1 2 8A6 6 0 1 1 14 8Z"
_OCTAGON = "M5.3 1.5H10.7L14.5 5.3V10.7L10.7 14.5H5.3L1.5 10.7V5.3Z"
_TRIANGLE = "M8 1.8L15 14H1Z"
_BANG = "M8 6V10M8 11.6V12.4"
_DRUM = "M2.5 4A5.5 2.2 0 1 1 13.5 4A5.5 2.2 0 1 1 2.5 4V12A5.5 2.2 0 0 0 13.5 12V4"

_LOOKS = (
    Look("Completed", GREEN, (("f", _RING), ("w", "M5 8.2L7.2 10.4L11.2 6"))),
    Look("Failed", RED, (("f", _OCTAGON), ("w", "M5.6 5.6L10.4 10.4M10.4 5.6L5.6 10.4"))),
    Look("Running", BLUE, (("s", _RING), ("f", "M8 2A6 6 0 0 1 8 14Z"))),
    Look("Pending", GREY, (("s", _RING),)),
    Look("Waiting", AMBER, (("s", "M8 1.8L14.2 8L8 14.2L1.8 8Z"), ("s", "M8 5.4V8.2L9.8 9.4"))),
    Look("Retrying", AMBER, (("s", "M12.6 4.6A5.6 5.6 0 1 0 13.6 9"), ("f", "M14.2 1.4V6.6H9Z"))),
    Look("Interrupted", AMBER, (("s", "M9.5 1.5L4.5 8.5H11.5L6.5 14.5"),)),
    Look("Terminated", GREY, (("f", "M3 3H13V13H3Z"),)),
    Look("Suspended", VIOLET, (("f", "M3.6 2.6H6.8V13.4H3.6ZM9.2 2.6H12.4V13.4H9.2Z"),)),
    Look("ContinuedAsNew", BLUE, (("s", "M2 8H13M9 4L13 8L9 12"),)),
    Look("Canceled", GREY, (("s", _RING), ("s", "M4 12L12 4"))),
    Look(
        "Left open",
        GREY,
        (
            (
                "s",
                "M5 2.8A6 6 0 0 1 11 2.8M13.7 6A6 6 0 0 1 13.7 10M11 13.2A6 6 0 0 1 5 13.2"
                "M2.3 10A6 6 0 0 1 2.3 6",
            ),
        ),
    ),
    Look("Not loaded", AMBER, (("s", "M2 8H5L7 3.5L9.5 12.5L11.2 8H14"),)),
    Look("Held", RED, (("f", _TRIANGLE), ("w", _BANG))),
    Look("Blocked", AMBER, (("s", _TRIANGLE), ("s", _BANG))),
    Look("Idle", GREEN, (("s", _DRUM),)),
    Look("Busy", BLUE, (("s", _DRUM), ("f", "M2.5 8A5.5 2.2 0 0 0 13.5 8V12A5.5 2.2 0 0 1 2.5 12Z"))),
    Look("No state", GREY, (("s", "M2.5 4H13.5M2.5 12H13.5"),)),
    Look("Locked", VIOLET, (("f", "M3 7.4H13V14H3Z"), ("s", "M5 7.4V5A3 3 0 0 1 11 5V7.4"))),
    Look("Queued", GREY, (("s", "M2.5 4H13.5M2.5 8H10M2.5 12H6.5"),)),
    Look("Scheduled", GREY, (("s", _RING), ("s", "M8 4.6V8L10.2 9.4"))),
)
LOOKS = {look.word: look for look in _LOOKS}
"""The looks by their words."""

STATE_LOOKS: dict[CallState, Look] = {
    "failed": LOOKS["Failed"],
    "not loaded": LOOKS["Not loaded"],
    "retrying": LOOKS["Retrying"],
    "running": LOOKS["Running"],
    "open": LOOKS["Running"],
    "queued": LOOKS["Queued"],
    "interrupted": LOOKS["Interrupted"],
    "canceled": LOOKS["Canceled"],
    "left open": LOOKS["Left open"],
    "completed": LOOKS["Completed"],
}


def status_look(word: object) -> Look:
    """Return the look of a status; that of "Pending" for an unknown one."""
    return LOOKS.get(str(word), LOOKS["Pending"])


def call_look(state: CallState, kind: TaskKind) -> Look:
    """Return the look of a call; an open timer, external event or lock is shown as waiting."""
    if state == "open" and kind in ("timer", "external event", "lock"):
        return LOOKS["Waiting"]
    return STATE_LOOKS[state]


def draw_glyph(drawing: Drawing, look: Look, x: float, y: float, size: float = 14) -> None:
    """Draw the shape of a status in a square with this upper left corner."""
    scale = size / 16
    drawing.begin(transform=f"translate({x:.1f} {y:.1f}) scale({scale:.3f})")
    for how, path in look.shape:
        if how == "f":
            drawing.path(path, fill=look.colour)
        else:
            colour = "#fff" if how == "w" else look.colour
            drawing.path(
                path,
                fill="none",
                stroke=colour,
                stroke_width=2,
                stroke_linecap="round",
                stroke_linejoin="round",
            )
    drawing.end()


_PILL_TEXT = 12.5


def pill(look: Look) -> Drawing:
    """Return a status as a small picture: its shape and its word on its tint."""
    width = round(text_width(look.word, _PILL_TEXT, is_bold=True) + 36)
    drawing = Drawing(width, look.word)
    drawing.box(0.5, 0.5, width - 1, PILL - 1, rx=PILL / 2 - 0.5, fill=look.tint, stroke=look.solid)
    draw_glyph(drawing, look, 8, 5)
    drawing.text(27, 16.4, look.word, size=_PILL_TEXT, is_bold=True, fill=look.colour)
    return drawing
