"""How many calls of a timeline's lane were under way, where there are too many for bars."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.notebook.lanes import Lane
from durablenb.notebook.marks import call_key, mark_of
from durablenb.notebook.palette import RED, call_look
from durablenb.notebook.scale import Scale
from durablenb.notebook.svg import INK, MUTED, PLATE, Drawing, number

_STRIP = 34
_BUCKET = 4
ASKED = "#ccd4dd"


def draw_density(drawing: Drawing, lane: Lane, scale: Scale, y: float) -> float:
    """Draw how many calls were under way, failures on top, and return where the next lane may begin.

    Thin what was asked for, thick what ran; the highest place is the most at a time.
    """
    left = scale.pieces[0].left
    buckets = int((scale.pieces[-1].right - left) // _BUCKET) + 1
    asked = _Cover(buckets)
    run = _Cover(buckets)
    failures: dict[int, int] = {}
    for call in lane.calls:
        for span in call.attempts:
            ended = (scale.place(lane.end_of(call, span)) - left) / _BUCKET
            asked.add((scale.place(span.asked) - left) / _BUCKET, ended)
            run.add((scale.place(span.started) - left) / _BUCKET, ended)
            if span.state == "failed":
                failures[int(ended)] = failures.get(int(ended), 0) + 1
    base, top = y + _STRIP, max(*asked.counts(), 1e-9)
    words = f"at most {_most_open(lane):,} open"
    drawing.text(20, base - 2, words, size=10, fill=MUTED)
    look = (
        call_look("open", "activity")
        if any(call.state == "open" for call in lane.calls)
        else call_look("completed", "activity")
    )
    drawing.path(_area(asked.counts(), left, base, top), "asked for", fill=ASKED)
    drawing.path(_area(run.counts(), left, base, top), "running", fill=look.solid)
    _point_out(drawing, lane, scale, base)
    for place in sorted(failures):
        x = left + place * _BUCKET
        drawing.path(
            f"M{number(x - 3)} {number(y)}l6 6m0 -6l-6 6",
            f"{failures[place]:,} failed here",
            fill="none",
            stroke=RED,
            stroke_width=1.8,
        )
    return base + 1


def _point_out(drawing: Drawing, lane: Lane, scale: Scale, base: float) -> None:
    """Draw the call that is selected, from when it was asked for until it ended."""
    call = next((call for call in lane.calls if call is drawing.chosen), None)
    if call is None:
        return
    left, right = scale.place(call.asked), scale.place(lane.end(call))
    box = (left - 1, base - _STRIP + 4, max(right - left, 3) + 2, _STRIP - 4)
    drawing.begin(**mark_of(call_key(call), call.name))
    drawing.box(*box, rx=2, fill="none", stroke=PLATE, stroke_width=4)
    ground = {"fill": PLATE, "fill_opacity": "0.35"}
    drawing.box(*box, f"{call.name}: selected", rx=2, stroke=INK, stroke_width=2, **ground)
    drawing.end()


def _most_open(lane: Lane) -> int:
    """Return how many calls were asked for and not settled, at the most at a time."""
    spans = [(call, span) for call in lane.calls for span in call.attempts]
    changes = sorted(
        [(span.asked, 1) for _, span in spans] + [(lane.end_of(call, span), -1) for call, span in spans]
    )
    most = count = 0
    for _, change in changes:  # at the same moment, ends come first
        count += change
        most = max(most, count)
    return max(most, 1)


class _Cover:
    """How much of each bucket is covered, by how many."""

    def __init__(self, buckets: int) -> None:
        self._partial = [0.0] * (buckets + 2)
        self._change = [0] * (buckets + 2)

    def add(self, begin: float, end: float) -> None:
        """Cover a stretch, in buckets."""
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
        """How many cover each bucket, on average."""
        counts: list[float] = []
        whole = 0
        for partial, change in zip(self._partial, self._change, strict=True):
            whole += change
            counts.append(whole + partial)
        return counts


def _area(counts: Sequence[float], left: float, base: float, top: float) -> str:
    """Return the outline of a strip, flat stretches as one line."""
    d = [f"M{number(left)} {number(base)}"]
    before = 0.0
    for place, count in enumerate(counts):
        height = 0.0 if count <= 0 else max(1.5, (_STRIP - 7) * count / top)
        if abs(height - before) >= 0.05:
            d.append(f"H{number(left + place * _BUCKET)}V{number(base - height)}")
            before = height
    return "".join(d) + f"H{number(left + len(counts) * _BUCKET)}V{number(base)}Z"
