"""The time axis of a timeline: seconds, with idle time folded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.collections import PolyCollection
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, Locator
from numpy.typing import NDArray

from durablenb.notebook.figures.axes import font_points, size_in_points
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.still.time_scale import NICE, Scale
from durablenb.notebook.svg import MUTED, RIM, text_width
from durablenb.notebook.words import lasting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[np.float64]

_WIDTH = 640.0
"""Nominal width of the axis in pixels."""

_MOST_TICKS = 8


class TimeAxis:
    """A time axis in seconds since the first moment, which may fold idle time.

    Parameters
    ----------
    begin, end
        The first moment and the last one.
    busy
        Periods in which something ran; the time between them may be folded.
    """

    def __init__(self, begin: datetime, end: datetime, busy: Iterable[tuple[datetime, datetime]]) -> None:
        self._scale = Scale(begin, end, busy, 0.0, _WIDTH)
        pieces = self._scale.pieces
        self._folds = [piece for piece in pieces if piece.is_fold]
        self._seconds = np.array([pieces[0].begin, *(piece.end for piece in pieces)])
        self._pixels = np.array([pieces[0].left, *(piece.right for piece in pieces)])

    width = _WIDTH
    """Nominal width in pixels."""

    @property
    def begin(self) -> datetime:
        """The first moment."""
        return self._scale.begin

    @property
    def end(self) -> datetime:
        """The last moment."""
        return self._scale.begin + timedelta(seconds=self._scale.total)

    def at(self, moment: datetime) -> float:
        """Return a time in seconds on the axis."""
        return (moment - self._scale.begin).total_seconds()

    def fraction(self, begin: datetime, end: datetime) -> float:
        """Return the distance of two times as a fraction of the axis."""
        return (self._scale.position(end) - self._scale.position(begin)) / _WIDTH

    def pixels_at(self, seconds: Numbers) -> Numbers:
        """Return positions, in pixels of the nominal width, of times in seconds."""
        return self._forward(seconds)

    def end_after(self, seconds: Numbers, pixels: Numbers) -> Numbers:
        """Return the ends of stretches that begin at `seconds` and are `pixels` wide."""
        return self._inverse(self._forward(seconds) + pixels)

    def _forward(self, seconds: Any) -> Numbers:
        return _interpolate(seconds, self._seconds, self._pixels)

    def _inverse(self, pixels: Any) -> Numbers:
        return _interpolate(pixels, self._pixels, self._seconds)

    def show(self, ax: Axes, bottom: float, colours: Colours) -> None:
        """Set up the x axis of the axes."""
        if self._folds:
            ax.set_xscale("function", functions=(self._forward, self._inverse))
            self._show_folds(ax, bottom, colours)
            ticks = [(float(self._inverse(x)), words) for x, words in self._ticks(ax)]
            ax.xaxis.set_major_locator(FixedLocator([position for position, _ in ticks]))
            ax.xaxis.set_major_formatter(FixedFormatter([words for _, words in ticks]))
        else:
            ax.xaxis.set_major_locator(_Nice())
            ax.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _words(seconds)))
        ax.set_xlim(*(float(self._inverse(x)) for x in (-4.0, _WIDTH + 6.0)))
        ax.set_xlabel(f"time since {self._scale.begin:%Y-%m-%d %H:%M:%S} UTC")

    def _ticks(self, ax: Axes) -> list[tuple[float, str]]:
        """Return the ticks whose labels don't overlap."""
        size = font_points(rcParams["xtick.labelsize"])
        per_point = _WIDTH / size_in_points(ax)[0]
        ticks: list[tuple[float, str]] = []
        reached = -_WIDTH
        first = [(0.0, "0")] if self._folds[0].begin == 0 else []
        for x, words in [*first, *self._scale.ticks()]:
            wide = text_width(words, size) * per_point
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
        width, height = size_in_points(ax)
        size = font_points("x-small")
        for fold in self._folds:
            words = f"idle {lasting(fold.end - fold.begin)}"
            room = (fold.right - fold.left) / _WIDTH * width
            if text_width(words, size) < room and 1.5 * size * bottom < 2 * height:
                x = float(self._inverse((fold.left + fold.right) / 2))
                look: dict[str, Any] = {"size": "x-small", "color": colours.of(MUTED), "zorder": 5}
                ax.text(x, bottom, words, ha="center", va="bottom", **look)


def _interpolate(values: Any, xs: Numbers, ys: Numbers) -> Numbers:
    """Interpolate linearly between points; extrapolate beyond the first and the last."""
    values = np.asarray(values, dtype=float)
    first = (ys[1] - ys[0]) / (xs[1] - xs[0])
    last = (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    below, above = np.minimum(values - xs[0], 0), np.maximum(values - xs[-1], 0)
    result: Numbers = np.interp(values, xs, ys) + below * first + above * last
    return result


def _words(seconds: float) -> str:
    return "0" if abs(seconds) < 1e-9 else ("\N{MINUS SIGN}" if seconds < 0 else "") + lasting(abs(seconds))


class _Nice(Locator):
    """Ticks at round numbers of milliseconds, seconds, minutes, hours or days."""

    def __call__(self) -> Any:
        assert self.axis is not None
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return round numbers in a range, as many as have room."""
        low, high = min(vmin, vmax), max(vmin, vmax)
        most = (
            _MOST_TICKS if self.axis is None else max(2, min(_MOST_TICKS, 0.6 * self.axis.get_tick_space()))
        )
        step = next((nice for nice in NICE if (high - low) / nice <= most), high - low)
        return np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
