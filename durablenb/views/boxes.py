"""The boxes of a graph: a shape for each kind of task, a glyph, a word and a colour for each status."""

from __future__ import annotations

from typing import cast

from durablenb.queries.timeline import Kind
from durablenb.views.nodes import NAME, SMALL, Box
from durablenb.views.palette import STATE_LOOKS, Look, call_look, draw_glyph, look_of
from durablenb.views.svg import MUTED, Drawing, number, width_of

_CALM = ("completed", "canceled", "left open")
_STACK = 3


def draw_box(drawing: Drawing, box: Box) -> None:
    """Draw a box where it stands."""
    if box.kind == "start":
        drawing.mark("circle", box.title, cx=box.x + 7, cy=box.middle, r=6, fill=MUTED)
    elif box.kind == "end":
        _draw_end(drawing, box)
    else:
        _draw_step(drawing, box)


def _draw_end(drawing: Drawing, box: Box) -> None:
    look = look_of(box.name)
    y = box.middle - 13
    drawing.box(box.x, y, box.width, 26, box.title, rx=13, fill=look.tint, stroke=look.solid)
    draw_glyph(drawing, look, box.x + 8, y + 6)
    drawing.text(box.x + 27, y + 17.2, box.name, size=SMALL + 1, is_bold=True, fill=look.colour)


def _draw_step(drawing: Drawing, box: Box) -> None:
    state = next(iter(box.states))
    look = STATE_LOOKS[state] if box.kind == "folded" else call_look(state, cast(Kind, box.kind))
    if box.count > 1:
        for shift in (2 * _STACK, _STACK):
            _draw_outline(drawing, box, shift, "", look, "#ffffff")
    _draw_outline(drawing, box, 0, box.title, look, "#ffffff" if state in _CALM else look.tint)
    if box.kind == "sub-orchestration":
        inner = {"rx": 4, "stroke_width": 0.8}
        drawing.box(
            box.x + 3, box.y + 3, box.width - 6, box.height - 6, **inner, fill="none", stroke=look.solid
        )
    _write(drawing, box, look)


def _draw_outline(drawing: Drawing, box: Box, shift: float, title: str, look: Look, fill: str) -> None:
    """Draw a box's shape: timers round, external events pointed, the rest with round corners."""
    x, y, width, height = box.x + shift, box.y - shift, box.width, box.height
    if box.kind == "external event":
        wide, half = number(width - 20), number(height / 2)
        drawing.path(
            f"M{number(x + 10)} {number(y)}h{wide}l10 {half}l-10 {half}h-{wide}l-10 -{half}z",
            title,
            fill=fill,
            stroke=look.solid,
            stroke_width=1.2,
        )
    else:
        round_ = height / 2 if box.kind == "timer" else 6
        drawing.box(x, y, width, height, title, rx=round_, fill=fill, stroke=look.solid, stroke_width=1.2)


def _write(drawing: Drawing, box: Box, look: Look) -> None:
    inset = 14 if box.kind in ("timer", "external event") else 9
    left, right = box.x + inset + 20, box.x + box.width - inset
    draw_glyph(drawing, look, box.x + inset, box.y + 8)
    room = right - left
    if box.count > 1 and box.kind != "folded":
        count = f"\N{MULTIPLICATION SIGN} {box.count:,}"
        drawing.text(right, box.y + 19, count, size=NAME - 0.5, is_bold=True, anchor="end")
        room -= width_of(count, NAME - 0.5, is_bold=True) + 6
    drawing.text(left, box.y + 19, box.name, width=room, size=NAME, is_bold=True)
    detail = ", ".join(box.details)
    if width_of(detail, SMALL) > right - left + 2:
        detail = box.details[0]  # the time is the least of it
    drawing.text(left, box.y + 33.5, detail, width=right - left + 2, size=SMALL, fill=MUTED)
    if box.count > 1:
        _draw_shares(drawing, box, left, right - left)


def _draw_shares(drawing: Drawing, box: Box, x: float, width: float) -> None:
    """Draw a bar, a part of it for each state; what is rare can be seen, too."""
    least = 3.0
    free = width - least * len(box.states)
    for state, count in box.states.items():
        part = least + free * count / box.count
        drawing.box(x, box.y + 40, part, 4, f"{count:,} {state}", fill=STATE_LOOKS[state].solid)
        x += part
