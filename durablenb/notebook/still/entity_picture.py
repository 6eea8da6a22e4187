"""The picture of an entity: its state, its last operations, and its queue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from durablenb.analysis.entities import EntityOperation, EntitySnapshot, OperationStatus
from durablenb.analysis.number_series import NumberSeries, number_series
from durablenb.notebook.palette import BLUE, GREEN, LOOKS, RED, SOLIDS, TINTS, Look, draw_glyph
from durablenb.notebook.svg import HAIR, INK, MUTED, NARROWER, WIDTH, Drawing, number, text_width, truncate
from durablenb.notebook.words import figure, plural, time_text

_MARGIN = 20.0
_PLOT = 84.0
_LANE = 19.0
_MOST_LANES = 6
_FIELDS = 5
_CHIP = 22.0


class _Columns(NamedTuple):
    """The columns of a picture.

    Parameters
    ----------
    state
        Maximum width of the state.
    label
        Right edge of the names of operations.
    left, right
        Edges of the operations.
    """

    state: float
    label: float
    left: float
    right: float


def _columns(width: float) -> _Columns:
    if width >= NARROWER:
        return _Columns(206, 336, 348, width - 24)
    return _Columns(100, 208, 220, width - 24)


def entity_svg(picture: EntitySnapshot, width: float = WIDTH) -> tuple[str, str]:
    """Return the picture of an entity, and its description."""
    course = number_series(picture.done)
    sentence = entity_sentence(picture, course)
    drawing = Drawing(width, sentence)
    y = max(_draw_state(drawing, picture, course), _draw_past(drawing, picture.done, course, picture))
    if picture.locks or picture.waiting:
        y = _draw_queue(drawing, picture, y + 10)
    return drawing.finished(y + 12), sentence


def entity_sentence(picture: EntitySnapshot, course: NumberSeries | None) -> str:
    """Return a description of an entity in a sentence."""
    line = picture.line.strip("<>")
    last = course.values[-1] if course and picture.exists else None
    return line if course is None or last is None else f"{line}, {course.name or 'state'} {figure(last)}"


# -- the state -----------------------------------------------------------------------------------


def _draw_state(drawing: Drawing, picture: EntitySnapshot, course: NumberSeries | None) -> float:
    columns = _columns(drawing.width)
    last = course.values[-1] if course else None
    if not picture.exists:
        drawing.text(_MARGIN, 30, "state", size=10.5, fill=MUTED)
        drawing.text(_MARGIN, 50, "none", size=14, fill=MUTED)
        return 62
    if course is None or last is None:
        drawing.text(_MARGIN, 30, "state", size=10.5, fill=MUTED)
        return _draw_lines(drawing, _state_lines(picture.state), 48)
    drawing.text(_MARGIN, 30, course.name or "state", size=10.5, fill=MUTED, width=columns.state)
    drawing.text(_MARGIN, 58, figure(last), size=25, is_bold=True, width=columns.state)
    rest = picture.state
    if course.name and isinstance(rest, dict):
        rest = {name: value for name, value in rest.items() if name != course.name}
        return _draw_lines(drawing, _state_lines(rest), 82) if rest else 68
    return 68


def _draw_lines(drawing: Drawing, lines: Sequence[tuple[str, str]], y: float) -> float:
    columns = _columns(drawing.width)
    for name, value in lines:
        x = _MARGIN
        if name:
            label = truncate(name, columns.state / 2, 11)
            drawing.text(x, y, name, size=11, fill=MUTED, width=columns.state / 2)
            x += text_width(label, 11) + 8
        drawing.text(x, y, value, size=11.5, width=_MARGIN + columns.state - x)
        y += 17
    return y - 5


def _state_lines(state: Any) -> list[tuple[str, str]]:
    """Return a state as names and values; surplus fields are counted."""
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
    """Draw the last operations from left to right, below the curve of the number in the state."""
    columns = _columns(drawing.width)
    if not done:
        drawing.text(columns.left, 40, "nothing was done yet", size=11.5, fill=MUTED)
        return 52
    pitch = min((columns.right - columns.left) / len(done), 44.0)
    xs = [columns.left + pitch * (index + 0.5) for index in range(len(done))]
    y = 22.0
    if course is not None and len(done) > 1:
        _draw_course(drawing, course, xs, y)
        y += _PLOT + 12
    for name, operations in _operation_lanes(done):
        y = _draw_lane(drawing, name, operations, xs, pitch, y)
    first = picture.operations - len(done) + 1
    words = f"operation {first:,}" if len(done) == 1 else f"operations {first:,} to {picture.operations:,}"
    until = "" if picture.now is None else f", as of {time_text(picture.now)} UTC"
    start = columns.left if drawing.width >= NARROWER else _MARGIN
    drawing.text(start, y + 13, words + until, size=10, fill=MUTED)
    _draw_samples(drawing, {operation.status for operation in done}, y + 13)
    return y + 18


def _draw_course(drawing: Drawing, course: NumberSeries, xs: Sequence[float], y: float) -> None:
    columns = _columns(drawing.width)
    values = [value for value in course.values if value is not None]
    low, high = min(values), max(values)
    if 0 < low < high / 2:
        low = 0.0
    bottom, span = y + _PLOT, high - low

    def level(value: float) -> float:
        return y + _PLOT / 2 if span == 0 else bottom - _PLOT * (value - low) / span

    drawing.path(
        f"M{number(columns.left)} {number(bottom)}H{number(columns.right)}", fill="none", stroke=HAIR
    )
    drawing.path(f"M{number(columns.left)} {number(y)}H{number(columns.right)}", fill="none", stroke=HAIR)
    ends = [(high, level(high))] if span == 0 else [(high, y), (low, bottom)]
    for value, at in ends:
        drawing.text(columns.label, at + 3.5, figure(value), size=10, fill=MUTED, anchor="end")
    half = (xs[1] - xs[0]) / 2
    line, area = _paths(course, [(x - half, x + half) for x in xs], level, bottom)
    drawing.path(area, fill=TINTS[BLUE])
    title = f"{course.name or 'the state'} after each operation"
    drawing.path(line, title, fill="none", stroke=BLUE, stroke_width=1.6, stroke_linejoin="round")


def _paths(
    course: NumberSeries,
    stretches: Sequence[tuple[float, float]],
    level: Callable[[float], float],
    bottom: float,
) -> tuple[str, str]:
    """Return the curve as steps, and the area below; both have gaps where there is no number."""
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


def _operation_lanes(done: Sequence[EntityOperation]) -> list[tuple[str, list[tuple[int, EntityOperation]]]]:
    """Return the operations by name, the most frequent first; surplus names share the last lane."""
    counts = Counter(operation.name for operation in done)
    names = [name for name, _ in counts.most_common()]
    kept = names if len(names) <= _MOST_LANES else names[: _MOST_LANES - 1]
    rest = plural(len(names) - len(kept), "more name")
    lanes: dict[str, list[tuple[int, EntityOperation]]] = {name: [] for name in kept}
    hidden: list[tuple[int, EntityOperation]] = []
    for index, operation in enumerate(done):
        lanes.get(operation.name, hidden).append((index, operation))
    return [*lanes.items(), *([(rest, hidden)] if hidden else [])]


def _draw_lane(
    drawing: Drawing,
    name: str,
    operations: Iterable[tuple[int, EntityOperation]],
    xs: Sequence[float],
    pitch: float,
    y: float,
) -> float:
    columns = _columns(drawing.width)
    middle = y + _LANE / 2
    drawing.path(
        f"M{number(columns.left)} {number(middle)}H{number(columns.right)}", fill="none", stroke=HAIR
    )
    left = _MARGIN + columns.state + 16
    label = truncate(name, columns.label - left, 11)
    drawing.text(
        columns.label - text_width(label, 11), middle + 3.8, name, size=11, width=columns.label - left
    )
    half = max(min(pitch * 0.7, 9.0), 1.6) / 2
    ticks, crosses, failed, count = "", "", 0, 0
    for index, operation in operations:
        x = xs[index]
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
    """Draw the legend of the marks, from right to left."""
    columns = _columns(drawing.width)
    x = columns.right
    if "Failed" in statuses:
        x -= text_width("failed", 10)
        drawing.text(x, y, "failed", size=10, fill=MUTED)
        d = f"M{number(x - 13)} {number(y - 7.5)}l8 8m0 -8l-8 8"
        drawing.path(d, fill="none", stroke=RED, stroke_width=2, stroke_linecap="round")
        x -= 26
    if "Completed" in statuses:
        x -= text_width("done", 10)
        drawing.text(x, y, "done", size=10, fill=MUTED)
        drawing.box(x - 12, y - 8.5, 7, 10, fill=SOLIDS[GREEN])


# -- the queue -----------------------------------------------------------------------------------


def _draw_queue(drawing: Drawing, picture: EntitySnapshot, y: float) -> float:
    """Draw locks and waiting operations; those without room are counted."""
    drawing.path(
        f"M{number(_MARGIN)} {number(y)}H{number(drawing.width - _MARGIN)}", fill="none", stroke=HAIR
    )
    left = picture.queue_length + len(picture.locks)
    x, y = _MARGIN, y + 10
    for look, words, title, count in _queue_chips(picture):
        wide = min(text_width(words, 11), 260.0) + 1
        room = drawing.width - _MARGIN - (70 if left > count else 0)
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


def _queue_chips(picture: EntitySnapshot) -> Iterable[tuple[Look, str, str, int]]:
    """Yield the chips of the queue, each with the number of entries that it represents."""
    for lock in picture.locks:
        if lock.is_held:
            yield LOOKS["Locked"], f"locked by {lock.owner}", f"since {time_text(lock.since)} UTC", 1
    for (name, status), run in groupby(picture.waiting, key=attrgetter("name", "status")):
        same = list(run)
        words = name if len(same) == 1 else f"{name} \N{MULTIPLICATION SIGN} {len(same)}"
        due, queued = time_text(same[0].due), time_text(same[0].queued)
        title = f"not before {due} UTC" if status == "Scheduled" else f"queued at {queued} UTC"
        yield LOOKS[status], words, title, len(same)
    for lock in picture.locks:
        if not lock.is_held:
            yield LOOKS["Waiting"], f"lock for {lock.owner}", f"requested at {time_text(lock.since)} UTC", 1
