"""New figures, as large as the letters that the user has chosen need, and what all figures have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib.pyplot as plt
from matplotlib import dates, rcParams
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from durablenb.notebook.palette import AMBER, BLUE, GREEN, SOLIDS, VIOLET
from durablenb.notebook.svg import width_of

SERIES = (SOLIDS[BLUE], SOLIDS[AMBER], SOLIDS[GREEN], SOLIDS[VIOLET])
"""Colours of what has no status."""

_LEGEND = 0.6
"""How high a legend may be, as a part of the height of the axes."""


def scale_of_text() -> float:
    """Return how much larger letters are than Matplotlib's own."""
    return float(rcParams["font.size"]) / 10


def new_axes(width: float, height: float, *, is_full: bool = False) -> Axes:
    """Return the axes of a new figure of pyplot.

    Parameters
    ----------
    width, height
        Inches, for letters of 10 points.
    is_full
        Whether the axes take all of the figure, having neither ticks nor labels.
    """
    scale = scale_of_text()
    size = (width * scale, height * scale)
    if is_full:
        return plt.figure(figsize=size).add_axes((0, 0, 1, 1))
    return plt.subplots(figsize=size, layout="constrained")[1]


def show_dates(ax: Axes) -> None:
    """Give the axes a time axis, in UTC."""
    locator: Any = dates.AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    formatter: Any = dates.ConciseDateFormatter(locator, tz=UTC)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)
    ax.set_xlabel("time (UTC)", loc="left")


def days_of(moments: Sequence[datetime]) -> Sequence[float]:
    """Return where moments are on such an axis."""
    return [float(day) for day in dates.date2num(moments)]  # type: ignore[no-untyped-call]


def add_legend(ax: Axes) -> None:
    """Say above the axes what the marks in them mean, if that doesn't take more room than they have."""
    found = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    size = points_in("small")
    widest = max((width_of(label, size) for label in found), default=0) + 3.4 * size
    width, height = points_of(ax)
    columns = max(1, min(len(found), int(width / widest)))
    if -(-len(found) // columns) * 1.5 * size > _LEGEND * height:
        return
    legend = ax.legend(
        list(found.values()), list(found), loc="lower left", bbox_to_anchor=(0, 1), ncols=columns,
        frameon=False, fontsize="small", borderaxespad=0.3, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set(parse_math=False, usetex=False)


def points_of(ax: Axes) -> tuple[float, float]:
    """Return how wide and how high axes are, in points."""
    extent, per_dot = ax.get_window_extent(), 72 / ax.figure.dpi
    return float(extent.width * per_dot), float(extent.height * per_dot)


def points_in(size: str | float) -> float:
    """Return how many points a size of letters is, such as "small"."""
    return float(FontProperties(size=size).get_size_in_points())
