"""What the marks of a timeline mean: only those that are in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.density import ASKED
from durablenb.notebook.lanes import Lane
from durablenb.notebook.palette import AMBER, GREEN, RED, SOLIDS, TINTS
from durablenb.notebook.scale import Scale
from durablenb.notebook.svg import HAIR, INK, MUTED, WIDTH, Drawing, number, width_of
from durablenb.notebook.words import lasting, moment

_SAMPLE = 20


def draw_legend(
    drawing: Drawing, picture: InstanceSnapshot, scale: Scale, lanes: Sequence[Lane], y: float
) -> float:
    """Draw a line of samples below a timeline, and return where the picture ends."""
    drawing.path(f"M20 {number(y)}H{WIDTH - 20}", fill="none", stroke=HAIR)
    until = "" if picture.now is None else f", as of {moment(picture.now, with_date=False)}"
    began = f"from {moment(scale.begin)} UTC, {lasting(scale.total)} in all{until}"
    drawing.text(WIDTH - 20, y + 18, began, size=10, fill=MUTED, anchor="end")
    x, end = 20.0, WIDTH - 20 - width_of(began, 10)
    for words, draw in _samples(picture, lanes):
        if x + _SAMPLE + width_of(words, 10) > end - 12:
            break
        draw(drawing, x, y + 14.5)
        drawing.text(x + _SAMPLE, y + 18, words, size=10, fill=MUTED)
        x += _SAMPLE + width_of(words, 10) + 12
    return y + 30


def _samples(
    picture: InstanceSnapshot, lanes: Sequence[Lane]
) -> list[tuple[str, Callable[[Drawing, float, float], None]]]:
    spans = [
        span for lane in lanes if lane.kind not in _WAITS for call in lane.calls for span in call.attempts
    ]
    kinds = {lane.kind for lane in lanes}
    samples: list[tuple[str, Callable[[Drawing, float, float], None]]] = [("episode", _tick)]
    if any(span.answer is not None and span.started > span.asked for span in spans):
        samples.append(("queued, then running", _queued))
    if any(lane.is_strip for lane in lanes):
        samples.append(("asked for", _asked))
    if any(span.state == "failed" for span in spans):
        samples.append(("failed", _failed))
    if any(call.pauses for call in picture.calls):
        samples.append(("wait before a retry", _pause))
    if "timer" in kinds:
        samples.append(("timer", _timer))
    if "external event" in kinds:
        samples.append(("external event", _event))
    if "lock" in kinds:
        samples.append(("wait for a lock, critical section", _lock))
    if "signal" in kinds:
        samples.append(("signal", _signal))
    return samples


_WAITS = ("timer", "external event", "lock", "signal")


def _tick(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x + 10)} {number(y - 5)}v10", fill="none", stroke=INK, stroke_width=1.4)


def _queued(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x)} {number(y)}h7", fill="none", stroke=SOLIDS[GREEN], stroke_width=2)
    drawing.box(x + 7, y - 4, 9, 8, rx=1.5, fill=SOLIDS[GREEN])


def _asked(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x + 1)} {number(y + 4)}v-8l14 5v3z", fill=ASKED)


def _failed(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(
        f"M{number(x + 7)} {number(y - 5)}l6 10m0 -10l-6 10", fill="none", stroke=RED, stroke_width=1.8
    )


def _pause(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(
        f"M{number(x + 1)} {number(y)}h15",
        fill="none",
        stroke=SOLIDS[AMBER],
        stroke_width=1.6,
        stroke_dasharray="2 2",
    )


def _timer(drawing: Drawing, x: float, y: float) -> None:
    drawing.box(x + 1, y - 3.5, 15, 7, rx=2, fill=TINTS[GREEN], stroke=SOLIDS[GREEN])
    d = "".join(f"M{number(x + at)} {number(y + 3.5)}l3 -7" for at in (3, 8))
    drawing.path(d, fill="none", stroke=SOLIDS[GREEN])


def _event(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(
        f"M{number(x + 10)} {number(y - 5)}l5 5l-5 5l-5 -5z", fill=SOLIDS[GREEN], stroke=SOLIDS[GREEN]
    )


def _lock(drawing: Drawing, x: float, y: float) -> None:
    colour = SOLIDS[GREEN]
    d = f"M{number(x - 1)} {number(y)}h6"
    drawing.path(d, fill="none", stroke=colour, stroke_width=1.6, stroke_dasharray="1.5 3")
    drawing.box(x + 6, y - 4, 10, 8, fill=TINTS[GREEN], stroke=colour)
    drawing.path(f"M{number(x + 6)} {number(y - 5.5)}v11", fill="none", stroke=colour, stroke_width=2)


def _signal(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x + 6)} {number(y - 4.5)}l8 4.5l-8 4.5z", fill=SOLIDS[GREEN])
