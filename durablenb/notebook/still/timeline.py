"""The timeline of an instance: a lane for each name, an axis on top, idle time folded, a legend below."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from durablenb.analysis.calls import lane_name, shared_name
from durablenb.analysis.generations import read_generations
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.timeline import ENTITY_KINDS
from durablenb.notebook.palette import AMBER, GREEN, RED, SOLIDS, TINTS, status_look
from durablenb.notebook.still.graph import LINE
from durablenb.notebook.still.time_scale import Piece, Scale
from durablenb.notebook.still.timeline_lanes import (
    ASKED,
    BAND,
    Lane,
    arrange,
    draw_bars,
    draw_density,
    make_lanes,
    span_end,
)
from durablenb.notebook.svg import HAIR, INK, MUTED, NARROWER, RIM, WIDTH, Drawing, number, text_width
from durablenb.notebook.words import lasting, operation_and_entity, plural, time_text

_LABELS = 164
_RIGHT = 26
_AXIS = 34
MOST_LANES = 24
"""Maximum lanes; surplus names share the last one."""

BUSY = ("activity", "sub-orchestration", "entity call")
"""The kinds of calls during which time isn't idle."""

_TICKS = 150

AREA = (float(_LABELS), float(WIDTH - _RIGHT))
"""Left and right edge of the time axis."""


def timeline_svg(picture: InstanceSnapshot, width: float = WIDTH) -> tuple[str, str] | None:
    """Return the timeline of all executions, and its description; None if no time passed."""
    scale = timeline_scale(picture, width)
    if scale is None:
        return None
    calls = picture.calls
    lanes = make_lanes(calls, picture.now, MOST_LANES, lane_name(calls, MOST_LANES, shared_name(calls)))
    arrange(lanes)
    sentence = _sentence(picture, scale, lanes)
    drawing, above = Drawing(width, sentence), Drawing(width, "")
    y = _draw_orchestrator(above, picture, scale)
    if picture.flow.generation:
        y = _draw_generations(above, picture, scale, y)
    for lane in lanes:
        y = _draw_lane(above, lane, scale, y)
    _draw_axis(drawing, scale, y)
    drawing.add(above)
    return drawing.finished(draw_legend(drawing, picture, scale, lanes, y)), sentence


def timeline_scale(picture: InstanceSnapshot, width: float = WIDTH) -> Scale | None:
    """Return the time scale of a picture of this width; None if no time passed."""
    if not picture.calls:
        return None
    begin = min(event.timestamp for event in picture.events)
    end = max(event.timestamp for event in picture.events)
    end = end if picture.now is None else max(end, picture.now)
    if end <= begin:
        return None
    busy = [
        (max(span.scheduled, begin), min(span_end(call, span, picture.now), end))
        for call in picture.calls
        if call.kind in BUSY
        for span in call.attempts
    ]
    return Scale(begin, end, busy, _LABELS, width - _LABELS - _RIGHT)


def _sentence(picture: InstanceSnapshot, scale: Scale, lanes: Sequence[Lane]) -> str:
    names = ", ".join(lane.name for lane in lanes[:6]) + (", ..." if len(lanes) > 6 else "")
    return (
        f"{picture.status.name} {picture.status.instance_id}: {plural(len(picture.calls), 'call')} "
        f"within {picture.run_time}, in the lanes {names}"
    )


def _draw_orchestrator(drawing: Drawing, picture: InstanceSnapshot, scale: Scale) -> float:
    """Draw the lane of the orchestrator: a tick for each episode."""
    y = _AXIS + 10.0
    events, episodes = picture.events, picture.episodes
    drawing.text(20, y + 12, "orchestrator", size=11.5, fill=MUTED, width=_LABELS - 70)
    if len(episodes) > 1:
        drawing.text(_LABELS - 12, y + 12, _times(len(episodes)), size=10.5, fill=MUTED, anchor="end")
    left = scale.position(events[0].timestamp)
    right = scale.position(events[-1].timestamp if picture.now is None else picture.now)
    drawing.path(f"M{number(left)} {number(y + 8)}H{number(right)}", fill="none", stroke=HAIR, stroke_width=2)
    xs = dict.fromkeys(round(scale.position(moment) * 2) / 2 for moment in episodes)
    d = "".join(f"M{number(x)} {number(y + 2)}v12" for x in xs)
    colour = INK if len(xs) <= _TICKS else LINE
    width = 1.4 if len(xs) <= _TICKS else 0.5
    drawing.path(d, plural(len(episodes), "episode"), fill="none", stroke=colour, stroke_width=width)
    return y + 24


def _draw_generations(drawing: Drawing, picture: InstanceSnapshot, scale: Scale, y: float) -> float:
    """Draw the lane of the generations: a bar for each execution."""
    generations = read_generations(picture.events)
    drawing.path(f"M20 {number(y)}H{number(drawing.width - 20)}", fill="none", stroke=HAIR)
    drawing.text(20, y + 16, "generations", size=11.5, fill=MUTED, width=_LABELS - 70)
    drawing.text(_LABELS - 12, y + 16, _times(len(generations)), size=10.5, fill=MUTED, anchor="end")
    for one in generations:
        end = one.ended if one.ending is not None or picture.now is None else picture.now
        left, right = scale.position(one.began), scale.position(end)
        look, width = status_look(one.word), max(right - left - 1, 2)
        title = f"generation {one.number:,}: {look.word}, {lasting(one.took + (end - one.ended))}"
        drawing.box(left, y + 5.5, width, 13, title, fill=look.tint, stroke=look.solid)
        label = f"{one.number:,}"
        if text_width(label, 10) < width - 5:
            drawing.text(left + 3, y + 16, label, size=10)
    return y + 24


def _times(count: int) -> str:
    return f"\N{MULTIPLICATION SIGN} {count:,}"


def _draw_lane(drawing: Drawing, lane: Lane, scale: Scale, y: float) -> float:
    drawing.path(f"M20 {number(y)}H{number(drawing.width - 20)}", fill="none", stroke=HAIR)
    count = _times(len(lane.calls)) if len(lane.calls) > 1 else ""
    room = _LABELS - 34 - text_width(count, 10.5)
    name, entity = (
        operation_and_entity(lane.name, lane.calls[0]) if lane.kind in ENTITY_KINDS else (lane.name, "")
    )
    drawing.text(20, y + 17, name, size=11.5, is_bold=True, width=room)
    used = text_width(name, 11.5, is_bold=True) + 5
    if entity and room - used > 20:
        drawing.text(20 + used, y + 17, entity, size=10, fill=MUTED, width=room - used)
    if count:
        drawing.text(_LABELS - 12, y + 17, count, size=10.5, fill=MUTED, anchor="end")
    if lane.is_strip:
        return draw_density(drawing, lane, scale, y + 4) + 5
    return draw_bars(drawing, lane, scale, y + 5) + 5


def _draw_axis(drawing: Drawing, scale: Scale, bottom: float) -> None:
    for piece in scale.pieces:
        if piece.is_fold:
            _draw_fold(drawing, piece, bottom)
    drawing.path(f"M{_LABELS} {_AXIS}H{number(drawing.width - _RIGHT)}", fill="none", stroke=RIM)
    last = 0.0
    for x, words in scale.ticks():
        wide = text_width(words, 10)
        if x - wide / 2 < last + 6 and last:
            continue
        drawing.path(f"M{number(x)} {_AXIS - 4}v4", fill="none", stroke=MUTED)
        anchor = "end" if x + wide / 2 > drawing.width - 6 else "middle"
        drawing.text(x, _AXIS - 9, words, size=10, fill=MUTED, anchor=anchor)
        last = x + wide / 2


def _draw_fold(drawing: Drawing, piece: Piece, bottom: float) -> None:
    """Draw a band for folded idle time, with its duration."""
    words, width = lasting(piece.end - piece.begin), piece.right - piece.left
    title = f"idle for {words}"
    drawing.box(piece.left + 1, _AXIS, width - 2, bottom - _AXIS, title, fill=BAND)
    middle = (piece.left + piece.right) / 2
    label = f"idle {words}" if text_width(f"idle {words}", 10) < width - 4 else words
    if text_width(label, 10) < width - 2:
        drawing.text(middle, _AXIS + 9.5, label, size=10, fill=MUTED, anchor="middle")


_SAMPLE_WIDTH = 20


def draw_legend(
    drawing: Drawing, picture: InstanceSnapshot, scale: Scale, lanes: Sequence[Lane], y: float
) -> float:
    """Draw the legend below a timeline, and return the bottom of the picture."""
    drawing.path(f"M20 {number(y)}H{number(drawing.width - 20)}", fill="none", stroke=HAIR)
    until = "" if picture.now is None else f", as of {time_text(picture.now, with_date=False)}"
    took = picture.run_time.text(" in all")
    began = f"from {time_text(scale.begin)} UTC, {took}{until}"
    x, end = 20.0, drawing.width - 20
    if drawing.width < NARROWER:  # below each other
        drawing.text(x, y + 34, began, size=10, fill=MUTED)
        bottom = y + 46
    else:
        drawing.text(end, y + 18, began, size=10, fill=MUTED, anchor="end")
        end -= text_width(began, 10) + 12
        bottom = y + 30
    for words, draw in _samples(picture, lanes):
        if x + _SAMPLE_WIDTH + text_width(words, 10) > end:
            break
        draw(drawing, x, y + 14.5)
        drawing.text(x + _SAMPLE_WIDTH, y + 18, words, size=10, fill=MUTED)
        x += _SAMPLE_WIDTH + text_width(words, 10) + 12
    return bottom


def _samples(
    picture: InstanceSnapshot, lanes: Sequence[Lane]
) -> list[tuple[str, Callable[[Drawing, float, float], None]]]:
    spans = [
        span for lane in lanes if lane.kind not in _WAITS for call in lane.calls for span in call.attempts
    ]
    kinds = {lane.kind for lane in lanes}
    samples: list[tuple[str, Callable[[Drawing, float, float], None]]] = [("episode", _sample_episode)]
    if any(span.state != "open" and span.started > span.scheduled for span in spans):
        samples.append(("queued, then running", _sample_queued))
    if any(lane.is_strip for lane in lanes):
        samples.append(("scheduled", _sample_scheduled))
    if any(span.state == "failed" for span in spans):
        samples.append(("failed", _sample_failed))
    if any(span.state == "interrupted" for span in spans):
        samples.append(("interrupted", _sample_interrupted))
    if any(call.pauses for call in picture.calls):
        samples.append(("wait before a retry", _sample_retry_delay))
    if "timer" in kinds:
        samples.append(("timer", _sample_timer))
    if "external event" in kinds:
        samples.append(("external event", _sample_event))
    if "lock" in kinds:
        samples.append(("wait for a lock, critical section", _sample_lock))
    if "signal" in kinds:
        samples.append(("signal", _sample_signal))
    return samples


_WAITS = ("timer", "external event", "lock", "signal")


def _sample_episode(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x + 10)} {number(y - 5)}v10", fill="none", stroke=INK, stroke_width=1.4)


def _sample_queued(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x)} {number(y)}h7", fill="none", stroke=SOLIDS[GREEN], stroke_width=2)
    drawing.box(x + 7, y - 4, 9, 8, rx=1.5, fill=SOLIDS[GREEN])


def _sample_scheduled(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x + 1)} {number(y + 4)}v-8l14 5v3z", fill=ASKED)


def _sample_failed(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(
        f"M{number(x + 7)} {number(y - 5)}l6 10m0 -10l-6 10", fill="none", stroke=RED, stroke_width=1.8
    )


def _sample_interrupted(drawing: Drawing, x: float, y: float) -> None:
    ground: dict[str, str | float] = {"stroke": SOLIDS[AMBER], "stroke_dasharray": "3 2"}
    drawing.box(x + 1, y - 4, 15, 8, rx=1.5, fill=TINTS[AMBER], **ground)


def _sample_retry_delay(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(
        f"M{number(x + 1)} {number(y)}h15",
        fill="none",
        stroke=SOLIDS[AMBER],
        stroke_width=1.6,
        stroke_dasharray="2 2",
    )


def _sample_timer(drawing: Drawing, x: float, y: float) -> None:
    drawing.box(x + 1, y - 3.5, 15, 7, rx=2, fill=TINTS[GREEN], stroke=SOLIDS[GREEN])
    d = "".join(f"M{number(x + at)} {number(y + 3.5)}l3 -7" for at in (3, 8))
    drawing.path(d, fill="none", stroke=SOLIDS[GREEN])


def _sample_event(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(
        f"M{number(x + 10)} {number(y - 5)}l5 5l-5 5l-5 -5z", fill=SOLIDS[GREEN], stroke=SOLIDS[GREEN]
    )


def _sample_lock(drawing: Drawing, x: float, y: float) -> None:
    colour = SOLIDS[GREEN]
    d = f"M{number(x - 1)} {number(y)}h6"
    drawing.path(d, fill="none", stroke=colour, stroke_width=1.6, stroke_dasharray="1.5 3")
    drawing.box(x + 6, y - 4, 10, 8, fill=TINTS[GREEN], stroke=colour)
    drawing.path(f"M{number(x + 6)} {number(y - 5.5)}v11", fill="none", stroke=colour, stroke_width=2)


def _sample_signal(drawing: Drawing, x: float, y: float) -> None:
    drawing.path(f"M{number(x + 6)} {number(y - 4.5)}l8 4.5l-8 4.5z", fill=SOLIDS[GREEN])
