"""How many calls of a hub ended per second, by name, as a figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from durablenb.analysis.fleet import Throughput
from durablenb.analysis.text import shortened
from durablenb.notebook.palette import GREY, RED, SOLIDS
from durablenb.notebook.plots.axes import SERIES, add_legend, days_of, new_axes, scale_of_text, show_dates
from durablenb.notebook.plots.colours import Colours

Numbers = NDArray[np.float64]

_HATCHES = (None, "////", "....", "\\\\\\\\", "xxxx", "----")
_MOST = 6
"""Names that are told apart."""


def throughput_axes(found: Throughput, ax: Axes | None) -> Axes:
    """Return axes with the calls per second over time: a layer for each name, and where some failed."""
    ax = new_axes(7, 3) if ax is None else ax
    colours = Colours(ax)
    seconds = found.width.total_seconds()
    ax.set_ylabel("calls ended per second")
    ax.spines[["right", "top"]].set_visible(False)
    if found.begin is None:
        ax.text(0.5, 0.5, "no call has ended yet", transform=ax.transAxes, ha="center", va="center")
        return ax
    show_dates(ax)
    layers = _layers_of(found)
    count = len(layers[0][1])
    edges = days_of([found.begin])[0] + np.arange(count + 1) * seconds / 86_400
    base = np.zeros(count)
    for place, (name, counts) in enumerate(layers):
        top = base + counts / seconds
        is_rest = place == _MOST
        colour = SOLIDS[GREY] if is_rest else SERIES[place % len(SERIES)]
        layer = PolyCollection(
            [_area(edges, base, top)],
            facecolors=[colours.of(colour)],
            edgecolors=[colours.ground],
            linewidths=0.4,
            hatch=None if is_rest else _HATCHES[place],
            label=shortened(name, 28),
        )
        ax.add_collection(layer, autolim=False)
        base = top
    _show_failures(ax, found, edges, colours)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, float(base.max()) * 1.12)
    add_legend(ax)
    return ax


def _layers_of(found: Throughput) -> list[tuple[str, Numbers]]:
    """Return the calls of each name in each stretch; the names with fewest calls are one."""
    sums = {name: np.array(done) + np.array(found.failed[name]) for name, done in found.completed.items()}
    layers = [(name, counts.astype(float)) for name, counts in sums.items()]
    if len(layers) <= _MOST + 1:
        return layers
    rest: Numbers = np.sum([counts for _, counts in layers[_MOST:]], axis=0)
    return [*layers[:_MOST], (f"{len(layers) - _MOST:,} more", rest)]


def _area(edges: Numbers, base: Numbers, top: Numbers) -> Numbers:
    """Return the outline of a layer: steps along its top, and back along its base."""
    xs = np.repeat(edges, 2)[1:-1]
    return np.column_stack([np.append(xs, xs[::-1]), np.append(np.repeat(top, 2), np.repeat(base, 2)[::-1])])


def _show_failures(ax: Axes, found: Throughput, edges: Numbers, colours: Colours) -> None:
    """Mark the stretches in which calls failed, in a row on top."""
    failed = [sum(counts) for counts in zip(*found.failed.values(), strict=True)]
    places = np.flatnonzero(failed)
    if len(places):
        look: dict[str, Any] = {"facecolors": [colours.of(RED)], "edgecolors": [colours.ground]}
        look |= {"s": (6 * scale_of_text()) ** 2, "zorder": 4, "clip_on": False}
        x, y = (edges[places] + edges[places + 1]) / 2, np.full(len(places), 0.97)
        transform = ax.get_xaxis_transform()
        ax.scatter(x, y, marker="X", transform=transform, label=f"{sum(failed):,} failed", **look)
