"""Axes of new figures, sized for the user's font, and the time axis and legend that figures share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import matplotlib.pyplot as plt
from matplotlib import dates, rcParams
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties

from durablenb.notebook.palette import AMBER, BLUE, GREEN, SOLIDS, VIOLET
from durablenb.notebook.svg import text_width

SERIES = (SOLIDS[BLUE], SOLIDS[AMBER], SOLIDS[GREEN], SOLIDS[VIOLET])
"""Colours of series without a status."""

_LEGEND = 0.6
"""Maximum height of a legend, as a fraction of the height of the axes."""


def text_scale() -> float:
    """Return the user's font size relative to Matplotlib's default."""
    return float(rcParams["font.size"]) / 10


def new_axes(width: float, height: float, *, is_full: bool = False) -> Axes:
    """Return the axes of a new pyplot figure.

    Parameters
    ----------
    width, height
        Size in inches at a font size of 10 points.
    is_full
        Whether the axes fill the figure, because they have neither ticks nor labels.
    """
    scale = text_scale()
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


def date_numbers(moments: Sequence[datetime]) -> Sequence[float]:
    """Return times as Matplotlib's date numbers."""
    return [float(day) for day in dates.date2num(moments)]  # type: ignore[no-untyped-call]


def add_legend(ax: Axes) -> None:
    """Add a legend above the axes, unless it would take too much of their height."""
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    size = font_points("small")
    widest = max((text_width(label, size) for label in handles), default=0) + 3.4 * size
    width, height = size_in_points(ax)
    columns = max(1, min(len(handles), int(width / widest)))
    if -(-len(handles) // columns) * 1.5 * size > _LEGEND * height:
        return
    legend = ax.legend(
        list(handles.values()), list(handles), loc="lower left", bbox_to_anchor=(0, 1), ncols=columns,
        frameon=False, fontsize="small", borderaxespad=0.3, handlelength=1.6, columnspacing=1.2,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set(parse_math=False, usetex=False)


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Return the width and the height of axes, in points."""
    extent, per_dot = ax.get_window_extent(), 72 / ax.figure.dpi
    return float(extent.width * per_dot), float(extent.height * per_dot)


def font_points(size: str | float) -> float:
    """Return a font size, such as "small", in points."""
    return float(FontProperties(size=size).get_size_in_points())
