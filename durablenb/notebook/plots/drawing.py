"""A drawing of the views as artists of Matplotlib: one collection of all shapes, and the texts on them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Transform

from durablenb.notebook.plots.colours import Colours
from durablenb.notebook.plots.paths import box_of, path_of
from durablenb.notebook.svg import INK, Drawing, cleaned, fitted, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PER_INCH = 100
"""Pixels of a drawing that are an inch, where letters have the size of ``rcParams["font.size"]``."""

_SMALLEST = 4.0
"""Points; smaller letters are left out."""

_MOVED = re.compile(r"translate\(([-\d.]+) ([-\d.]+)\) scale\(([-\d.]+)\)")


class AxesDrawing(Drawing):
    """A picture that grows mark by mark, as of a notebook, and is then shown in axes.

    Parameters
    ----------
    width
        In pixels of the drawing.
    """

    def __init__(self, width: float) -> None:
        super().__init__(width, "")
        self._shapes: list[tuple[Path, dict[str, Any]]] = []
        self._texts: list[dict[str, Any]] = []
        self._groups: list[Transform] = [Affine2D()]

    def mark(self, tag: str, title: str = "", /, **attributes: str | float) -> None:
        """Draw a shape; it has no title."""
        found: dict[str, Any] = attributes
        if tag == "path":
            path = path_of(found["d"])
        elif tag == "circle":
            path = Path.circle((found["cx"], found["cy"]), found["r"])
        else:
            path = box_of(found["x"], found["y"], found["width"], found["height"], found.get("rx", 0))
        self._shapes.append(
            (path if len(self._groups) == 1 else self._groups[-1].transform_path(path), found)
        )

    def begin(self, **attributes: str | float) -> None:
        """Begin a group, whose marks may be moved and made smaller."""
        found = _MOVED.fullmatch(str(attributes.get("transform", "")))
        x, y, size = (0.0, 0.0, 1.0) if found is None else map(float, found.groups())
        self._groups.append(Affine2D().scale(size).translate(x, y) + self._groups[-1])

    def end(self) -> None:
        """End it."""
        self._groups.pop()

    def text(
        self,
        x: float,
        y: float,
        words: object,
        *,
        width: float | None = None,
        size: float = 12,
        fill: str = INK,
        is_bold: bool = False,
        anchor: str = "start",
    ) -> None:
        """Write a line, cut to `width`."""
        line = cleaned(words)
        line = line if width is None else fitted(line, width, size, is_bold=is_bold)
        side = {"start": "left", "middle": "center", "end": "right"}[anchor]
        weight = "bold" if is_bold else "normal"
        self._texts.append(
            {"x": x, "y": y, "text": line, "size": size, "fill": fill, "ha": side, "weight": weight}
        )

    @property
    def right(self) -> float:
        """Where the last thing on the right ends."""
        shapes = [float(np.asarray(path.vertices)[:, 0].max()) for path, _ in self._shapes]
        texts = [
            found["x"] + width_of(found["text"], found["size"], is_bold=found["weight"] == "bold")
            for found in self._texts
            if found["ha"] == "left"
        ]
        return min(self.width, max(shapes + texts, default=self.width))

    def show(self, ax: Axes, width: float, height: float, colours: Colours) -> None:
        """Show all of it in the axes, as large as it can be there undistorted."""
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        ax.set_axis_off()
        texts = [_written(ax, text, colours) for text in self._texts]
        sizes = [text["size"] for text in self._texts]
        shapes = _Shapes(self._shapes, colours, list(zip(texts, sizes, strict=True)))
        ax.add_collection(shapes, autolim=False)
        shapes.fit()


def _written(ax: Axes, found: dict[str, Any], colours: Colours) -> Text:
    text = ax.text(found["x"], found["y"], found["text"], color=colours.of(found["fill"]), clip_on=True)
    text.set(ha=found["ha"], weight=found["weight"], va="baseline", parse_math=False, usetex=False)
    return text


class _Shapes(PathCollection):
    """All shapes of a drawing; lines and letters grow with the axes, so that all stays in its place."""

    def __init__(
        self,
        shapes: Sequence[tuple[Path, dict[str, Any]]],
        colours: Colours,
        texts: Sequence[tuple[Text, float]],
    ) -> None:
        super().__init__([path for path, _ in shapes], sizes=None)
        looks = [look for _, look in shapes]
        self._widths = [float(look.get("stroke_width", 1 if "stroke" in look else 0)) for look in looks]
        self._written = texts
        self.set_facecolor([_painted(colours, look, "fill", INK) for look in looks])
        self.set_edgecolor([_painted(colours, look, "stroke", "none") for look in looks])
        dashes = [str(look.get("stroke_dasharray", "")).split() for look in looks]
        self.set_linestyle(
            [
                (0, [float(part) / max(width, 0.1) for part in parts]) if parts else "solid"
                for parts, width in zip(dashes, self._widths, strict=True)
            ]
        )
        self.set_zorder(1)
        self.set_snap(False)

    def fit(self) -> None:
        """Give lines and letters the size that the axes have room for."""
        assert self.axes is not None
        (left, _), (right, _) = self.axes.transData.transform([(0, 0), (1, 0)])
        points = abs(right - left) * 72 / self.axes.figure.dpi
        self.set_linewidth([width * points for width in self._widths])
        for text, size in self._written:
            text.set_fontsize(size * points)
            text.set_visible(size * points >= _SMALLEST)

    def draw(self, renderer: Any) -> None:
        """Draw them, in the size that the axes have by now."""
        self.fit()
        super().draw(renderer)


def _painted(
    colours: Colours, look: dict[str, Any], name: str, default: str
) -> tuple[float, float, float, float]:
    colour = str(look.get(name, default))
    if colour == "none":
        return (0.0, 0.0, 0.0, 0.0)
    opacity = float(look.get("fill_opacity", 1)) if name == "fill" else 1.0
    return (*colours.of(colour), opacity)
