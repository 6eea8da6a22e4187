"""Two instances side by side: bars for each step or fan-out on one time axis, and tables of differences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from durablenb.analysis.calls import Call
from durablenb.analysis.compare import Comparison, Side, took_text
from durablenb.analysis.compare_groups import PairGroup, group_differences, group_pairs, side_text
from durablenb.analysis.text import table_text
from durablenb.analysis.value_text import value_text
from durablenb.notebook.html import Markup, card, code, fold, heading, line, markup, responsive_picture, table
from durablenb.notebook.palette import BLUE, RED, SOLIDS, VIOLET
from durablenb.notebook.still.time_scale import Scale
from durablenb.notebook.svg import HAIR, MUTED, NARROWER, RIM, Drawing, number
from durablenb.notebook.words import lasting, plural

_DRAWN = 40
_MOST = 200
_FEW = 6
"""Differences up to which their table is open."""

_OPEN = 12
"""Rows up to which the table of steps is open, if it has groups."""

_LEAST = 440
"""Width in pixels of the variant for the narrowest pages."""

_ROW = 26
_TIMES = 130
_SHARED = "#f0f2f5"


def comparison_card(shown: Comparison) -> str:
    """Return a comparison as a picture and tables."""
    title = heading(
        markup("<b>Comparison</b>"),
        "of",
        code(shown.a.instance_id, 256),
        "(a) and",
        code(shown.b.instance_id, 256),
        "(b) ·",
        line(shown.summary, 300),
    )
    groups = group_pairs(shown)
    return card(
        title,
        responsive_picture(partial(_drawing, shown, groups), least=_LEAST),
        _sides(shown),
        _differences(shown),
        _steps(shown, groups),
    )


def comparison_text(shown: Comparison) -> str:
    """Return a comparison as text, without times."""
    groups = group_pairs(shown)
    rows = [(group.numbers, group.name, group.verdict) for group in groups[:_MOST]]
    more = f"\n… {_steps_in(groups[_MOST:]):,} steps more" if len(groups) > _MOST else ""
    return f"{shown!r}\n{table_text(('step', '', ''), rows, 80)}{more}" if rows else repr(shown)


def _steps_in(groups: Sequence[PairGroup]) -> int:
    return sum(len(group.pairs) for group in groups)


# -- the picture ---------------------------------------------------------------------------------


def _drawing(shown: Comparison, groups: Sequence[PairGroup], width: float) -> tuple[str, str] | None:
    """Draw two bars for each group of steps, one for each instance, relative to its own start."""
    if not groups:
        return None
    sentence = f"{shown.a.instance_id} and {shown.b.instance_id}: {shown.summary}"
    drawing = Drawing(width, sentence)
    drawn = _drawn(groups)
    axis = _Axis(shown, drawn, width)
    top = y = _legend(drawing, shown) + 18
    rows = Drawing(width, "")
    before = -1
    for index in drawn:
        y = _draw_left_out(rows, groups[before + 1 : index], y)
        _draw(rows, groups[index], axis, y)
        before, y = index, y + _ROW
    y = _draw_left_out(rows, groups[before + 1 :], y)
    axis.draw(drawing, top, y)
    drawing.add(rows)
    return drawing.finished(y + 8), sentence


def _draw_left_out(drawing: Drawing, groups: Sequence[PairGroup], y: float) -> float:
    if not groups:
        return y
    drawing.text(42, y + 14, f"… {plural(_steps_in(groups), 'more step')}", size=10.5, fill=MUTED)
    return y + _ROW - 6


class _Axis:
    """The time axis of both instances: seconds since the start of each."""

    def __init__(self, shown: Comparison, drawn: dict[int, PairGroup], width: float) -> None:
        self._right = width - _TIMES
        self._zero = shown.a.started.timestamp
        self._sides = shown.a, shown.b
        longest = max(shown.a.duration, shown.b.duration)
        busy = [
            (self._moment(side, call.scheduled), self._moment(side, call.ended))
            for group in drawn.values()
            for side, calls in zip(self._sides, group.sides, strict=True)
            for call in calls
            if call.kind not in ("timer", "external event")
        ]
        left = _names(width)
        self._scale = Scale(self._zero, self._zero + longest, busy, left, self._right - left)

    def _moment(self, side: Side, when: datetime) -> datetime:
        """Return a time of one instance, as if it had begun with the first."""
        return self._zero + side.since_start(when)

    def stretch(self, is_b: bool, calls: Sequence[Call]) -> tuple[float, float]:
        """Return the left edge and the width of the bar of calls."""
        side = self._sides[is_b]
        left = self._scale.position(self._moment(side, min(call.scheduled for call in calls)))
        right = self._scale.position(self._moment(side, max(call.ended for call in calls)))
        return min(left, self._right - 3), max(3.0, right - left)

    def draw(self, drawing: Drawing, top: float, bottom: float) -> None:
        """Draw the ticks, and bands for folded time, between two heights."""
        for piece in self._scale.pieces:
            if piece.is_fold:
                wide = piece.right - piece.left
                words = f"{lasting(piece.end - piece.begin)} without work"
                drawing.box(piece.left, top, wide, bottom - top, words, fill=_SHARED, stroke=RIM)
                drawing.text((piece.left + piece.right) / 2, top - 5, "…", fill=MUTED, anchor="middle")
        end = -100.0
        for x, words in self._scale.ticks():
            if x - end > 50 and x <= self._right + 1:
                drawing.text(x, top - 5, words, size=10, fill=MUTED, anchor="middle")
                drawing.path(f"M{number(x)} {number(top)}v4", fill="none", stroke=MUTED)
                end = x


def _names(width: float) -> float:
    """Return where the bars begin, right of the names, in a picture of this width."""
    return 230 if width >= NARROWER else 170 if width > _LEAST else 130


def _legend(drawing: Drawing, shown: Comparison) -> float:
    is_wide = drawing.width >= NARROWER
    room = drawing.width / 2 if is_wide else drawing.width
    y = 14.0
    for place, (colour, label, side) in enumerate(((BLUE, "a", shown.a), (VIOLET, "b", shown.b))):
        x = 20 + place * (room - 20) if is_wide else 20
        y += 0 if is_wide else 18 * place
        drawing.box(x, y, 14, 7, rx=1.5, fill=SOLIDS[colour])
        words = f"{label}: {side.instance_id}, {side.run_time}"
        drawing.text(x + 20, y + 7, words, size=11, fill=colour, width=room - 50)
    if any(pair.is_shared for pair in shown):
        y += 18
        drawing.box(20, y, 14, 7, rx=1.5, fill=_SHARED, stroke=RIM)
        drawing.text(40, y + 7, "shared history", size=11, fill=MUTED)
    return y + 20 if y == 14 else y + 18


def _drawn(groups: Sequence[PairGroup]) -> dict[int, PairGroup]:
    """Return the groups to draw by their places: all, or else the differing ones and the first ones."""
    if len(groups) <= _DRAWN:
        return dict(enumerate(groups))
    telling = [index for index, group in enumerate(groups) if group.differing][: _DRAWN // 2]
    others = [index for index, group in enumerate(groups) if not group.differing][: _DRAWN - len(telling)]
    return {index: groups[index] for index in sorted([*telling, *others])}


def _draw(drawing: Drawing, group: PairGroup, axis: _Axis, y: float) -> None:
    if group.first.is_shared:
        drawing.box(20, y, drawing.width - 40, _ROW, "shared history", fill=_SHARED)
    drawing.path(f"M20 {number(y)}H{number(drawing.width - 20)}", fill="none", stroke=HAIR)
    if group.differing:
        drawing.path(f"M20 {number(y + 8)}l5 5l-5 5z", group.verdict, fill=RED)
    room = _names(drawing.width) - 44
    drawing.text(34, y + 17, group.name, size=11.5, is_bold=group.differing > 0, width=room)
    for is_b, (calls, colour) in enumerate(zip(group.sides, (BLUE, VIOLET), strict=True)):
        if calls:
            left, width = axis.stretch(bool(is_b), calls)
            states = ", ".join(dict.fromkeys(call.state for call in calls))
            title = f"{'ab'[is_b]}: {group.name}, {states}, {_took(calls)}"
            look = {"fill": SOLIDS[colour]}
            drawing.box(left, y + (15 if is_b else 6), width, 7, title, rx=1.5, **look)
    took = [_took(calls) for calls in group.sides]
    words = " | ".join(text or "-" for text in took) if set(took) - {"0 s", ""} else ""
    drawing.text(drawing.width - 20, y + 17, words, size=10.5, fill=MUTED, anchor="end")


def _took(calls: Sequence[Call]) -> str:
    """Return how long calls took, from the first request to the last end."""
    if len(calls) < 2 or all(call.is_cached for call in calls):
        return took_text(calls[0]) if calls else ""
    return lasting(max(call.ended for call in calls) - min(call.scheduled for call in calls))


# -- the tables ----------------------------------------------------------------------------------


def _sides(shown: Comparison) -> Markup:
    """Return a row for each property, so that two long ids and inputs have room in a narrow page."""
    sides = (shown.a, shown.b)
    rows: list[Sequence[object]] = [
        ("orchestrator", *(_breakable(line(side.started.name)) for side in sides)),
        ("input", *(_breakable(code(value_text(side.started.input), 100)) for side in sides)),
        ("took", *(_breakable(line(side.run_time)) for side in sides)),
        ("episodes", *(f"{side.episodes:,}" for side in sides)),
    ]
    if shown.a.spent or shown.b.spent:
        rows.append(("models", *(_breakable(line(side.spent)) for side in sides)))
    rows += [
        ("end", *(_breakable(line(side.outcome_text, 160)) for side in sides)),
        (
            "step through it",
            *(_breakable(code(f"%durable explore {side.instance_id}", 300)) for side in sides),
        ),
    ]
    names = (
        markup(f"{label}: ", _breakable(code(side.instance_id, 256)))
        for label, side in zip("ab", sides, strict=True)
    )
    return table(("", *names), rows)


def _breakable(text: str) -> Markup:
    """Return text that may break anywhere, where there is no room for a long word."""
    return markup('<span style="overflow-wrap:anywhere">', text, "</span>")


def _differences(shown: Comparison) -> Markup:
    groups = group_differences(shown.differences)
    rows: list[Sequence[object]] = []
    for group in groups[:_MOST]:
        first, last = group[0], group[-1]
        steps = "" if first.step is None else f"{first.step:,}"
        if last is not first and first.step is not None and last.step is not None:
            is_run = last.step - first.step < len(group)
            steps += f"\N{EN DASH}{last.step:,}" if is_run else f" \N{HORIZONTAL ELLIPSIS} {last.step:,}"
        times = f"{len(group):,} \N{MULTIPLICATION SIGN} " if len(group) > 1 else ""
        example = "e.g. " if len(group) > 1 else ""
        events = " | ".join("" if event is None else f"{event:,}" for event in (first.a_event, first.b_event))
        sides = (_breakable(code(side_text(side, 120), 120)) for side in (first.a, first.b))
        rows.append((steps, _breakable(line(first.name)), f"{times}{first.what}", *sides, example + events))
    if len(groups) > _MOST:
        rows.append((f"{len(groups) - _MOST:,} more", "", "", "", "", ""))
    header = ("step", "name", "differs in", "a", "b", "events")
    title = f"What differs: {plural(len(shown.differences), 'difference')}"
    return fold(title, table(header, rows), is_open=len(groups) <= _FEW) if rows else Markup("")


def _steps(shown: Comparison, groups: Sequence[PairGroup]) -> Markup:
    rows: list[Sequence[object]] = [
        (
            group.numbers,
            _breakable(line(group.name)),
            *(_took(calls) for calls in group.sides),
            _slower(group),
            _breakable(line(group.verdict)),
        )
        for group in groups[:_MOST]
    ]
    if len(groups) > _MOST:
        rows.append((f"{_steps_in(groups[_MOST:]):,} more", "", "", "", "", ""))
    listed = table(("step", "name", "a took", "b took", "b - a", ""), rows)
    return fold(plural(len(shown), "step"), listed, is_open=len(groups) < len(shown) and len(groups) <= _OPEN)


def _slower(group: PairGroup) -> str:
    a, b = group.sides
    if not a or not b:
        return ""
    took = [max(call.ended for call in calls) - min(call.scheduled for call in calls) for calls in (a, b)]
    more = took[1] - took[0]
    return "" if not more else f"{'-' if more < timedelta() else '+'}{lasting(abs(more))}"
