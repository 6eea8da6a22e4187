"""The lanes of a timeline: the row of each call, the names beside the lanes, durations behind bars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from matplotlib import rcParams
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from durablenb.analysis.calls import Call, lane_name
from durablenb.analysis.text import shortened
from durablenb.analysis.timeline import Span
from durablenb.notebook.figures.axes import font_points, size_in_points
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.figures.time_axis import TimeAxis
from durablenb.notebook.still.timeline_lanes import Lane, assign_rows, make_lanes
from durablenb.notebook.svg import HAIR, MUTED, text_width
from durablenb.notebook.words import length_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LANES = 30
"""Maximum lanes; the remaining names share the last one."""

_FEW = 40
"""Maximum calls of a lane that shows queueing times."""

_MOST_ROWS = 8
"""Maximum rows as high as a line of text; more rows share that height."""

MOST_APART = 20_000
"""Maximum marks of a kind that are drawn one by one; beyond that, indistinguishable ones are merged."""

LEVELS = 40
"""Distinct heights within a line of text."""

_APART = 0.45


@dataclass(frozen=True, slots=True)
class Row:
    """A call and its row: `middle` and `height` in lines, from the top.

    If rows are too thin to distinguish, only some of them are drawn: `is_drawn`.
    """

    call: Call
    middle: float
    height: float
    is_drawn: bool


class Band:
    """A lane with its rows, which begin at `top`.

    Parameters
    ----------
    lane
        Its calls.
    top
        Where it begins.
    """

    def __init__(self, lane: Lane, top: float) -> None:
        self.lane = lane
        self.top = top
        self.is_queue_shown = len(lane.calls) <= _FEW
        """True if bars begin when calls were scheduled; otherwise when they began to run."""
        self._places, rows = assign_rows(lane.calls, self._begin, lane.end)
        self.height = float(min(rows, _MOST_ROWS))
        self.row = self.height / rows
        """Height of a row."""
        thin = int(1 / (LEVELS * self.row)) if len(lane.calls) > MOST_APART else 1
        self._each = max(thin, 1)  # draw every n-th row

    @property
    def bottom(self) -> float:
        """Top of the next lane."""
        return self.top + self.height + _APART

    @property
    def middle(self) -> float:
        """Height of the lane's name."""
        return self.top + self.height / 2

    @property
    def label(self) -> str:
        """The lane's name with the number of calls."""
        count = len(self.lane.calls)
        return self.lane.name if count == 1 else f"{self.lane.name} \N{MULTIPLICATION SIGN} {count:,}"

    def rows(self) -> Iterator[Row]:
        """Yield each call with its row."""
        height = self.row * self._each
        for call, number in zip(self.lane.calls, self._places, strict=True):
            level, left = divmod(number, self._each)
            yield Row(call, self.top + (level + 0.5) * height, height, left == 0)

    def span_end(self, call: Call, span: Span) -> datetime:
        """Return the end of a span, or the current time if it is open."""
        return self.lane.span_end(call, span)

    def _begin(self, call: Call) -> datetime:
        return call.scheduled if self.is_queue_shown else call.attempts[0].started


def arrange_bands(calls: Iterable[Call], now: datetime | None, top: float) -> list[Band]:
    """Return a lane for each kind and name, in the order of their first calls; surplus names share one."""
    bands: list[Band] = []
    calls = list(calls)
    for lane in make_lanes(calls, now, MOST_LANES, lane_name(calls, MOST_LANES)):
        bands.append(Band(lane, bands[-1].bottom if bands else top))
    return bands


_NAME = 32
_EPISODES = 0.55
"""Height of the label of the episodes."""

_SMALLEST = 5.0
"""Minimum font size in points; names that would need a smaller one are left out."""


def show_lanes(ax: Axes, bands: Sequence[Band], bottom: float, colours: Colours) -> None:
    """Give the axes a name for each lane, and lines between lanes."""
    ax.set_ylim(bottom, 0)
    per_line = size_in_points(ax)[1] / bottom
    names = [(_EPISODES, "episodes"), *((band.middle, shortened(band.label, _NAME)) for band in bands)]
    nearest = min((lower[0] - upper[0] for upper, lower in pairwise(names)), default=bottom)
    size = min(font_points(rcParams["ytick.labelsize"]), max(_SMALLEST, nearest * per_line * 0.9))
    shown: list[tuple[float, str]] = []
    for middle, name in names:
        if not shown or (middle - shown[-1][0]) * per_line >= size:
            shown.append((middle, name))
    ax.set_yticks([middle for middle, _ in shown], [name for _, name in shown])
    ax.tick_params(axis="y", length=0, labelsize=size)
    for label in ax.get_yticklabels():
        label.set(parse_math=False, usetex=False)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    lines = [((0.0, band.top - 0.22), (1.0, band.top - 0.22)) for band in bands]
    look: dict[str, Any] = {"colors": [colours.of(HAIR)], "linewidths": 0.8, "zorder": 0.6}
    ax.add_collection(LineCollection(lines, transform=ax.get_yaxis_transform(), **look), autolim=False)


def write_lengths(ax: Axes, axis: TimeAxis, band: Band, bottom: float, colours: Colours) -> None:
    """Write the duration of each call behind its bar, where there is room."""
    width, height = size_in_points(ax)
    size = font_points("x-small")
    if not band.is_queue_shown or band.row * height / bottom < 1.2 * size:
        return
    beside = offset_copy(ax.transData, cast(Figure, ax.figure), x=0.6 * size, units="points")
    look: dict[str, Any] = {"size": "x-small", "color": colours.of(MUTED), "zorder": 5, "transform": beside}
    nexts = _next_scheduled(band.rows())
    for row in band.rows():
        end = band.lane.end(row.call)
        after = nexts.get((row.call.execution, row.call.number), axis.end)
        words = length_text(row.call, end)
        if words and text_width(words, size) + 1.4 * size < axis.fraction(end, after) * width:
            ax.text(axis.at(end), row.middle, words, va="center_baseline", **look)


def _next_scheduled(rows: Iterable[Row]) -> dict[tuple[int, int], datetime]:
    """Return when the next call in the same row was scheduled, by execution and number."""
    last: dict[float, Call] = {}
    nexts: dict[tuple[int, int], datetime] = {}
    for row in sorted(rows, key=lambda row: row.call.scheduled):
        before = last.get(row.middle)
        if before is not None:
            nexts[before.execution, before.number] = row.call.scheduled
        last[row.middle] = row.call
    return nexts
