"""The lanes of a timeline: their bars, where there are few enough to draw one by one."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from durablenb.analysis.calls import Call
from durablenb.analysis.timeline import Span
from durablenb.model.events import TaskKind
from durablenb.notebook.marks import call_key, mark_of
from durablenb.notebook.palette import AMBER, RED, SOLIDS, VIOLET, call_look
from durablenb.notebook.scale import Scale
from durablenb.notebook.svg import MUTED, PLATE, Drawing, number, width_of
from durablenb.notebook.words import lasting, states_text

ROW = 16.0
_NARROW = 9.0
_LEAST = 3.0
_WIDE_ROWS = 12
_MOST_ROWS = 30
_MOST_BARS = 200
_MOST_BARS_IN_ALL = 400
_RIGHT_EDGE = 852


@dataclass(slots=True)
class Lane:
    """Calls of one name; what is open lasts until `now`. Where there are too many, it `is_strip`."""

    name: str
    kind: TaskKind
    calls: list[Call]
    now: datetime | None = None
    is_strip: bool = False
    rows: list[list[Call]] = field(default_factory=list)

    @property
    def marks(self) -> int:
        """How many bars there are to draw."""
        return sum(len(call.attempts) + len(call.pauses) for call in self.calls)

    def end_of(self, call: Call, span: Span) -> datetime:
        """When a span ends, or how far it has come."""
        return end_of(call, span, self.now)

    def end(self, call: Call) -> datetime:
        """When a call ends, or how far it has come; that of a lock includes its critical section."""
        last = call.attempts[-1]
        end = end_of(call, last, self.now)
        if call.pauses:
            end = max(end, end_of(call, call.pauses[-1], self.now))
        left = self.left(last)
        return end if left is None else max(end, left)

    def left(self, span: Span) -> datetime | None:
        """When a critical section was left, or how far it has come; None if it was not entered."""
        if span.kind != "lock" or span.state != "completed":
            return None
        return span.released or self.now


def end_of(call: Call, span: Span, now: datetime | None) -> datetime:
    """When a span of a call ends, or how far it has come by now."""
    is_open = call.state in ("open", "retrying", "not loaded") and span.state == "open"
    return span.ended if now is None or not is_open else max(now, span.ended)


def arrange(lanes: Sequence[Lane]) -> None:
    """Decide which lanes are strips, those with most calls first, and give the others rows."""
    left = _MOST_BARS_IN_ALL
    for lane in sorted(lanes, key=lambda lane: lane.marks):
        lane.is_strip = lane.marks > min(left, _MOST_BARS)
        if not lane.is_strip:
            lane.rows = _rows_of(lane)
            lane.is_strip = len(lane.rows) > _MOST_ROWS
            left -= lane.marks


def _rows_of(lane: Lane) -> list[list[Call]]:
    """Return the calls in as few rows as there are calls at a time."""
    rows: list[list[Call]] = []
    for call in lane.calls:
        row = next((row for row in rows if _comes_after(call, row[-1], lane)), None)
        if row is None:
            rows.append([call])
        else:
            row.append(call)
    return rows


def _comes_after(call: Call, before: Call, lane: Lane) -> bool:
    """Whether a call began when another one had ended; of those that take no time, later."""
    return before.asked < call.asked and lane.end(before) <= call.asked


# -- bars ----------------------------------------------------------------------------------------


def draw_bars(
    drawing: Drawing, lane: Lane, scale: Scale, y: float, path: Container[tuple[int, int]] = ()
) -> float:
    """Draw each call, those of a path pointed out, and return where the next lane may begin."""
    rows = lane.rows
    bars = _Bars(drawing, lane, scale, ROW if len(rows) <= _WIDE_ROWS else _NARROW)
    for row in rows:
        for place, call in enumerate(row):
            after = scale.place(row[place + 1].asked) if place + 1 < len(row) else _RIGHT_EDGE
            drawing.begin(**mark_of(call_key(call), call.name))
            if (call.execution, call.number) in path:
                bars.point_out(call, y + bars.row / 2)
            bars.draw(call, y + bars.row / 2, after)
            drawing.end()
        y += bars.row
    return max(y, y - len(rows) * bars.row + ROW)


class _Bars:
    """Draws calls as bars in rows of one height."""

    def __init__(self, drawing: Drawing, lane: Lane, scale: Scale, row: float) -> None:
        self._drawing = drawing
        self._lane = lane
        self._scale = scale
        self.row = row
        self._bar = 9.0 if row == ROW else row - 3

    def draw(self, call: Call, middle: float, after: float) -> None:
        """Draw a call on a line; the next one begins at `after`."""
        for pause in call.pauses:
            left, right = self._scale.place(pause.asked), self._scale.place(self._lane.end_of(call, pause))
            words = f"{lasting(pause.ended - pause.asked)} until the next attempt"
            d = f"M{number(left)} {number(middle)}H{number(right)}"
            self._line(d, words, SOLIDS[AMBER], 1.6, "2 2")
        kinds = {"timer": self._draw_timer, "signal": self._draw_signal, "lock": self._draw_lock}
        draw = {"external event": self._draw_event, **kinds}.get(call.kind, self._draw_attempt)
        for span in call.attempts:
            draw(call, span, middle)
        if self.row == ROW:
            self._write(call, middle, after)

    def point_out(self, call: Call, middle: float) -> None:
        """Draw a line around a call."""
        left, right = self._scale.place(call.asked), self._scale.place(self._lane.end(call))
        box = (left - 2, middle - self.row / 2 + 1, max(right - left, _LEAST) + 4, self.row - 2)
        self._drawing.box(*box, "on the critical path", rx=3, fill="none", stroke=VIOLET, stroke_width=1.6)

    def _line(self, d: str, title: str, colour: str, width: float, dashes: str = "") -> None:
        more = {"stroke_dasharray": dashes} if dashes else {}
        self._drawing.path(d, title, fill="none", stroke=colour, stroke_width=width, **more)

    def _write(self, call: Call, middle: float, after: float) -> None:
        end = self._lane.end(call)
        seconds = (end - call.asked).total_seconds()
        right = max(self._scale.place(end), self._scale.place(call.asked) + _LEAST)
        words = lasting(seconds) + (f", {len(call.attempts)} tries" if len(call.attempts) > 1 else "")
        if seconds >= 0.001 and width_of(words, 9.5) + 14 < after - right:
            self._drawing.text(right + 8, middle + 3.4, words, size=9.5, fill=MUTED)

    def _draw_attempt(self, call: Call, span: Span, middle: float) -> None:
        place, end = self._scale.place, self._lane.end_of(call, span)
        state = call.state if span is call.attempts[-1] and call.state != "retrying" else span.state
        look = call_look(state, call.kind)
        asked, ended = place(span.asked), place(end)
        started = place(span.started) if span.answer is not None else asked
        if started - asked >= 1:
            words = f"queued for {lasting(span.started - span.asked)}"
            self._line(f"M{number(asked)} {number(middle)}H{number(started)}", words, look.solid, 2)
        width = max(ended - started, _LEAST)
        width -= 1 if width > 2 * _LEAST else 0  # so that the next one stands off
        title = f"{call.name}, attempt {span.attempt}: {state}, {lasting(end - span.asked)}"
        top = middle - self._bar / 2
        if state in ("open", "not loaded", "left open"):
            dashes = {"stroke": look.solid, "stroke_dasharray": "3 2"}
            self._drawing.box(started, top, width, self._bar, title, rx=1.5, fill=look.tint, **dashes)
            return
        self._drawing.box(started, top, width, self._bar, title, rx=1.5, fill=look.solid)
        if call.kind == "sub-orchestration" and width > 6:
            self._line(f"M{number(started + 2)} {number(middle)}h{number(width - 4)}", "", PLATE, 1.6)
        if state == "failed":
            self._line(f"M{number(started + width - 3)} {number(middle - 6)}l6 12m0 -12l-6 12", "", RED, 1.8)

    def _draw_timer(self, call: Call, span: Span, middle: float) -> None:
        end = self._lane.end_of(call, span)
        left, right = self._scale.place(span.asked), self._scale.place(end)
        look = call_look(call.state, call.kind)
        width = max(right - left, _LEAST)
        what = states_text({call.state: 1}, "timer").removeprefix("1 ")
        top = middle - self._bar / 2 + 1
        title = f"timer: {what}, {lasting(end - span.asked)}"
        ground = {"fill": look.tint, "stroke": look.solid}
        self._drawing.box(left, top, width, self._bar - 2, title, rx=2.0, **ground)
        hatch = "".join(
            f"M{number(left + 3 + 6 * count)} {number(top + self._bar - 2)}l3 {number(2 - self._bar)}"
            for count in range(int((width - 6) // 6) + 1)
        )
        if hatch:
            self._line(hatch, "", look.solid, 1)

    def _draw_event(self, call: Call, span: Span, middle: float) -> None:
        left, right = self._scale.place(span.asked), self._scale.place(self._lane.end_of(call, span))
        look = call_look(call.state, call.kind)
        what = states_text({call.state: 1}, call.kind).removeprefix("1 ")
        self._line(f"M{number(left)} {number(middle)}H{number(right)}", "", look.solid, 1.6, "1.5 3")
        fill = look.solid if call.state == "completed" else PLATE
        d = f"M{number(right)} {number(middle - 5.5)}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"
        self._drawing.path(d, f"{call.name}: {what}", fill=fill, stroke=look.solid, stroke_width=1.4)

    def _draw_signal(self, call: Call, span: Span, middle: float) -> None:
        x, colour = self._scale.place(span.asked), call_look(call.state, call.kind).solid
        d = f"M{number(x)} {number(middle - 4.5)}l8 4.5l-8 4.5z"
        self._drawing.path(d, f"signal {call.name}: sent", fill=colour)

    def _draw_lock(self, call: Call, span: Span, middle: float) -> None:
        """Draw the wait for a lock, and then how long it was held."""
        left, right = self._scale.place(span.asked), self._scale.place(self._lane.end_of(call, span))
        look = call_look(call.state, call.kind)
        words = f"waited for {lasting(self._lane.end_of(call, span) - span.asked)}"
        self._line(f"M{number(left)} {number(middle)}H{number(right)}", words, look.solid, 1.6, "1.5 3")
        end = self._lane.left(span)
        if end is None:
            return
        width = max(self._scale.place(end) - right, _LEAST)
        top, title = middle - self._bar / 2, f"{call.name} locked for {lasting(end - span.ended)}"
        ground: dict[str, str | float] = {"fill": look.tint, "stroke": look.solid}
        if span.released is None:
            ground["stroke_dasharray"] = "3 2"
        self._drawing.box(right, top, width, self._bar, title, **ground)
        self._line(f"M{number(right)} {number(top - 2)}v{number(self._bar + 4)}", "", look.solid, 2)
