"""The timeline of an instance as a figure: a bar for each attempt of each call, however many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from durablenb.analysis.calls import Call, CallState
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.timeline import Span
from durablenb.notebook.figures.axes import add_legend, new_axes, text_scale
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.figures.time_axis import TimeAxis
from durablenb.notebook.figures.timeline_lanes import Band, Row, arrange_bands, show_lanes, write_lengths
from durablenb.notebook.figures.timeline_marks import Marks
from durablenb.notebook.palette import call_look
from durablenb.notebook.svg import INK

_BUSY = ("activity", "sub-orchestration", "entity call")
_LINE, _AROUND = 0.24, 1.15
"""Height in inches of one row, and of everything above and below the lanes."""

_TOP = 1.45
"""Rows that the episodes take."""

_NAME = 32
_BAR = 0.62


def timeline_axes(picture: InstanceSnapshot, ax: Axes | None) -> Axes:
    """Return axes with the timeline of all executions."""
    bands = arrange_bands(picture.calls, picture.now, _TOP)
    bottom = bands[-1].bottom if bands else _TOP
    if ax is None:
        ax = new_axes(8, _AROUND + _LINE * bottom)
    axis, colours = _time_axis(picture, bands), Colours(ax)
    marks = Marks(axis, colours)
    for band in bands:
        for row in band.rows():
            _CallDrawing(marks, axis, band, row).draw()
    show_lanes(ax, bands, bottom, colours)
    _show_episodes(ax, picture, axis, colours)
    marks.show(ax, 4.6 * text_scale())
    axis.show(ax, bottom, colours)
    for band in bands:
        write_lengths(ax, axis, band, bottom, colours)
    add_legend(ax)
    return ax


def figure_height(picture: InstanceSnapshot) -> float:
    """Return the height of the figure in inches."""
    bands = arrange_bands(picture.calls, picture.now, _TOP)
    return _AROUND + _LINE * (bands[-1].bottom if bands else _TOP)


def _time_axis(picture: InstanceSnapshot, bands: Sequence[Band]) -> TimeAxis:
    moments = [event.timestamp for event in picture.events]
    ends = [band.lane.end(call) for band in bands for call in band.lane.calls]
    end = max(moments + ends + ([picture.now] if picture.now is not None else []))
    busy = [
        (span.scheduled, band.span_end(call, span))
        for band in bands
        if band.lane.kind in _BUSY
        for call in band.lane.calls
        for span in call.attempts
    ]
    return TimeAxis(min(moments), end, busy)


class _CallDrawing:
    """One call, drawn in its row."""

    def __init__(self, marks: Marks, axis: TimeAxis, band: Band, row: Row) -> None:
        self._marks = marks
        self._axis = axis
        self._band = band
        self._row = row

    def draw(self) -> None:
        """Draw all attempts, and the waits between them."""
        call = self._row.call
        if not self._row.is_drawn:
            self._note_failures(call)
            return
        for pause in call.pauses:
            self._marks.pause(
                self._from_to(pause.scheduled, self._band.span_end(call, pause)), self._row.middle
            )
        draw = {"external event": self._event, "signal": self._signal, "lock": self._lock}.get(
            call.kind, self._attempt
        )
        for span in call.attempts:
            draw(call, span, _attempt_state(call, span))

    def _note_failures(self, call: Call) -> None:
        for span in call.attempts:
            if span.state == "failed":
                self._marks.failure(self._axis.at(self._band.span_end(call, span)), self._row.middle)

    def _from_to(self, begin: datetime, end: datetime) -> tuple[float, float]:
        return self._axis.at(begin), self._axis.at(end)

    def _bar(self, call: Call, state: CallState, begin: datetime, end: datetime) -> None:
        height, rim = _BAR * self._row.height, self._band.is_queue_shown
        self._marks.bar(call.kind, state, self._from_to(begin, end), self._row.middle, height, rim=rim)

    def _attempt(self, call: Call, span: Span, state: CallState) -> None:
        end = self._band.span_end(call, span)
        if span.is_cached:
            colour = call_look(state, call.kind).solid
            self._marks.point("from cache", colour, "o", self._axis.at(end), self._row.middle, filled=False)
            return
        began = span.started if span.state != "open" and call.kind != "timer" else span.scheduled
        if began > span.scheduled and self._band.is_queue_shown:
            colour = call_look(state, call.kind).solid
            self._marks.line("queued", colour, "-", self._from_to(span.scheduled, began), self._row.middle)
        self._bar(call, state, began, end)
        if state == "failed":
            self._marks.failure(self._axis.at(end), self._row.middle)

    def _event(self, call: Call, span: Span, state: CallState) -> None:
        span_ = self._from_to(span.scheduled, self._band.span_end(call, span))
        colour, is_here = call_look(state, call.kind).solid, state == "completed"
        self._marks.line("awaiting", colour, ":", span_, self._row.middle)
        label = "external event" if is_here else "_external event"
        self._marks.point(label, colour, "D", span_[1], self._row.middle, filled=is_here)

    def _signal(self, call: Call, span: Span, state: CallState) -> None:
        colour = call_look(state, call.kind).solid
        self._marks.point("signal", colour, ">", self._axis.at(span.scheduled), self._row.middle, filled=True)

    def _lock(self, call: Call, span: Span, state: CallState) -> None:
        end, colour = self._band.span_end(call, span), call_look(state, call.kind).solid
        self._marks.line("awaiting", colour, ":", self._from_to(span.scheduled, end), self._row.middle)
        left = self._band.lane.left(span)
        if left is not None:
            self._bar(call, "completed" if span.released else "open", end, left)


def _attempt_state(call: Call, span: Span) -> CallState:
    """Return the state of an attempt; the last attempt has the state of the call."""
    return call.state if span is call.attempts[-1] and call.state != "retrying" else span.state


def _show_episodes(ax: Axes, picture: InstanceSnapshot, axis: TimeAxis, colours: Colours) -> None:
    moments = [axis.at(moment) for moment in picture.episodes]
    lines = [((at, 0.2), (at, 0.9)) for at in moments]
    width = 1.2 if len(lines) <= 150 else 0.4
    episodes = LineCollection(lines, colors=[colours.of(INK)], linewidths=width, zorder=3)
    episodes.set_gid("episodes")
    ax.add_collection(episodes, autolim=False)
