"""The picture of an entity: its state, how that came about, and what it has still to do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from durablenb.analysis.entities import EntityOperation, EntitySnapshot, OperationStatus
from durablenb.analysis.number_series import NumberSeries, number_series
from durablenb.notebook.palette import BLUE, GREEN, LOOKS, RED, SOLIDS, TINTS, Look, draw_glyph
from durablenb.notebook.svg import HAIR, INK, MUTED, WIDTH, Drawing, fitted, number, width_of
from durablenb.notebook.words import figure, moment, plural

_MARGIN = 20.0
_STATE = 206.0
"""How wide the state may be."""

_LABEL = 336.0
"""Where the names of operations end."""

_LEFT, _RIGHT = 348.0, WIDTH - 24.0
_PLOT = 84.0
_LANE = 19.0
_MOST_LANES = 6
_FIELDS = 5
_CHIP = 22.0


def entity_svg(picture: EntitySnapshot) -> tuple[str, str]:
    """Return the picture of an entity, and the sentence that says the same."""
    course = number_series(picture.done)
    sentence = sentence_of(picture, course)
    drawing = Drawing(WIDTH, sentence)
    y = max(_draw_state(drawing, picture, course), _draw_past(drawing, picture.done, course, picture))
    if picture.locks or picture.waiting:
        y = _draw_queue(drawing, picture, y + 10)
    return drawing.finished(y + 12), sentence


def sentence_of(picture: EntitySnapshot, course: NumberSeries | None) -> str:
    """Return what there is to see of an entity, as a sentence."""
    line = picture.line.strip("<>")
    last = course.values[-1] if course and picture.exists else None
    return line if course is None or last is None else f"{line}, {course.name or 'state'} {figure(last)}"


# -- the state -----------------------------------------------------------------------------------


def _draw_state(drawing: Drawing, picture: EntitySnapshot, course: NumberSeries | None) -> float:
    last = course.values[-1] if course else None
    if not picture.exists:
        drawing.text(_MARGIN, 30, "state", size=10.5, fill=MUTED)
        drawing.text(_MARGIN, 50, "none", size=14, fill=MUTED)
        return 62
    if course is None or last is None:
        drawing.text(_MARGIN, 30, "state", size=10.5, fill=MUTED)
        return _draw_lines(drawing, _lines_of(picture.state), 48)
    drawing.text(_MARGIN, 30, course.name or "state", size=10.5, fill=MUTED, width=_STATE)
    drawing.text(_MARGIN, 58, figure(last), size=25, is_bold=True, width=_STATE)
    rest = picture.state
    if course.name and isinstance(rest, dict):
        rest = {name: value for name, value in rest.items() if name != course.name}
        return _draw_lines(drawing, _lines_of(rest), 82) if rest else 68
    return 68


def _draw_lines(drawing: Drawing, lines: Sequence[tuple[str, str]], y: float) -> float:
    for name, value in lines:
        x = _MARGIN
        if name:
            label = fitted(name, _STATE / 2, 11)
            drawing.text(x, y, name, size=11, fill=MUTED, width=_STATE / 2)
            x += width_of(label, 11) + 8
        drawing.text(x, y, value, size=11.5, width=_MARGIN + _STATE - x)
        y += 17
    return y - 5


def _lines_of(state: Any) -> list[tuple[str, str]]:
    """Return a state as names and values; what is too much is counted."""
    if isinstance(state, dict):
        items = [(str(name), _short(value)) for name, value in list(state.items())[:_FIELDS]]
        more = len(state) - _FIELDS
        return items + ([("", f"… {plural(more, 'field')} more")] if more > 0 else [])
    if isinstance(state, list):
        items = [("", _short(value)) for value in state[:_FIELDS]]
        return [("", plural(len(state), "item")), *items[: _FIELDS - 1]]
    return [("", _short(state))]


def _short(value: Any) -> str:
    if isinstance(value, (dict, list)) and len(value) > 50:
        return plural(len(value), "field" if isinstance(value, dict) else "item")
    if isinstance(value, str):
        return value[:200]
    try:
        return json.dumps(value, ensure_ascii=False)[:200]
    except (TypeError, ValueError):
        return repr(value)[:200]


# -- the past ------------------------------------------------------------------------------------


def _draw_past(
    drawing: Drawing, done: Sequence[EntityOperation], course: NumberSeries | None, picture: EntitySnapshot
) -> float:
    """Draw what was done, the last operations from left to right, and the number in the state above."""
    if not done:
        drawing.text(_LEFT, 40, "nothing was done yet", size=11.5, fill=MUTED)
        return 52
    pitch = min((_RIGHT - _LEFT) / len(done), 44.0)
    places = [_LEFT + pitch * (place + 0.5) for place in range(len(done))]
    y = 22.0
    if course is not None and len(done) > 1:
        _draw_course(drawing, course, places, y)
        y += _PLOT + 12
    for name, operations in _lanes_of(done):
        y = _draw_lane(drawing, name, operations, places, pitch, y)
    first = picture.operations - len(done) + 1
    words = f"operation {first:,}" if len(done) == 1 else f"operations {first:,} to {picture.operations:,}"
    until = "" if picture.now is None else f", as of {moment(picture.now)} UTC"
    drawing.text(_LEFT, y + 13, words + until, size=10, fill=MUTED)
    _draw_samples(drawing, {operation.status for operation in done}, y + 13)
    return y + 18


def _draw_course(drawing: Drawing, course: NumberSeries, places: Sequence[float], y: float) -> None:
    values = [value for value in course.values if value is not None]
    low, high = min(values), max(values)
    if 0 < low < high / 2:
        low = 0.0
    bottom, span = y + _PLOT, high - low

    def level(value: float) -> float:
        return y + _PLOT / 2 if span == 0 else bottom - _PLOT * (value - low) / span

    drawing.path(f"M{number(_LEFT)} {number(bottom)}H{number(_RIGHT)}", fill="none", stroke=HAIR)
    drawing.path(f"M{number(_LEFT)} {number(y)}H{number(_RIGHT)}", fill="none", stroke=HAIR)
    ends = [(high, level(high))] if span == 0 else [(high, y), (low, bottom)]
    for value, at in ends:
        drawing.text(_LABEL, at + 3.5, figure(value), size=10, fill=MUTED, anchor="end")
    half = (places[1] - places[0]) / 2
    line, area = _paths(course, [(x - half, x + half) for x in places], level, bottom)
    drawing.path(area, fill=TINTS[BLUE])
    title = f"{course.name or 'the state'} after each operation"
    drawing.path(line, title, fill="none", stroke=BLUE, stroke_width=1.6, stroke_linejoin="round")


def _paths(
    course: NumberSeries,
    stretches: Sequence[tuple[float, float]],
    level: Callable[[float], float],
    bottom: float,
) -> tuple[str, str]:
    """Return the outline as stairs, and the ground below; where there is no number there is a gap."""
    line, area = "", ""
    before: float | None = None
    end = 0.0
    for value, (left, right) in zip(course.values, stretches, strict=True):
        if value is None:
            area += "" if before is None else f"V{number(bottom)}Z"
        else:
            top = number(level(value))
            if before is None:
                line += f"M{number(left)} {top}H{number(right)}"
                area += f"M{number(left)} {number(bottom)}V{top}H{number(right)}"
            else:
                line += f"V{top}H{number(right)}"
                area += f"V{top}H{number(right)}"
            end = right
        before = value
    return line, area + ("" if before is None or not end else f"V{number(bottom)}Z")


def _lanes_of(done: Sequence[EntityOperation]) -> list[tuple[str, list[tuple[int, EntityOperation]]]]:
    """Return the operations by name, those done most often first, what is too much as one."""
    counts = Counter(operation.name for operation in done)
    names = [name for name, _ in counts.most_common()]
    kept = names if len(names) <= _MOST_LANES else names[: _MOST_LANES - 1]
    rest = plural(len(names) - len(kept), "more name")
    lanes: dict[str, list[tuple[int, EntityOperation]]] = {name: [] for name in kept}
    hidden: list[tuple[int, EntityOperation]] = []
    for place, operation in enumerate(done):
        lanes.get(operation.name, hidden).append((place, operation))
    return [*lanes.items(), *([(rest, hidden)] if hidden else [])]


def _draw_lane(
    drawing: Drawing,
    name: str,
    operations: Iterable[tuple[int, EntityOperation]],
    places: Sequence[float],
    pitch: float,
    y: float,
) -> float:
    middle = y + _LANE / 2
    drawing.path(f"M{number(_LEFT)} {number(middle)}H{number(_RIGHT)}", fill="none", stroke=HAIR)
    left = _MARGIN + _STATE + 16
    label = fitted(name, _LABEL - left, 11)
    drawing.text(_LABEL - width_of(label, 11), middle + 3.8, name, size=11, width=_LABEL - left)
    half = max(min(pitch * 0.7, 9.0), 1.6) / 2
    ticks, crosses, failed, count = "", "", 0, 0
    for place, operation in operations:
        x = places[place]
        count += 1
        if operation.status == "Failed":
            failed += 1
            crosses += f"M{number(x - 4)} {number(middle - 4)}l8 8m0 -8l-8 8"
        else:
            ticks += f"M{number(x - half)} {number(middle - 5)}h{number(2 * half)}v10h{number(-2 * half)}z"
    if ticks:
        drawing.path(ticks, f"{name}: {count - failed:,} done", fill=SOLIDS[GREEN])
    if crosses:
        title = f"{name}: {failed:,} failed"
        drawing.path(crosses, title, fill="none", stroke=RED, stroke_width=2, stroke_linecap="round")
    return y + _LANE


def _draw_samples(drawing: Drawing, statuses: set[OperationStatus], y: float) -> None:
    """Say what the marks mean, from right to left."""
    x = _RIGHT
    if "Failed" in statuses:
        x -= width_of("failed", 10)
        drawing.text(x, y, "failed", size=10, fill=MUTED)
        d = f"M{number(x - 13)} {number(y - 7.5)}l8 8m0 -8l-8 8"
        drawing.path(d, fill="none", stroke=RED, stroke_width=2, stroke_linecap="round")
        x -= 26
    if "Completed" in statuses:
        x -= width_of("done", 10)
        drawing.text(x, y, "done", size=10, fill=MUTED)
        drawing.box(x - 12, y - 8.5, 7, 10, fill=SOLIDS[GREEN])


# -- the queue -----------------------------------------------------------------------------------


def _draw_queue(drawing: Drawing, picture: EntitySnapshot, y: float) -> float:
    """Draw who has locked it, and what waits; what has no room is counted."""
    drawing.path(f"M{number(_MARGIN)} {number(y)}H{number(WIDTH - _MARGIN)}", fill="none", stroke=HAIR)
    left = picture.queue_length + len(picture.locks)
    x, y = _MARGIN, y + 10
    for look, words, title, count in _chips_of(picture):
        wide = min(width_of(words, 11), 260.0) + 1
        room = WIDTH - _MARGIN - (70 if left > count else 0)
        if x + wide + 33 > room:
            break
        drawing.box(x, y, wide + 33, _CHIP, title, rx=5, fill=look.tint, stroke=look.solid)
        draw_glyph(drawing, look, x + 8, y + 5, 12)
        drawing.text(x + 25, y + 15, words, size=11, fill=INK, width=wide)
        x += wide + 41
        left -= count
    if left > 0:
        drawing.text(x + 4, y + 15, f"{left:,} more", size=11, fill=MUTED)
    return y + _CHIP


def _chips_of(picture: EntitySnapshot) -> Iterable[tuple[Look, str, str, int]]:
    """Yield what is in the queue, and for how many each of these stands."""
    for lock in picture.locks:
        if lock.is_held:
            yield LOOKS["Locked"], f"locked by {lock.owner}", f"since {moment(lock.since)} UTC", 1
    for (name, status), run in groupby(picture.waiting, key=lambda one: (one.name, one.status)):
        same = list(run)
        words = name if len(same) == 1 else f"{name} \N{MULTIPLICATION SIGN} {len(same)}"
        due, asked = moment(same[0].due), moment(same[0].queued)
        title = f"not before {due} UTC" if status == "Scheduled" else f"asked for at {asked} UTC"
        yield LOOKS[status], words, title, len(same)
    for lock in picture.locks:
        if not lock.is_held:
            yield LOOKS["Waiting"], f"lock for {lock.owner}", f"asked for at {moment(lock.since)} UTC", 1
