"""The marks of a timeline: one collection for each kind and state, distinct in shape and colour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from durablenb.analysis.calls import IN_FLIGHT, CallState
from durablenb.model.events import TaskKind
from durablenb.notebook.figures.colours import RGB, Colours
from durablenb.notebook.figures.time_axis import Numbers, TimeAxis
from durablenb.notebook.figures.timeline_lanes import MOST_APART
from durablenb.notebook.palette import AMBER, RED, SOLIDS, call_look
from durablenb.notebook.words import states_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HATCHES: dict[TaskKind, str] = {
    "sub-orchestration": "..",
    "timer": "////",
    "entity call": "oo",
    "lock": "\\\\\\\\",
}
_PALE: tuple[TaskKind, ...] = ("timer", "lock")
_UNDER_WAY: tuple[CallState, ...] = (*IN_FLIGHT, "not loaded", "left open", "interrupted", "retrying")
_LEAST, _LEAST_OF_MANY = 3.0, 0.5
"""Minimum width of a bar, in nominal pixels of the time axis."""


_GAP = 1.0
"""Gap after a bar without a line around it, in nominal pixels: otherwise the next one would touch it."""

_FINE = 0.25
"""Minimum visible gap, in nominal pixels of the time axis."""


@dataclass
class _Bars:
    """Bars of one kind and state: begin, end, middle, height, and how wide the line around it is."""

    kind: TaskKind
    state: CallState
    bars: list[tuple[float, float, float, float, float]] = field(default_factory=list)


@dataclass
class _Lines:
    """Lines of one kind: begin, end, height."""

    colour: RGB
    style: str
    lines: list[tuple[float, float, float]] = field(default_factory=list)


@dataclass
class _Points:
    """Marks of one kind: time and height."""

    colour: RGB
    marker: str
    is_filled: bool
    points: list[tuple[float, float]] = field(default_factory=list)


class Marks:
    """Collects marks, and draws them as few collections."""

    def __init__(self, axis: TimeAxis, colours: Colours) -> None:
        self._axis = axis
        self._colours = colours
        self._bars: dict[tuple[TaskKind, CallState], _Bars] = {}
        self._lines: dict[tuple[str, str], _Lines] = {}
        self._points: dict[tuple[str, str], _Points] = {}

    def bar(
        self,
        kind: TaskKind,
        state: CallState,
        span: tuple[float, float],
        middle: float,
        height: float,
        *,
        rim: bool,
    ) -> None:
        """Add a bar; a `rim` separates it from the next one."""
        bars = self._bars.get((kind, state))
        if bars is None:
            bars = self._bars[kind, state] = _Bars(kind, state)
        bars.bars.append((*span, middle, height, 0.8 if rim else 0.0))

    def line(self, label: str, colour: str, style: str, span: tuple[float, float], middle: float) -> None:
        """Add a line."""
        lines = self._lines.setdefault((label, colour), _Lines(self._colours.of(colour), style))
        lines.lines.append((*span, middle))

    def point(self, label: str, colour: str, marker: str, at: float, middle: float, *, filled: bool) -> None:
        """Add a point."""
        points = self._points.setdefault((label, colour), _Points(self._colours.of(colour), marker, filled))
        points.points.append((at, middle))

    def failure(self, at: float, middle: float) -> None:
        """Add the mark of a failure."""
        self.point("failed", RED, "X", at, middle, filled=True)

    def pause(self, span: tuple[float, float], middle: float) -> None:
        """Add the delay before a retry."""
        self.line("wait before a retry", SOLIDS[AMBER], ":", span, middle)

    def show(self, ax: Axes, size: float) -> None:
        """Draw all marks; `size` is the height of a point mark, in points."""
        for (kind, state), bars in self._bars.items():
            ax.add_collection(self._polygons(_words(kind, state), bars), autolim=False)
        for (label, _), lines in self._lines.items():
            begin, end, middle = self._distinguishable(*np.array(lines.lines).T)
            segments = list(np.stack([begin, middle, end, middle], axis=1).reshape(-1, 2, 2))
            width = {"-": 1.6, ":": 1.4}[lines.style]
            look: dict[str, Any] = {"colors": [lines.colour], "linestyles": lines.style, "linewidths": width}
            drawn = LineCollection(segments, label=label, **look)
            drawn.set_gid(_gid(label))
            ax.add_collection(drawn, autolim=False)
        for (label, _), marks in self._points.items():
            x, _, y = self._distinguishable(*np.array([(at, at, middle) for at, middle in marks.points]).T)
            ground = self._colours.ground
            face, edge = (marks.colour, ground) if marks.marker == "X" else (ground, marks.colour)
            face = marks.colour if marks.is_filled else face
            look = {"facecolors": [face], "edgecolors": [edge], "linewidths": 1.0, "gid": _gid(label)}
            wide = 1.5 * size if marks.marker == "X" else size
            ax.scatter(x, y, s=wide**2, marker=marks.marker, zorder=4, label=label, **look)

    def _polygons(self, label: str, bars: _Bars) -> PolyCollection:
        begin, end, middle, height, rims = np.array(bars.bars).T
        if len(begin) <= MOST_APART:
            end = self._axis.end_after(end, np.where(rims > 0, 0.0, -_GAP))
        end = np.maximum(end, self._axis.end_after(begin, np.where(rims > 0, _LEAST, _LEAST_OF_MANY)))
        if len(begin) > MOST_APART:
            begin, end, middle = self._distinguishable(begin, end, middle)
            height = np.full(len(begin), height.min())
            rims = np.zeros(len(begin))
        top, bottom = middle - height / 2, middle + height / 2
        corners = np.stack([begin, top, end, top, end, bottom, begin, bottom], axis=1).reshape(-1, 4, 2)
        look = call_look(bars.state, bars.kind)
        is_open = bars.state in _UNDER_WAY
        is_pale = is_open or bars.kind in _PALE
        solid = self._colours.of(look.solid)
        polygons = PolyCollection(
            list(corners),
            facecolors=[self._colours.of(look.tint) if is_pale else solid],
            edgecolors=[solid if is_pale else self._colours.ground],
            linestyles="--" if is_open else "-",
            linewidths=rims,
            hatch=None if not rims.any() else "xxxx" if bars.state == "failed" else _HATCHES.get(bars.kind),
            label=label,
            zorder=3,
        )
        polygons.set_gid(_gid(f"{bars.kind} {bars.state}"))
        return polygons

    def _distinguishable(
        self, begin: Numbers, end: Numbers, middle: Numbers
    ) -> tuple[Numbers, Numbers, Numbers]:
        """Merge stretches at the same height that touch, if there are very many."""
        if len(begin) <= MOST_APART:
            return begin, end, middle
        order = np.lexsort((begin, middle))
        begin, end, middle = begin[order], end[order], middle[order]
        left, right = self._axis.pixels_at(begin), self._axis.pixels_at(end)
        # Shift each height into its own range, so that the running maximum of ends stays within one height.
        _, level = np.unique(middle, return_inverse=True)
        apart = level * (np.max(right) - np.min(left) + 2 * _FINE)
        reached = np.maximum.accumulate(right + apart)
        is_first = np.concatenate([[True], left[1:] + apart[1:] > reached[:-1] + _FINE])
        firsts = np.flatnonzero(is_first)
        return begin[firsts], np.maximum.reduceat(end, firsts), middle[firsts]


def _gid(words: str) -> str:
    """Return the gid by which users find an artist."""
    return words.lstrip("_").replace(" ", "-")


def _words(kind: TaskKind, state: CallState) -> str:
    """Return the legend's label for bars."""
    if state == "failed":
        return f"_{kind}"  # the legend shows the crosses instead
    words = states_text({state: 1}, kind).removeprefix("1 ")
    if kind == "activity":
        return words
    return kind if state == "completed" else f"{kind}, {words}"
