"""The picture of an instance's time: a lane for each name, an axis on top, what is idle folded."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from durablenb.analysis.calls import Call, shared_name
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.timeline import ENTITY_KINDS
from durablenb.model.events import TaskKind
from durablenb.notebook.density import draw_density
from durablenb.notebook.lanes import Lane, arrange, draw_bars, end_of
from durablenb.notebook.legend import draw_legend
from durablenb.notebook.links import LINE
from durablenb.notebook.scale import Piece, Scale
from durablenb.notebook.svg import HAIR, INK, MUTED, RIM, WIDTH, Drawing, number, width_of
from durablenb.notebook.words import lasting, parted, plural

_LABELS = 164
_RIGHT = 26
_AXIS = 34
_MOST_LANES = 24
_BUSY = ("activity", "sub-orchestration", "entity call")
_TICKS = 150
_BAND = "#f0f2f5"

AREA = (float(_LABELS), float(WIDTH - _RIGHT))
"""From where to where moments are drawn."""

Stretch = tuple[datetime, datetime]
"""Some of the time, from when until when."""


def timeline_svg(
    picture: InstanceSnapshot,
    within: Stretch | None = None,
    path: Container[tuple[int, int]] = (),
    chosen: Call | None = None,
) -> tuple[str, str] | None:
    """Return the picture of all executions, and the sentence that says the same; None if no time passed.

    Parameters
    ----------
    picture
        The instance.
    within
        The time to be shown; None for all of it.
    path
        Calls to be pointed out, each by its execution and its number.
    chosen
        The call that is selected.
    """
    scale = scale_of(picture, within)
    if scale is None:
        return None
    calls = picture.calls if within is None else _during(picture, within)
    lanes = _lanes_of(calls, picture.now)
    arrange(lanes)
    sentence = _sentence(picture, scale, lanes)
    drawing, above = Drawing(WIDTH, sentence), Drawing(WIDTH, "")
    above.chosen = chosen
    y = _draw_orchestrator(above, picture, scale)
    for lane in lanes:
        y = _draw_lane(above, lane, scale, y, path)
    _draw_axis(drawing, scale, y)
    drawing.add(above)
    return drawing.finished(draw_legend(drawing, picture, scale, lanes, y)), sentence


def scale_of(picture: InstanceSnapshot, within: Stretch | None = None) -> Scale | None:
    """Return where the moments of a picture are drawn; None if no time passed."""
    if not picture.calls:
        return None
    begin = min(event.timestamp for event in picture.events)
    end = max(event.timestamp for event in picture.events)
    end = end if picture.now is None else max(end, picture.now)
    if within is not None:
        begin, end = max(begin, within[0]), min(end, within[1])
    if end <= begin:
        return None
    busy = [
        (max(span.asked, begin), min(ended, end))
        for call in picture.calls
        if call.kind in _BUSY
        for span in call.attempts
        if span.asked < end and (ended := end_of(call, span, picture.now)) > begin
    ]
    return Scale(begin, end, busy, _LABELS, WIDTH - _LABELS - _RIGHT)


def _during(picture: InstanceSnapshot, within: Stretch) -> list[Call]:
    return [
        call
        for call in picture.calls
        if call.asked <= within[1] and end_of(call, call.attempts[-1], picture.now) >= within[0]
    ]


def _sentence(picture: InstanceSnapshot, scale: Scale, lanes: Sequence[Lane]) -> str:
    names = ", ".join(lane.name for lane in lanes[:6]) + (", ..." if len(lanes) > 6 else "")
    return (
        f"{picture.status.name} {picture.status.instance_id}: {plural(len(picture.calls), 'call')} "
        f"within {lasting(scale.total)}, in the lanes {names}"
    )


def _lanes_of(calls: Sequence[Call], now: datetime | None) -> list[Lane]:
    """Return a lane for each kind and name, in the order of the first calls."""
    groups: dict[tuple[TaskKind, str], list[Call]] = {}
    name_of = shared_name(calls)
    for call in calls:
        groups.setdefault((call.kind, name_of(call)), []).append(call)
    lanes = [Lane(name, kind, several, now) for (kind, name), several in groups.items()]
    if len(lanes) <= _MOST_LANES:
        return lanes
    rest = [call for lane in lanes[_MOST_LANES - 1 :] for call in lane.calls]
    names = f"{len(lanes) - _MOST_LANES + 1:,} more"
    return [*lanes[: _MOST_LANES - 1], Lane(names, "activity", rest, now)]


def _draw_orchestrator(drawing: Drawing, picture: InstanceSnapshot, scale: Scale) -> float:
    """Draw the lane of the orchestrator: a tick for each time that it looked."""
    y = _AXIS + 10.0
    events, episodes = picture.events, picture.episodes
    drawing.text(20, y + 12, "orchestrator", size=11.5, fill=MUTED, width=_LABELS - 70)
    if len(episodes) > 1:
        drawing.text(_LABELS - 12, y + 12, _times(len(episodes)), size=10.5, fill=MUTED, anchor="end")
    left = scale.place(events[0].timestamp)
    right = scale.place(events[-1].timestamp if picture.now is None else picture.now)
    drawing.path(f"M{number(left)} {number(y + 8)}H{number(right)}", fill="none", stroke=HAIR, stroke_width=2)
    places = dict.fromkeys(round(scale.place(moment) * 2) / 2 for moment in episodes)
    d = "".join(f"M{number(x)} {number(y + 2)}v12" for x in places)
    colour = INK if len(places) <= _TICKS else LINE
    width = 1.4 if len(places) <= _TICKS else 0.5
    drawing.path(d, plural(len(episodes), "episode"), fill="none", stroke=colour, stroke_width=width)
    return y + 24


def _times(count: int) -> str:
    return f"\N{MULTIPLICATION SIGN} {count:,}"


def _draw_lane(
    drawing: Drawing, lane: Lane, scale: Scale, y: float, path: Container[tuple[int, int]]
) -> float:
    drawing.path(f"M20 {number(y)}H{WIDTH - 20}", fill="none", stroke=HAIR)
    count = _times(len(lane.calls)) if len(lane.calls) > 1 else ""
    room = _LABELS - 34 - width_of(count, 10.5)
    name, entity = parted(lane.name, lane.calls[0]) if lane.kind in ENTITY_KINDS else (lane.name, "")
    drawing.text(20, y + 17, name, size=11.5, is_bold=True, width=room)
    used = width_of(name, 11.5, is_bold=True) + 5
    if entity and room - used > 20:
        drawing.text(20 + used, y + 17, entity, size=10, fill=MUTED, width=room - used)
    if count:
        drawing.text(_LABELS - 12, y + 17, count, size=10.5, fill=MUTED, anchor="end")
    if lane.is_strip:
        return draw_density(drawing, lane, scale, y + 4) + 5
    return draw_bars(drawing, lane, scale, y + 5, path) + 5


def _draw_axis(drawing: Drawing, scale: Scale, bottom: float) -> None:
    for piece in scale.pieces:
        if piece.is_fold:
            _draw_fold(drawing, piece, bottom)
    drawing.path(f"M{_LABELS} {_AXIS}H{WIDTH - _RIGHT}", fill="none", stroke=RIM)
    last = 0.0
    for x, words in scale.ticks():
        wide = width_of(words, 10)
        if x - wide / 2 < last + 6 and last:
            continue
        drawing.path(f"M{number(x)} {_AXIS - 4}v4", fill="none", stroke=MUTED)
        anchor = "end" if x + wide / 2 > WIDTH - 6 else "middle"
        drawing.text(x, _AXIS - 9, words, size=10, fill=MUTED, anchor=anchor)
        last = x + wide / 2


def _draw_fold(drawing: Drawing, piece: Piece, bottom: float) -> None:
    """Draw a band where idle time was folded, and how long it is."""
    words, width = lasting(piece.end - piece.begin), piece.right - piece.left
    title = f"idle for {words}"
    drawing.box(piece.left + 1, _AXIS, width - 2, bottom - _AXIS, title, fill=_BAND)
    middle = (piece.left + piece.right) / 2
    label = f"idle {words}" if width_of(f"idle {words}", 9.5) < width - 4 else words
    if width_of(label, 9.5) < width - 2:
        drawing.text(middle, _AXIS + 9.5, label, size=9.5, fill=MUTED, anchor="middle")
