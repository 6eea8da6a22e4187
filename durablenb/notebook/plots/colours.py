"""The colours of a picture on its ground: as in a notebook with a light page, or with a dark one."""

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
    """Gives each colour of the palette its counterpart on the ground of these axes.

    Parameters
    ----------
    ax
        What is drawn in.
    """

    def __init__(self, ax: Axes) -> None:
        self.ground: RGB = _ground(ax)
        """What the picture stands on."""
        self._ink: RGB = to_rgb(rcParams["text.color"])
        self._is_dark = _lightness(self.ground) < _lightness(self._ink)

    def of(self, colour: str) -> RGB:
        """Return what stands for a colour; text is written as the user has it, and white is the ground."""
        if colour in _PLATES:
            return self.ground
        if colour == INK:
            return self._ink
        return to_rgb(DARK.get(colour, colour) if self._is_dark else colour)


def _ground(ax: Axes) -> RGB:
    """Return the ground: that of the axes, or of the figure where they have none."""
    for found in (ax.get_facecolor(), ax.figure.figure.get_facecolor()):
        if not isinstance(found, str) and len(found) == 4 and found[3] > 0.5:
            return to_rgb(found)
    return to_rgb(PLATE)


def _lightness(colour: RGB) -> float:
    return colorsys.rgb_to_hls(*colour)[1]
