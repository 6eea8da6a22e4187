"""The time axis of a timeline: seconds, with what is idle folded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, Locator
from numpy.typing import NDArray

from durablenb.notebook.plots.axes import points_in, points_of
from durablenb.notebook.plots.colours import Colours
from durablenb.notebook.scale import NICE, Scale
from durablenb.notebook.svg import MUTED, RIM, width_of
from durablenb.notebook.words import lasting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_WIDTH = 640.0
"""Pixels that the axis is thought to have."""

_MOST_TICKS = 8


class TimeAxis:
    """Where moments are: in seconds from the beginning.

    Parameters
    ----------
    begin, end
        The first moment and the last one.
    busy
        Stretches in which something was at work; what lies between may be folded.
    """

    def __init__(self, begin: datetime, end: datetime, busy: Iterable[tuple[datetime, datetime]]) -> None:
        self._scale = Scale(begin, end, busy, 0.0, _WIDTH)
        pieces = self._scale.pieces
        self._folds = [piece for piece in pieces if piece.is_fold]
        self._seconds = np.array([pieces[0].begin, *(piece.end for piece in pieces)])
        self._pixels = np.array([pieces[0].left, *(piece.right for piece in pieces)])

    @property
    def end(self) -> datetime:
        """The last moment."""
        return self._scale.begin + timedelta(seconds=self._scale.total)

    def at(self, moment: datetime) -> float:
        """Where a moment is."""
        return (moment - self._scale.begin).total_seconds()

    def part(self, begin: datetime, end: datetime) -> float:
        """How far apart two moments are, as a part of the axis."""
        return (self._scale.place(end) - self._scale.place(begin)) / _WIDTH

    def places(self, seconds: Numbers) -> Numbers:
        """Where moments are, in parts of 640."""
        return self._forward(seconds)

    def later(self, seconds: Numbers, pixels: Numbers) -> Numbers:
        """Where something ends that takes so many parts of 640."""
        return self._inverse(self._forward(seconds) + pixels)

    def _forward(self, seconds: Any) -> Numbers:
        return _straight(seconds, self._seconds, self._pixels)

    def _inverse(self, pixels: Any) -> Numbers:
        return _straight(pixels, self._pixels, self._seconds)

    def show(self, ax: Axes, bottom: float, colours: Colours) -> None:
        """Give the axes this time axis."""
        if self._folds:
            ax.set_xscale("function", functions=(self._forward, self._inverse))
            self._show_folds(ax, bottom, colours)
            places = [(float(self._inverse(x)), words) for x, words in self._ticks(ax)]
            ax.xaxis.set_major_locator(FixedLocator([place for place, _ in places]))
            ax.xaxis.set_major_formatter(FixedFormatter([words for _, words in places]))
        else:
            ax.xaxis.set_major_locator(_Nice())
            ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _words(seconds)))
        ax.set_xlim(*(float(self._inverse(x)) for x in (-4.0, _WIDTH + 6.0)))
        ax.set_xlabel(f"time since {self._scale.begin:%Y-%m-%d %H:%M:%S} UTC")

    def _ticks(self, ax: Axes) -> list[tuple[float, str]]:
        """Return the ticks that have room for their words."""
        size = points_in(rcParams["xtick.labelsize"])
        per_point = _WIDTH / points_of(ax)[0]
        ticks: list[tuple[float, str]] = []
        reached = -_WIDTH
        first = [(0.0, "0")] if self._folds[0].begin == 0 else []
        for x, words in [*first, *self._scale.ticks()]:
            wide = width_of(words, size) * per_point
            if x - wide / 2 >= reached:
                ticks.append((x, words))
                reached = x + wide / 2 + size * per_point / 2
        return ticks

    def _show_folds(self, ax: Axes, bottom: float, colours: Colours) -> None:
        edges = [(fold.begin, fold.end) for fold in self._folds]
        bands = [[(a, 0.0), (b, 0.0), (b, bottom), (a, bottom)] for a, b in edges]
        band = PolyCollection(bands, facecolors=[colours.of(RIM)], linewidths=0, zorder=0.5, alpha=0.45)
        band.set_label("idle, folded")
        ax.add_collection(band, autolim=False)
        width, height = points_of(ax)
        size = points_in("x-small")
        for fold in self._folds:
            words = f"idle {lasting(fold.end - fold.begin)}"
            room = (fold.right - fold.left) / _WIDTH * width
            if width_of(words, size) < room and 1.5 * size * bottom < 2 * height:
                x = float(self._inverse((fold.left + fold.right) / 2))
                look: dict[str, Any] = {"size": "x-small", "color": colours.of(MUTED), "zorder": 5}
                ax.text(x, bottom, words, ha="center", va="bottom", **look)


def _straight(values: Any, xs: Numbers, ys: Numbers) -> Numbers:
    """Return values on a line of straight pieces; the first and the last one have no end."""
    values = np.asarray(values, dtype=float)
    first = (ys[1] - ys[0]) / (xs[1] - xs[0])
    last = (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    below, above = np.minimum(values - xs[0], 0), np.maximum(values - xs[-1], 0)
    found: Numbers = np.interp(values, xs, ys) + below * first + above * last
    return found


def _words(seconds: float) -> str:
    return "0" if abs(seconds) < 1e-9 else ("\N{MINUS SIGN}" if seconds < 0 else "") + lasting(abs(seconds))


class _Nice(Locator):
    """Ticks at round numbers of milliseconds, seconds, minutes, hours or days."""

    def __call__(self) -> Any:
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return round numbers between two, not too many."""
        low, high = min(vmin, vmax), max(vmin, vmax)
        most = (
            _MOST_TICKS if self.axis is None else max(2, min(_MOST_TICKS, 0.6 * self.axis.get_tick_space()))
        )
        step = next((nice for nice in NICE if (high - low) / nice <= most), high - low)
        return np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
