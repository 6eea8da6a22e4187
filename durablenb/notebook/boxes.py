"""The boxes of a graph: a shape for each kind of task, a glyph, a word and a colour for each status."""

from __future__ import annotations

from typing import cast

from durablenb.model.events import TaskKind
from durablenb.notebook.marks import mark_of
from durablenb.notebook.nodes import INSET, NAME, SMALL, Box
from durablenb.notebook.palette import STATE_LOOKS, Look, call_look, draw_glyph, look_of
from durablenb.notebook.svg import MUTED, Drawing, number, width_of

_CALM = ("completed", "canceled", "left open")
_STACK = 3
_LID = 3
_CORNER = 7


def draw_box(drawing: Drawing, box: Box, of: str = "") -> None:
    """Draw a box where it stands; `of` is the sub-orchestration whose step it is, if it is one of that."""
    if box.kind == "start":
        drawing.mark("circle", box.title, cx=box.x + 7, cy=box.middle, r=6, fill=MUTED)
    elif box.kind == "end":
        _draw_end(drawing, box)
    else:
        key = f"step {box.key}{f' of {of}' if of else ''}"
        drawing.begin(**mark_of(key, box.title))
        _draw_step(drawing, box)
        drawing.end()
        if box.can_open:
            _draw_controls(drawing, box, key)


def _draw_controls(drawing: Drawing, box: Box, key: str) -> None:
    """Draw what opens and folds a sub-orchestration, and what shows the next one of many."""
    x, y = box.x + box.width - 27, box.y + (23 if box.inside is None or box.count > 1 else 10)
    if box.inside is None:
        drawing.control(x, y, "+", f"open {box.name} in the graph", data_do="fold", data_id=key)
        return
    drawing.control(x, y, "-", f"fold {box.name}", data_do="fold", data_id=key)
    if box.count > 1:
        do = {"data_do": "member", "data_id": key}
        drawing.control(x - 28, y, ">", f"the next {box.name}", data_name="next", **do)
        drawing.control(x - 54, y, "<", f"the {box.name} before", data_name="before", **do)


def _draw_end(drawing: Drawing, box: Box) -> None:
    look = look_of(box.name)
    y = box.middle - 13
    drawing.box(box.x, y, box.width, 26, box.title, rx=13, fill=look.tint, stroke=look.solid)
    draw_glyph(drawing, look, box.x + 8, y + 6)
    drawing.text(box.x + 27, y + 17.2, box.name, size=SMALL + 1, is_bold=True, fill=look.colour)


def _draw_step(drawing: Drawing, box: Box) -> None:
    state = next(iter(box.states))
    look = STATE_LOOKS[state] if box.kind == "folded" else call_look(state, cast(TaskKind, box.kind))
    if box.count > 1:
        for shift in (2 * _STACK, _STACK):
            _draw_outline(drawing, box, shift, "", look, "#ffffff")
    is_plain = state in _CALM or box.inside is not None
    _draw_outline(drawing, box, 0, box.title, look, "#ffffff" if is_plain else look.tint)
    if box.kind == "sub-orchestration":
        inner = {"rx": 4, "stroke_width": 0.8}
        drawing.box(
            box.x + 3, box.y + 3, box.width - 6, box.height - 6, **inner, fill="none", stroke=look.solid
        )
    _write(drawing, box, look)


def _draw_outline(drawing: Drawing, box: Box, shift: float, title: str, look: Look, fill: str) -> None:
    """Draw a box's shape: timers round, external events pointed, entities as what keeps something."""
    x, y, width, height = box.x + shift, box.y - shift, box.width, box.height
    path = _OUTLINES.get(box.kind)
    line: dict[str, str | float] = {"fill": fill, "stroke": look.solid, "stroke_width": 1.2}
    if path is not None:
        drawing.path(f"M{number(x)} {number(y)}{path(width, height)}", title, **line)
    else:
        drawing.box(x, y, width, height, title, rx=height / 2 if box.kind == "timer" else 6, **line)


def _event(width: float, height: float) -> str:
    """Pointed at both sides."""
    wide, half = number(width - 20), number(height / 2)
    return f"m10 0h{wide}l10 {half}l-10 {half}h-{wide}l-10 -{half}z"


def _signal(width: float, height: float) -> str:
    """A flag that points to where it goes."""
    wide, half = number(width - 10), number(height / 2)
    return f"h{wide}l10 {half}l-10 {half}h-{wide}l7 -{half}z"


def _store(width: float, height: float) -> str:
    """A drum, as databases are drawn."""
    half, wide, side = number(width / 2), number(width), number(height - 2 * _LID)
    lid = f"q{half} {2 * _LID} {wide} 0"
    return f"m0 {_LID}{lid}v{side}q-{half} {2 * _LID} -{wide} 0v-{side}q{half} -{2 * _LID} {wide} 0"


def _lock(width: float, height: float) -> str:
    """The corners cut off."""
    wide, high, cut = number(width - 2 * _CORNER), number(height - 2 * _CORNER), _CORNER
    return f"m{cut} 0h{wide}l{cut} {cut}v{high}l-{cut} {cut}h-{wide}l-{cut} -{cut}v-{high}z"


_OUTLINES = {"external event": _event, "signal": _signal, "entity call": _store, "lock": _lock}


def _write(drawing: Drawing, box: Box, look: Look) -> None:
    inset = 14 if box.kind in INSET else 9
    if box.kind == "signal":
        _write_line(drawing, box, look, inset)
        return
    left, right = box.x + inset + 20, box.x + box.width - inset
    draw_glyph(drawing, look, box.x + inset, box.y + 8)
    room = right - left
    if box.count > 1 and box.kind != "folded":
        count = f"\N{MULTIPLICATION SIGN} {box.count:,}"
        drawing.text(right, box.y + 19, count, size=NAME - 0.5, is_bold=True, anchor="end")
        room -= width_of(count, NAME - 0.5, is_bold=True) + 6
    drawing.text(left, box.y + 19, box.name, width=room, size=NAME, is_bold=True)
    room = right - left - (_room_of_controls(drawing, box) if box.can_open else 0)
    details = list(box.details)
    while len(details) > 1 and width_of(", ".join(details), SMALL) > room + 2:
        details.pop()  # the time is the least of it
    drawing.text(left, box.y + 33.5, ", ".join(details), width=room + 2, size=SMALL, fill=MUTED)
    if box.count > 1:
        _draw_shares(drawing, box, left, room)


def _room_of_controls(drawing: Drawing, box: Box) -> float:
    return drawing.control_room * (1 if box.inside is None or box.count == 1 else 3)


def _write_line(drawing: Drawing, box: Box, look: Look, inset: float) -> None:
    """Write the name alone."""
    left, right = box.x + inset + 18, box.x + box.width - inset + 2
    draw_glyph(drawing, look, box.x + inset, box.y + 8, 12)
    room = right - left
    if box.count > 1:
        count = f"\N{MULTIPLICATION SIGN} {box.count:,}"
        drawing.text(right, box.y + 18, count, size=SMALL, is_bold=True, anchor="end")
        room -= width_of(count, SMALL, is_bold=True) + 6
    drawing.text(left, box.y + 18, box.name, width=room, size=SMALL + 0.5)


def _draw_shares(drawing: Drawing, box: Box, x: float, width: float) -> None:
    """Draw a bar, a part of it for each state; what is rare can be seen, too."""
    least = 3.0
    free = width - least * len(box.states)
    for state, count in box.states.items():
        part = least + free * count / box.count
        drawing.box(x, box.y + 40, part, 4, f"{count:,} {state}", fill=STATE_LOOKS[state].solid)
        x += part
