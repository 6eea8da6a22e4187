"""The numbers in an entity's state over time, as a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from durablenb.analysis.number_series import StateNumbers
from durablenb.analysis.text import shortened
from durablenb.notebook.figures.axes import SERIES, add_legend, date_numbers, new_axes, show_dates, text_scale
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.palette import RED

_LINES = ("-", "--", "-.", ":")
_FEW = 60
"""Maximum operations for which each one gets a marker."""


def state_axes(courses: StateNumbers, ax: Axes | None) -> Axes:
    """Return axes with a line for each number in the state, over time, or over operations if no time passed.

    Raises
    ------
    ValueError
        If the state has no numbers.
    """
    if not courses.fields:
        raise ValueError(
            f"The state of {courses.entity_id} has no numbers to draw: neither is it one, nor has it fields "
            "that are."
        )
    ax = new_axes(6.4, 3.2) if ax is None else ax
    colours = Colours(ax)
    xs = _places(ax, courses)
    for index, (name, values) in enumerate(courses.fields.items()):
        ax.plot(
            xs,
            [math.nan if value is None else value for value in values],
            drawstyle="steps-post",
            color=colours.of(SERIES[index % len(SERIES)]),
            linestyle=_LINES[index // len(SERIES) % len(_LINES)] if index else "-",
            marker="os^Dv"[index % 5] if len(xs) <= _FEW else None,
            markersize=4 * text_scale(),
            label=shortened(name or "state", 32),
        )
    if all(value is None or value == int(value) for values in courses.fields.values() for value in values):
        ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    _show_failures(ax, courses, xs, colours)
    ax.spines[["right", "top"]].set_visible(False)
    ax.margins(x=0.03)
    (only, *others) = courses.fields
    what = "state" if others or not only else only
    name = f"{shortened(what, 24)} of {shortened(str(courses.entity_id), 32)}"
    ax.set_ylabel(name, parse_math=False, usetex=False)
    if others or any(courses.is_failed):
        add_legend(ax)
    return ax


def _places(ax: Axes, courses: StateNumbers) -> Sequence[float]:
    """Return the x value of each operation, and set up the axis for it."""
    if courses.ended[0] < courses.ended[-1]:
        show_dates(ax)
        return date_numbers(courses.ended)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("operation")
    return [float(number) for number in range(1, len(courses.ended) + 1)]


def _show_failures(ax: Axes, courses: StateNumbers, xs: Sequence[float], colours: Colours) -> None:
    """Mark the operations that failed, on the first line."""
    values = next(iter(courses.fields.values()))
    known = [value for value in values if value is not None]
    failed = [
        (x, known[0] if value is None else value)
        for x, value, is_failed in zip(xs, values, courses.is_failed, strict=True)
        if is_failed
    ]
    if failed:
        x, y = zip(*failed, strict=True)
        size = (7 * text_scale()) ** 2
        face, edge = colours.of(RED), colours.ground
        look: dict[str, Any] = {"facecolors": [face], "edgecolors": [edge], "zorder": 4}
        ax.scatter(x, y, s=size, marker="X", label="failed operation", **look)
