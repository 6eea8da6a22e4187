"""Two instances side by side: bars for each step, and a table of differences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from durablenb.analysis.calls import Call
from durablenb.analysis.compare import Comparison, Pair, Side, took_text
from durablenb.analysis.text import shortened, table_text
from durablenb.notebook.html import Markup, card, code, fold, heading, line, markup, picture, table
from durablenb.notebook.palette import BLUE, RED, SOLIDS, VIOLET
from durablenb.notebook.svg import HAIR, MUTED, RIM, WIDTH, Drawing, number
from durablenb.notebook.words import lasting, plural

_DRAWN = 40
_MOST = 200
_ROW = 26
_NAMES = 210
_RIGHT = WIDTH - 150
_SHARED = "#eef1f4"


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
    return card(title, picture(_drawing(shown)), _sides(shown), _differences(shown), _steps(shown))


def comparison_text(shown: Comparison) -> str:
    """Return a comparison as text, without times."""
    rows = [(pair.number, pair.name, _verdict(pair)) for pair in shown[:_MOST]]
    more = f"\n… {len(shown) - _MOST:,} steps more" if len(shown) > _MOST else ""
    return f"{shown!r}\n{table_text(('step', '', ''), rows, 80)}{more}" if rows else repr(shown)


def _drawing(shown: Comparison) -> tuple[str, str] | None:
    """Draw two bars for each step, one for each instance, relative to its own start."""
    if not len(shown):
        return None
    sentence = f"{shown.a.instance_id} and {shown.b.instance_id}: {shown.summary}"
    drawing = Drawing(WIDTH, sentence)
    longest = max(shown.a.duration, shown.b.duration, timedelta(microseconds=1))
    y = _legend(drawing, shown)
    pairs = _drawn(shown)
    before = 0
    for pair in pairs:
        if pair.number != before + 1:
            left_out = pair.number - before - 1
            drawing.text(42, y + 14, f"… {plural(left_out, 'step')} alike", size=10.5, fill=MUTED)
            y += _ROW - 6
        before = pair.number
        _draw(drawing, pair, shown, longest, y)
        y += _ROW
    rest = len(shown) - before
    if rest:
        drawing.text(42, y + 14, f"… {plural(rest, 'more step')}", size=10.5, fill=MUTED)
        y += _ROW - 6
    return drawing.finished(y + 8), sentence


def _legend(drawing: Drawing, shown: Comparison) -> float:
    for x, colour, label, side in ((20, BLUE, "a", shown.a), (WIDTH / 2, VIOLET, "b", shown.b)):
        drawing.box(x, 14, 14, 7, rx=1.5, fill=SOLIDS[colour])
        words = f"{label}: {side.instance_id}, {lasting(side.duration)}"
        drawing.text(x + 20, 21, words, size=11, fill=colour, width=WIDTH / 2 - 50)
    if not any(pair.is_shared for pair in shown):
        return 34.0
    drawing.box(20, 32, 14, 7, rx=1.5, fill=_SHARED, stroke=RIM)
    drawing.text(40, 39, "shared history", size=11, fill=MUTED)
    return 50.0


def _drawn(shown: Comparison) -> list[Pair]:
    """Return the steps to draw: all, or else the differing ones and the first ones."""
    if len(shown) <= _DRAWN:
        return list(shown)
    telling = [pair for pair in shown if pair.differences][: _DRAWN // 2]
    others = [pair for pair in shown if not pair.differences][: _DRAWN - len(telling)]
    return sorted([*telling, *others], key=lambda pair: pair.number)


def _draw(drawing: Drawing, pair: Pair, shown: Comparison, longest: timedelta, y: float) -> None:
    if pair.is_shared:
        drawing.box(20, y, WIDTH - 40, _ROW, "shared past", fill=_SHARED)
    drawing.path(f"M20 {number(y)}H{WIDTH - 20}", fill="none", stroke=HAIR)
    differs = bool(pair.differences)
    if differs:
        drawing.path(f"M20 {number(y + 8)}l5 5l-5 5z", _verdict(pair), fill=RED)
    drawing.text(34, y + 17, pair.name, size=11.5, is_bold=differs, width=_NAMES - 40)
    for call, side, colour, top in ((pair.a, shown.a, BLUE, 6), (pair.b, shown.b, VIOLET, 15)):
        _bar(drawing, call, side, colour, y + top, longest)
    words = " | ".join(took_text(call) or "-" for call in (pair.a, pair.b))
    drawing.text(WIDTH - 20, y + 17, words, size=10.5, fill=RED if differs else MUTED, anchor="end")


def _bar(drawing: Drawing, call: Call | None, side: Side, colour: str, y: float, longest: timedelta) -> None:
    if call is None:
        return
    room = _RIGHT - _NAMES
    left = _NAMES + room * max((call.scheduled - side.started.timestamp) / longest, 0)
    width = max(3.0, room * ((call.ended - call.scheduled) / longest))
    title = f"{side.instance_id}: {call.name}, {call.state}, {took_text(call)}"
    drawing.box(min(left, _RIGHT - 3), y, width, 7, title, rx=1.5, fill=SOLIDS[colour])


def _sides(shown: Comparison) -> Markup:
    rows = [
        (
            label,
            code(side.instance_id, 256),
            line(side.started.name),
            code(side.started.input, 100),
            lasting(side.duration),
            plural(side.episodes, "episode"),
            line(side.outcome, 160),
        )
        for label, side in (("a", shown.a), ("b", shown.b))
    ]
    return table(("", "instance", "orchestrator", "input", "took", "", "end"), rows)


def _differences(shown: Comparison) -> Markup:
    differences = shown.differences
    rows: list[Sequence[object]] = [
        (
            "" if difference.step is None else f"{difference.step:,}",
            line(difference.name),
            difference.what,
            code(difference.a, 120),
            code(difference.b, 120),
            " | ".join(
                "" if event is None else f"{event:,}" for event in (difference.a_event, difference.b_event)
            ),
        )
        for difference in differences[:_MOST]
    ]
    if len(differences) > _MOST:
        rows.append((f"{len(differences) - _MOST:,} more", "", "", "", "", ""))
    header = ("step", "name", "differs in", "a", "b", "events")
    title = f"What differs: {plural(len(differences), 'difference')}"
    return fold(title, table(header, rows), is_open=True) if rows else Markup("")


def _steps(shown: Comparison) -> Markup:
    rows: list[Sequence[object]] = [
        (
            f"{pair.number:,}",
            line(pair.name),
            took_text(pair.a),
            took_text(pair.b),
            _slower(pair),
            _verdict(pair),
        )
        for pair in shown[:_MOST]
    ]
    if len(shown) > _MOST:
        rows.append((f"{len(shown) - _MOST:,} more", "", "", "", "", ""))
    return fold(plural(len(shown), "step"), table(("step", "name", "a took", "b took", "b - a", ""), rows))


def _slower(pair: Pair) -> str:
    one, other = pair.durations
    if one is None or other is None:
        return ""
    more = other - one
    return f"{'-' if more < timedelta() else '+'}{lasting(abs(more))}"


def _verdict(pair: Pair) -> str:
    if pair.a is None or pair.b is None:
        return "only in b" if pair.a is None else "only in a"
    words = ", ".join(
        f"{one.what}: {shortened(one.a, 40)} | {shortened(one.b, 40)}" for one in pair.differences
    )
    return words or ("shared past" if pair.is_shared else "the same")
