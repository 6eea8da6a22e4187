"""The lanes of a timeline: a bar for each call, or a strip with the number of open calls over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush

from durablenb.analysis.calls import IN_FLIGHT, Call
from durablenb.analysis.timeline import Span
from durablenb.model.events import TaskKind
from durablenb.notebook.palette import AMBER, RED, SOLIDS, call_look
from durablenb.notebook.still.time_scale import Scale
from durablenb.notebook.svg import MUTED, PLATE, Drawing, number, text_width
from durablenb.notebook.words import lasting, length_text, states_text

ROW = 16.0
_NARROW = 9.0
_LEAST = 3.0
_WIDE_ROWS = 12
_MOST_ROWS = 30
_MOST_BARS = 200
_MOST_BARS_IN_ALL = 400


@dataclass(slots=True)
class Lane:
    """The calls of one name; open ones last until `now`. With too many calls it `is_strip`."""

    name: str
    kind: TaskKind
    calls: list[Call]
    now: datetime | None = None
    is_strip: bool = False
    rows: list[list[Call]] = field(default_factory=list)

    @property
    def marks(self) -> int:
        """Number of bars to draw."""
        return sum(len(call.attempts) + len(call.pauses) for call in self.calls)

    def span_end(self, call: Call, span: Span) -> datetime:
        """Return the end of a span, or the current time if it is open."""
        return span_end(call, span, self.now)

    def end(self, call: Call) -> datetime:
        """Return the end of a call, or the current time; a lock includes its critical section."""
        last = call.attempts[-1]
        end = span_end(call, last, self.now)
        if call.pauses:
            end = max(end, span_end(call, call.pauses[-1], self.now))
        left = self.left(last)
        return end if left is None else max(end, left)

    def left(self, span: Span) -> datetime | None:
        """Return the end of a critical section, or the current time; None if it wasn't entered."""
        if span.kind != "lock" or span.state != "completed":
            return None
        return span.released or self.now


def make_lanes(
    calls: Iterable[Call], now: datetime | None, most: int, call_name: Callable[[Call], str]
) -> list[Lane]:
    """Return a lane for each kind and name, in the order of their first calls; surplus names share one."""
    groups: dict[tuple[TaskKind, str], list[Call]] = {}
    for call in calls:
        groups.setdefault((call.kind, call_name(call)), []).append(call)
    lanes = [Lane(name, kind, several, now) for (kind, name), several in groups.items()]
    if len(lanes) <= most:
        return lanes
    rest = [call for lane in lanes[most - 1 :] for call in lane.calls]
    return [*lanes[: most - 1], Lane(f"{len(lanes) - most + 1:,} more", "activity", rest, now)]


def span_end(call: Call, span: Span, now: datetime | None) -> datetime:
    """Return the end of a span of a call, or the current time if it is open."""
    is_open = call.state in (*IN_FLIGHT, "retrying", "not loaded") and span.state == "open"
    return span.ended if now is None or not is_open else max(now, span.ended)


def arrange(lanes: Sequence[Lane]) -> None:
    """Decide which lanes are strips, and pack the calls of the others into rows."""
    left = _MOST_BARS_IN_ALL
    for lane in sorted(lanes, key=lambda lane: lane.marks):
        lane.is_strip = lane.marks > min(left, _MOST_BARS)
        if not lane.is_strip:
            lane.rows = _rows(lane)
            lane.is_strip = len(lane.rows) > _MOST_ROWS
            left -= lane.marks


def _rows(lane: Lane) -> list[list[Call]]:
    """Return the calls in as few rows as there are concurrent calls."""
    numbers, count = assign_rows(lane.calls, lambda call: call.scheduled, lane.end)
    rows: list[list[Call]] = [[] for _ in range(count)]
    for row, call in sorted(zip(numbers, lane.calls, strict=True), key=lambda pair: pair[1].scheduled):
        rows[row].append(call)
    return rows


def assign_rows(
    calls: Iterable[Call], call_begin: Callable[[Call], datetime], call_end: Callable[[Call], datetime]
) -> tuple[list[int], int]:
    """Return the row of each call, always the topmost free one, and the number of rows.

    Calls that begin at the same instant don't share a row, even if they take no time.
    """
    calls_by_begin = [(call_begin(call), index, call) for index, call in enumerate(calls)]
    rows = [0] * len(calls_by_begin)
    taken: list[tuple[datetime, datetime, int]] = []  # end, begin, row
    free: list[int] = []
    count = 0
    for begin, index, call in sorted(calls_by_begin, key=lambda entry: entry[:2]):
        while taken and taken[0][0] <= begin and taken[0][1] < begin:
            heappush(free, heappop(taken)[2])
        if not free:
            heappush(free, count)
            count += 1
        rows[index] = heappop(free)
        heappush(taken, (call_end(call), begin, rows[index]))
    return rows, count


# -- bars ----------------------------------------------------------------------------------------


def draw_bars(drawing: Drawing, lane: Lane, scale: Scale, y: float) -> float:
    """Draw each call, and return the top of the next lane."""
    rows = lane.rows
    bars = _Bars(drawing, lane, scale, ROW if len(rows) <= _WIDE_ROWS else _NARROW)
    for row in rows:
        for index, call in enumerate(row):
            after = scale.position(row[index + 1].scheduled) if index + 1 < len(row) else drawing.width - 8
            bars.draw(call, y + bars.row / 2, after)
        y += bars.row
    return max(y, y - len(rows) * bars.row + ROW)


class _Bars:
    """Draws calls as bars in rows of equal height."""

    def __init__(self, drawing: Drawing, lane: Lane, scale: Scale, row: float) -> None:
        self._drawing = drawing
        self._lane = lane
        self._scale = scale
        self.row = row
        self._bar = 9.0 if row == ROW else row - 3

    def draw(self, call: Call, middle: float, after: float) -> None:
        """Draw a call; the next one in the row begins at `after`."""
        for pause in call.pauses:
            left, right = _reach(self._lane, self._scale, call, pause)
            words = f"{lasting(pause.ended - pause.scheduled)} until the next attempt"
            d = f"M{number(left)} {number(middle)}H{number(right)}"
            self._line(d, words, SOLIDS[AMBER], 1.6, "2 2")
        kinds = {"timer": self._draw_timer, "signal": self._draw_signal, "lock": self._draw_lock}
        draw = {"external event": self._draw_event, **kinds}.get(call.kind, self._draw_attempt)
        for span in call.attempts:
            draw(call, span, middle)
        if self.row == ROW:
            self._write(call, middle, after)

    def _line(self, d: str, title: str, colour: str, width: float, dashes: str = "") -> None:
        more = {"stroke_dasharray": dashes} if dashes else {}
        self._drawing.path(d, title, fill="none", stroke=colour, stroke_width=width, **more)

    def _write(self, call: Call, middle: float, after: float) -> None:
        end = self._lane.end(call)
        right = max(self._scale.position(end), self._scale.position(call.scheduled) + _LEAST)
        words = length_text(call, end)
        if words and text_width(words, 10) + 14 < after - right:
            self._drawing.text(right + 8, middle + 3.4, words, size=10, fill=MUTED)

    def _draw_cached(self, call: Call, span: Span, middle: float) -> None:
        """Draw a ring where a call got a remembered result: it didn't run, and has no length."""
        x, radius = self._scale.position(span.ended), self._bar / 2
        arc = f"a{number(radius)} {number(radius)} 0 1 1 0"
        d = f"M{number(x)} {number(middle - radius)}{arc} {number(self._bar)}{arc} {number(-self._bar)}z"
        colour = call_look(call.state, call.kind).solid
        look: dict[str, str | float] = {"fill": PLATE, "stroke": colour, "stroke_width": 1.8}
        self._drawing.path(d, f"{call.name}: from cache, {getattr(span.answer, 'cached_from', '')}", **look)

    def _draw_attempt(self, call: Call, span: Span, middle: float) -> None:
        if span.is_cached:
            self._draw_cached(call, span, middle)
            return
        position, end = self._scale.position, self._lane.span_end(call, span)
        state = call.state if span is call.attempts[-1] and call.state != "retrying" else span.state
        look = call_look(state, call.kind)
        scheduled, ended = position(span.scheduled), position(end)
        started = position(span.started) if span.state != "open" else scheduled
        if started - scheduled >= 1:
            waited = lasting(span.started - span.scheduled)
            lost = [one for one in call.attempts if one.state == "interrupted"]
            has_begun = any(one.ended == span.scheduled for one in lost)
            words = f"began again after {waited}" if has_begun else f"queued for {waited}"
            self._line(f"M{number(scheduled)} {number(middle)}H{number(started)}", words, look.solid, 2)
        width = max(ended - started, _LEAST)
        width -= 1 if width > 2 * _LEAST else 0  # a gap before the next bar
        title = f"{call.name}, attempt {span.attempt}: {state}, {lasting(end - span.scheduled)}"
        top = middle - self._bar / 2
        if state in (*IN_FLIGHT, "not loaded", "left open", "interrupted"):
            dashes = {"stroke": look.solid, "stroke_dasharray": "3 2"}
            self._drawing.box(started, top, width, self._bar, title, rx=1.5, fill=look.tint, **dashes)
            return
        self._drawing.box(started, top, width, self._bar, title, rx=1.5, fill=look.solid)
        if call.kind == "sub-orchestration" and width > 6:
            self._line(f"M{number(started + 2)} {number(middle)}h{number(width - 4)}", "", PLATE, 1.6)
        if state == "failed":
            self._line(f"M{number(started + width - 3)} {number(middle - 6)}l6 12m0 -12l-6 12", "", RED, 1.8)

    def _draw_timer(self, call: Call, span: Span, middle: float) -> None:
        left, right = _reach(self._lane, self._scale, call, span)
        look = call_look(call.state, call.kind)
        width = max(right - left, _LEAST)
        what = states_text({call.state: 1}, "timer").removeprefix("1 ")
        top = middle - self._bar / 2 + 1
        title = f"timer: {what}, {lasting(self._lane.span_end(call, span) - span.scheduled)}"
        ground = {"fill": look.tint, "stroke": look.solid}
        self._drawing.box(left, top, width, self._bar - 2, title, rx=2.0, **ground)
        hatch = "".join(
            f"M{number(left + 3 + 6 * count)} {number(top + self._bar - 2)}l3 {number(2 - self._bar)}"
            for count in range(int((width - 6) // 6) + 1)
        )
        if hatch:
            self._line(hatch, "", look.solid, 1)

    def _draw_event(self, call: Call, span: Span, middle: float) -> None:
        left, right = _reach(self._lane, self._scale, call, span)
        look = call_look(call.state, call.kind)
        what = states_text({call.state: 1}, call.kind).removeprefix("1 ")
        self._line(f"M{number(left)} {number(middle)}H{number(right)}", "", look.solid, 1.6, "1.5 3")
        fill = look.solid if call.state == "completed" else PLATE
        d = f"M{number(right)} {number(middle - 5.5)}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"
        self._drawing.path(d, f"{call.name}: {what}", fill=fill, stroke=look.solid, stroke_width=1.4)

    def _draw_signal(self, call: Call, span: Span, middle: float) -> None:
        x, colour = self._scale.position(span.scheduled), call_look(call.state, call.kind).solid
        d = f"M{number(x)} {number(middle - 4.5)}l8 4.5l-8 4.5z"
        self._drawing.path(d, f"signal {call.name}: sent", fill=colour)

    def _draw_lock(self, call: Call, span: Span, middle: float) -> None:
        """Draw the wait for a lock, and the time it was held."""
        left, right = _reach(self._lane, self._scale, call, span)
        look = call_look(call.state, call.kind)
        words = f"waited for {lasting(self._lane.span_end(call, span) - span.scheduled)}"
        self._line(f"M{number(left)} {number(middle)}H{number(right)}", words, look.solid, 1.6, "1.5 3")
        end = self._lane.left(span)
        if end is None:
            return
        width = max(self._scale.position(end) - right, _LEAST)
        top, title = middle - self._bar / 2, f"{call.name} locked for {lasting(end - span.ended)}"
        ground: dict[str, str | float] = {"fill": look.tint, "stroke": look.solid}
        if span.released is None:
            ground["stroke_dasharray"] = "3 2"
        self._drawing.box(right, top, width, self._bar, title, **ground)
        self._line(f"M{number(right)} {number(top - 2)}v{number(self._bar + 4)}", "", look.solid, 2)


_STRIP = 34
_BUCKET = 4
ASKED = "#ccd4dd"
"""The colour of an area of scheduled calls."""

BAND = "#f0f2f5"
"""The colour of folded idle time."""


def draw_density(drawing: Drawing, lane: Lane, scale: Scale, y: float) -> float:
    """Draw the number of open calls over time with failures above; return the top of the next lane.

    The pale area counts scheduled calls, the solid one running calls. The peak is scaled to the strip.
    """
    left = scale.pieces[0].left
    buckets = int((scale.pieces[-1].right - left) // _BUCKET) + 1
    scheduled = _Cover(buckets)
    running = _Cover(buckets)
    failures: dict[int, int] = {}
    for call in lane.calls:
        for span in call.attempts:
            ended = (scale.position(lane.span_end(call, span)) - left) / _BUCKET
            scheduled.add((scale.position(span.scheduled) - left) / _BUCKET, ended)
            running.add((scale.position(span.started) - left) / _BUCKET, ended)
            if span.state == "failed":
                failures[int(ended)] = failures.get(int(ended), 0) + 1
    base, top = y + _STRIP, max(*scheduled.counts(), 1e-9)
    words = f"at most {_most_open(lane):,} open"
    drawing.text(20, base - 2, words, size=10, fill=MUTED)
    look = (
        call_look("open", "activity")
        if any(call.state in IN_FLIGHT for call in lane.calls)
        else call_look("completed", "activity")
    )
    drawing.path(_area(scheduled.counts(), left, base, top), "scheduled", fill=ASKED)
    drawing.path(_area(running.counts(), left, base, top), "running", fill=look.solid)
    for bucket in sorted(failures):
        x = left + bucket * _BUCKET
        drawing.path(
            f"M{number(x - 3)} {number(y)}l6 6m0 -6l-6 6",
            f"{failures[bucket]:,} failed here",
            fill="none",
            stroke=RED,
            stroke_width=1.8,
        )
    return base + 1


def _reach(lane: Lane, scale: Scale, call: Call, span: Span) -> tuple[float, float]:
    """Return where an attempt of a call, or a wait before one, begins and ends."""
    return scale.position(span.scheduled), scale.position(lane.span_end(call, span))


def _most_open(lane: Lane) -> int:
    """Return the maximum number of concurrent open calls."""
    spans = [(call, span) for call in lane.calls for span in call.attempts]
    changes = sorted(
        [(span.scheduled, 1) for _, span in spans] + [(lane.span_end(call, span), -1) for call, span in spans]
    )
    most = count = 0
    for _, change in changes:  # at the same instant, ends come first
        count += change
        most = max(most, count)
    return max(most, 1)


class _Cover:
    """The average number of intervals that cover each bucket."""

    def __init__(self, buckets: int) -> None:
        self._partial = [0.0] * (buckets + 2)
        self._change = [0] * (buckets + 2)

    def add(self, begin: float, end: float) -> None:
        """Add an interval, in buckets."""
        end = max(end, begin + 0.2)
        first, last = int(begin), int(end)
        if first == last:
            self._partial[first] += end - begin
            return
        self._partial[first] += first + 1 - begin
        self._partial[last] += end - last
        self._change[first + 1] += 1
        self._change[last] -= 1

    def counts(self) -> list[float]:
        """Return the average count for each bucket."""
        counts: list[float] = []
        whole = 0
        for partial, change in zip(self._partial, self._change, strict=True):
            whole += change
            counts.append(whole + partial)
        return counts


def _area(counts: Sequence[float], left: float, base: float, top: float) -> str:
    """Return the outline of a strip, with equal neighbours as one line."""
    d = [f"M{number(left)} {number(base)}"]
    before = 0.0
    for bucket, count in enumerate(counts):
        height = 0.0 if count <= 0 else max(1.5, (_STRIP - 7) * count / top)
        if abs(height - before) >= 0.05:
            d.append(f"H{number(left + bucket * _BUCKET)}V{number(base - height)}")
            before = height
    return "".join(d) + f"H{number(left + len(counts) * _BUCKET)}V{number(base)}Z"
