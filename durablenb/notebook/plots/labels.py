"""What is written beside the lanes of a timeline, and in them: only where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

from matplotlib import rcParams
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from durablenb.analysis.calls import Call
from durablenb.analysis.text import shortened
from durablenb.notebook.plots.axes import points_in, points_of
from durablenb.notebook.plots.axis import TimeAxis
from durablenb.notebook.plots.colours import Colours
from durablenb.notebook.plots.lanes import Band, Row
from durablenb.notebook.svg import HAIR, MUTED, width_of
from durablenb.notebook.words import lasting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME = 32
_EPISODES = 0.55
"""Where the name of the first lane stands."""

_SMALLEST = 5.0
"""Points; where names would have to be smaller, some are left out."""


def show_lanes(ax: Axes, bands: Sequence[Band], bottom: float, colours: Colours) -> None:
    """Give the axes a name for each lane, and lines between lanes."""
    ax.set_ylim(bottom, 0)
    per_line = points_of(ax)[1] / bottom
    names = [(_EPISODES, "episodes"), *((band.middle, shortened(band.label, _NAME)) for band in bands)]
    nearest = min((two[0] - one[0] for one, two in pairwise(names)), default=bottom)
    size = min(points_in(rcParams["ytick.labelsize"]), max(_SMALLEST, nearest * per_line * 0.9))
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
    """Write how long the calls of a lane took, behind them."""
    width, height = points_of(ax)
    size = points_in("x-small")
    if not band.is_queue_shown or band.row * height / bottom < 1.2 * size:
        return
    beside = offset_copy(ax.transData, cast(Figure, ax.figure), x=0.6 * size, units="points")
    look: dict[str, Any] = {"size": "x-small", "color": colours.of(MUTED), "zorder": 5, "transform": beside}
    nexts = _nexts(band.rows())
    for row in band.rows():
        end = band.lane.end(row.call)
        after = nexts.get((row.call.execution, row.call.number), axis.end)
        words = _length(row.call, end)
        if words and width_of(words, size) + 1.4 * size < axis.part(end, after) * width:
            ax.text(axis.at(end), row.middle, words, va="center_baseline", **look)


def _length(call: Call, end: datetime) -> str:
    seconds = (end - call.asked).total_seconds()
    tries = len(call.attempts)
    return "" if seconds < 0.001 else lasting(seconds) + (f", {tries} tries" if tries > 1 else "")


def _nexts(rows: Iterable[Row]) -> dict[tuple[int, int], datetime]:
    """Return for each call when the next one in its row was asked for, by number."""
    last: dict[float, Call] = {}
    nexts: dict[tuple[int, int], datetime] = {}
    for row in sorted(rows, key=lambda row: row.call.asked):
        before = last.get(row.middle)
        if before is not None:
            nexts[before.execution, before.number] = row.call.asked
        last[row.middle] = row.call
    return nexts
