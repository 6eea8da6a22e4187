"""What a timeline is drawn with: one collection for each kind and state, told apart by shape and colour."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection

from durablenb.analysis.calls import CallState
from durablenb.model.events import TaskKind
from durablenb.notebook.palette import AMBER, RED, SOLIDS, call_look
from durablenb.notebook.plots.axis import Numbers, TimeAxis
from durablenb.notebook.plots.colours import RGB, Colours
from durablenb.notebook.plots.lanes import MOST_APART
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
_UNDER_WAY: tuple[CallState, ...] = ("open", "not loaded", "left open", "retrying")
_LEAST, _LEAST_OF_MANY = 3.0, 0.5
"""Parts of 640 of the time axis that even a bar of no time takes."""


_FINE = 0.25
"""Parts of 640 of the time axis that are seen as a gap."""


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
    """Gathers what is to be drawn, and then draws it."""

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
        """Note a bar; a `rim` keeps it apart from the next one."""
        found = self._bars.get((kind, state))
        if found is None:
            found = self._bars[kind, state] = _Bars(kind, state)
        found.bars.append((*span, middle, height, 0.8 if rim else 0.0))

    def line(self, label: str, colour: str, style: str, span: tuple[float, float], middle: float) -> None:
        """Note a line."""
        found = self._lines.setdefault((label, colour), _Lines(self._colours.of(colour), style))
        found.lines.append((*span, middle))

    def point(self, label: str, colour: str, marker: str, at: float, middle: float, *, filled: bool) -> None:
        """Note a mark."""
        found = self._points.setdefault((label, colour), _Points(self._colours.of(colour), marker, filled))
        found.points.append((at, middle))

    def failure(self, at: float, middle: float) -> None:
        """Note that something failed there."""
        self.point("failed", RED, "X", at, middle, filled=True)

    def pause(self, span: tuple[float, float], middle: float) -> None:
        """Note the wait before a retry."""
        self.line("wait before a retry", SOLIDS[AMBER], ":", span, middle)

    def show(self, ax: Axes, size: float) -> None:
        """Draw all; `size` is the height of a mark in points."""
        for (kind, state), bars in self._bars.items():
            ax.add_collection(self._polygons(_words(kind, state), bars), autolim=False)
        for (label, _), lines in self._lines.items():
            begin, end, middle = self._told_apart(*np.array(lines.lines).T)
            segments = list(np.stack([begin, middle, end, middle], axis=1).reshape(-1, 2, 2))
            width = {"-": 1.6, ":": 1.4}[lines.style]
            look: dict[str, Any] = {"colors": [lines.colour], "linestyles": lines.style, "linewidths": width}
            drawn = LineCollection(segments, label=label, **look)
            drawn.set_gid(_gid(label))
            ax.add_collection(drawn, autolim=False)
        for (label, _), marks in self._points.items():
            x, _, y = self._told_apart(*np.array([(at, at, middle) for at, middle in marks.points]).T)
            ground = self._colours.ground
            face, edge = (marks.colour, ground) if marks.marker == "X" else (ground, marks.colour)
            face = marks.colour if marks.is_filled else face
            look = {"facecolors": [face], "edgecolors": [edge], "linewidths": 1.0, "gid": _gid(label)}
            wide = 1.5 * size if marks.marker == "X" else size
            ax.scatter(x, y, s=wide**2, marker=marks.marker, zorder=4, label=label, **look)

    def _polygons(self, label: str, found: _Bars) -> PolyCollection:
        begin, end, middle, height, rims = np.array(found.bars).T
        end = np.maximum(end, self._axis.later(begin, np.where(rims > 0, _LEAST, _LEAST_OF_MANY)))
        if len(begin) > MOST_APART:
            begin, end, middle = self._told_apart(begin, end, middle)
            height = np.full(len(begin), height.min())
            rims = np.zeros(len(begin))
        top, bottom = middle - height / 2, middle + height / 2
        corners = np.stack([begin, top, end, top, end, bottom, begin, bottom], axis=1).reshape(-1, 4, 2)
        look = call_look(found.state, found.kind)
        is_open = found.state in _UNDER_WAY
        is_pale = is_open or found.kind in _PALE
        solid = self._colours.of(look.solid)
        polygons = PolyCollection(
            list(corners),
            facecolors=[self._colours.of(look.tint) if is_pale else solid],
            edgecolors=[solid if is_pale else self._colours.ground],
            linestyles="--" if is_open else "-",
            linewidths=rims,
            hatch=None if not rims.any() else "xxxx" if found.state == "failed" else _HATCHES.get(found.kind),
            label=label,
            zorder=3,
        )
        polygons.set_gid(_gid(f"{found.kind} {found.state}"))
        return polygons

    def _told_apart(self, begin: Numbers, end: Numbers, middle: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """Return what can be seen of stretches at some height: of many, those that touch become one."""
        if len(begin) <= MOST_APART:
            return begin, end, middle
        order = np.lexsort((begin, middle))
        begin, end, middle = begin[order], end[order], middle[order]
        left, right = self._axis.places(begin), self._axis.places(end)
        # Each height has a range of its own, so that the furthest end so far is one of the same height.
        _, level = np.unique(middle, return_inverse=True)
        apart = level * (right.max() - left.min() + 2 * _FINE)
        reached = np.maximum.accumulate(right + apart)
        is_first = np.concatenate([[True], left[1:] + apart[1:] > reached[:-1] + _FINE])
        firsts = np.flatnonzero(is_first)
        return begin[firsts], np.maximum.reduceat(end, firsts), middle[firsts]


def _gid(words: str) -> str:
    """Return what artists are found by."""
    return words.lstrip("_").replace(" ", "-")


def _words(kind: TaskKind, state: CallState) -> str:
    """Return what the legend says of bars."""
    if state == "failed":
        return f"_{kind}"  # a legend has the crosses
    words = states_text({state: 1}, kind).removeprefix("1 ")
    if kind == "activity":
        return words
    return kind if state == "completed" else f"{kind}, {words}"
