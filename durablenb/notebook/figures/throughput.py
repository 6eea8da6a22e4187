"""The calls of a hub that ended per second, by name, as a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from durablenb.analysis.text import shortened
from durablenb.analysis.throughput import Throughput
from durablenb.notebook.figures.axes import SERIES, add_legend, date_numbers, new_axes, show_dates, text_scale
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.palette import GREY, RED, SOLIDS

Numbers = NDArray[np.float64]

_HATCHES = (None, "////", "....", "\\\\\\\\", "xxxx", "----")
_MOST = 6
"""Names that get a layer of their own."""


def throughput_axes(throughput: Throughput, ax: Axes | None) -> Axes:
    """Return axes with calls per second over time: a layer for each name, and marks for failures."""
    ax = new_axes(7, 3) if ax is None else ax
    colours = Colours(ax)
    seconds = throughput.width.total_seconds()
    ax.set_ylabel("calls finished per second")
    ax.spines[["right", "top"]].set_visible(False)
    if throughput.begin is None:
        ax.text(0.5, 0.5, "no call has ended yet", transform=ax.transAxes, ha="center", va="center")
        return ax
    show_dates(ax)
    layers = _layers(throughput)
    count = len(layers[0][1])
    edges = date_numbers([throughput.begin])[0] + np.arange(count + 1) * seconds / 86_400
    base = np.zeros(count)
    for index, (name, counts) in enumerate(layers):
        top = base + counts / seconds
        is_rest = index == _MOST
        colour = SOLIDS[GREY] if is_rest else SERIES[index % len(SERIES)]
        layer = PolyCollection(
            [_area(edges, base, top)],
            facecolors=[colours.of(colour)],
            edgecolors=[colours.ground],
            linewidths=0.4,
            hatch=None if is_rest else _HATCHES[index],
            label=shortened(name, 28),
        )
        ax.add_collection(layer, autolim=False)
        base = top
    _show_failures(ax, throughput, edges, colours)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, float(np.max(base)) * 1.12)
    add_legend(ax)
    return ax


def _layers(throughput: Throughput) -> list[tuple[str, Numbers]]:
    """Return the calls of each name in each interval; the rarest names share one layer."""
    sums = {
        name: np.array(done) + np.array(throughput.failed[name])
        for name, done in throughput.completed.items()
    }
    layers = [(name, counts.astype(float)) for name, counts in sums.items()]
    if len(layers) <= _MOST + 1:
        return layers
    rest: Numbers = np.sum([counts for _, counts in layers[_MOST:]], axis=0)
    return [*layers[:_MOST], (f"{len(layers) - _MOST:,} more", rest)]


def _area(edges: Numbers, base: Numbers, top: Numbers) -> Numbers:
    """Return the outline of a layer: steps along its top, and back along its base."""
    xs = np.repeat(edges, 2)[1:-1]
    return np.column_stack([np.append(xs, xs[::-1]), np.append(np.repeat(top, 2), np.repeat(base, 2)[::-1])])


def _show_failures(ax: Axes, throughput: Throughput, edges: Numbers, colours: Colours) -> None:
    """Mark the intervals in which calls failed, in a row at the top."""
    failed = [sum(counts) for counts in zip(*throughput.failed.values(), strict=True)]
    intervals = np.flatnonzero(failed)
    if len(intervals):
        look: dict[str, Any] = {"facecolors": [colours.of(RED)], "edgecolors": [colours.ground]}
        look |= {"s": (6 * text_scale()) ** 2, "zorder": 4, "clip_on": False}
        x, y = (edges[intervals] + edges[intervals + 1]) / 2, np.full(len(intervals), 0.97)
        transform = ax.get_xaxis_transform()
        ax.scatter(x, y, marker="X", transform=transform, label=f"{sum(failed):,} failed", **look)
