"""The attempts of activities by worker, the calls finished per second, and how long they took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FuncFormatter

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.text import shortened
from durablenb.analysis.workers import Run, Worker, read_workers
from durablenb.notebook.figures.axes import SERIES, add_legend, new_axes, text_scale
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.figures.time_axis import Numbers, TimeAxis
from durablenb.notebook.palette import BLUE, GREY, RED, SOLIDS
from durablenb.notebook.svg import INK
from durablenb.notebook.words import lasting

_ROW, _BELOW, _AROUND = 0.2, 1.0, 1.0
"""Height in inches of a worker, of each of the two figures below, and of all around them."""

_LABELS = 40
"""Maximum workers that are all named."""

_BINS = 120
_LEAST = 0.5
"""Minimum width of a bar, in nominal pixels of the time axis."""


def workers_axes(picture: InstanceSnapshot, ax: Axes | None) -> Axes:
    """Return axes with a lane for each worker; in a new figure, with two further axes below it."""
    workers = read_workers(picture.calls)
    below: Sequence[Axes] = ()
    if ax is None:
        height = _ROW * max(len(workers), 3)
        if workers:
            ax, *below = _new(height)
        else:
            ax = new_axes(8, _AROUND + height)
    if not workers:
        ax.text(0.5, 0.5, "no activity has run yet", transform=ax.transAxes, ha="center", va="center")
        return ax
    runs = [run for worker in workers for run in worker.runs]
    begin = min(event.timestamp for event in picture.events)
    end = max(event.timestamp for event in picture.events)
    axis, colours = TimeAxis(begin, end, [(run.started, run.ended) for run in runs]), Colours(ax)
    _show_lanes(ax, workers, axis, colours)
    if below:
        rates, lengths = below
        axis.show(rates, 1.0, colours)
        _show_rates(rates, runs, axis, colours)
        _show_lengths(lengths, runs, colours)
        ax.tick_params(axis="x", labelbottom=False)
        ax.set_xlabel("")
    add_legend(ax)
    return ax


def _new(height: float) -> Sequence[Axes]:
    """Return the axes of a new pyplot figure, from top to bottom."""
    scale = text_scale()
    heights = [height, _BELOW, _BELOW]
    size = (8 * scale, (sum(heights) + _AROUND) * scale)
    _, axes = plt.subplots(3, figsize=size, layout="constrained", height_ratios=heights)
    return list(axes)


def _show_lanes(ax: Axes, workers: Sequence[Worker], axis: TimeAxis, colours: Colours) -> None:
    names = Counter(run.name for worker in workers for run in worker.runs)
    common = [name for name, _ in names.most_common()]
    rows: dict[str | None, list[tuple[float, float, int]]] = {}  # the failed ones have no name
    for level, worker in enumerate(workers):
        for run in worker.runs:
            key = None if run.is_failed else run.name
            rows.setdefault(key, []).append((axis.at(run.started), axis.at(run.ended), level))
    for index, name in enumerate([*common, None]):
        if name not in rows:
            continue
        left, right, level = np.array(rows[name]).T
        right = np.maximum(right, axis.end_after(left, np.full(len(left), _LEAST if name else 3 * _LEAST)))
        high = 0.4 if name else 0.5
        corners = np.stack(
            [left, level - high, right, level - high, right, level + high, left, level + high], axis=1
        ).reshape(-1, 4, 2)
        colour = SOLIDS[RED] if name is None else SERIES[index] if index < len(SERIES) else SOLIDS[GREY]
        label = f"{len(left):,} failed" if name is None else shortened(name, 28)
        bars = PolyCollection(list(corners), facecolors=[colours.of(colour)], linewidths=0, label=label)
        bars.set_gid("failed" if name is None else f"runs-of-{name}")
        bars.set_zorder(3 if name else 4)
        ax.add_collection(bars, autolim=False)
    ax.set_ylim(len(workers) - 0.4, -0.6)
    axis.show(ax, len(workers) - 0.4, colours)
    step = -(-len(workers) // _LABELS)
    titles = [f"{worker.name}  {worker.busy(axis.begin, axis.end):.0%}" for worker in workers]
    ax.set_yticks(range(0, len(workers), step), titles[::step])
    ax.tick_params(axis="y", length=0, labelsize="small")
    for title in ax.get_yticklabels():
        title.set(parse_math=False, usetex=False)
    ax.spines[["left", "right", "top"]].set_visible(False)


def _show_rates(ax: Axes, runs: Sequence[Run], axis: TimeAxis, colours: Colours) -> None:
    edges = axis.end_after(np.zeros(_BINS + 1), np.linspace(0, axis.width, _BINS + 1))
    base: Numbers = np.zeros(_BINS)
    for is_failed, colour in ((True, RED), (False, BLUE)):
        ends = [axis.at(run.ended) for run in runs if run.is_failed is is_failed]
        rates = np.histogram(ends, edges)[0] / np.diff(edges)
        look: dict[str, Any] = {"color": colours.of(SOLIDS[colour]), "align": "edge"}
        ax.bar(edges[:-1], rates, np.diff(edges), base, **look)
        base = base + rates
    ax.set_ylim(0, float(np.max(base)) * 1.1 or 1.0)
    ax.set_ylabel("finished/s")
    ax.spines[["right", "top"]].set_visible(False)


def _show_lengths(ax: Axes, runs: Sequence[Run], colours: Colours) -> None:
    """Draw the distribution of durations, with the median and the 95th percentile."""
    seconds = np.array([max(run.seconds, 1e-6) for run in runs])
    edges = np.geomspace(seconds.min() / 1.1, seconds.max() * 1.1, 49)
    failed = np.array([run.is_failed for run in runs])
    look: dict[str, Any] = {"stacked": True, "color": [colours.of(SOLIDS[RED]), colours.of(SOLIDS[BLUE])]}
    ax.hist([seconds[failed], seconds[~failed]], list(edges), **look)
    for name, share, anchor in (("p50", 50, "right"), ("p95", 95, "left")):
        at = float(np.percentile(seconds, share, method="inverted_cdf"))
        ax.axvline(at, color=colours.of(INK), linewidth=1, linestyle=":")
        words = f" {name} {lasting(at)} "
        ax.text(at, 0.98, words, transform=ax.get_xaxis_transform(), ha=anchor, va="top", size="small")
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: lasting(value)))
    ax.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    ax.set_xlabel("duration of an attempt")
    ax.set_ylabel("attempts")
    ax.spines[["right", "top"]].set_visible(False)
