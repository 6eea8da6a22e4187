"""Colours of a figure on its background: those of a light page or of a dark one."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

from matplotlib import rcParams
from matplotlib.colors import to_rgb

from durablenb.notebook.svg import INK, PLATE
from durablenb.notebook.themes import DARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RGB = tuple[float, float, float]

_PLATES = (PLATE, "#ffffff", "#fff")


class Colours:
    """Maps the palette's colours to the background of some axes.

    Parameters
    ----------
    ax
        The axes that are drawn in.
    """

    def __init__(self, ax: Axes) -> None:
        self.ground: RGB = _ground(ax)
        """The background colour."""
        self._ink: RGB = to_rgb(rcParams["text.color"])
        self._is_dark = _lightness(self.ground) < _lightness(self._ink)

    def of(self, colour: str) -> RGB:
        """Return the colour for a palette colour; ink is the user's text colour, white the background."""
        if colour in _PLATES:
            return self.ground
        if colour == INK:
            return self._ink
        return to_rgb(DARK.get(colour, colour) if self._is_dark else colour)


def _ground(ax: Axes) -> RGB:
    """Return the background colour of the axes, or of the figure if the axes are transparent."""
    for colour in (ax.get_facecolor(), ax.figure.figure.get_facecolor()):
        if not isinstance(colour, str) and len(colour) == 4 and colour[3] > 0.5:
            return to_rgb(colour)
    return to_rgb(PLATE)


def _lightness(colour: RGB) -> float:
    return colorsys.rgb_to_hls(*colour)[1]
