"""The graph of an execution as a figure: one collection of all shapes, with texts on top."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Transform

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.figures.axes import new_axes
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.figures.svg_paths import parse_path, rounded_box
from durablenb.notebook.still.graph import draw_graph
from durablenb.notebook.still.graph_boxes import MARGIN
from durablenb.notebook.svg import INK, WIDTH, Drawing, clean, text_width, truncate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PER_INCH = 100
"""Pixels of a drawing per inch, at which text has the size of ``rcParams["font.size"]``."""

_SMALLEST = 4.0
"""Minimum font size in points; smaller text is left out."""

_MOVED = re.compile(r"translate\(([-\d.]+) ([-\d.]+)\) scale\(([-\d.]+)\)")


class AxesDrawing(Drawing):
    """A drawing like a notebook's that is shown in Matplotlib axes.

    Parameters
    ----------
    width
        Width in pixels of the drawing.
    """

    def __init__(self, width: float) -> None:
        super().__init__(width, "")
        self._shapes: list[tuple[Path, dict[str, Any]]] = []
        self._texts: list[dict[str, Any]] = []
        self._groups: list[Transform] = [Affine2D()]

    def mark(self, tag: str, title: str = "", /, **attributes: str | float) -> None:
        """Draw a shape, without its title."""
        shape: dict[str, Any] = attributes
        if tag == "path":
            path = parse_path(shape["d"])
        elif tag == "circle":
            path = Path.circle((shape["cx"], shape["cy"]), shape["r"])
        else:
            path = rounded_box(shape["x"], shape["y"], shape["width"], shape["height"], shape.get("rx", 0))
        if len(self._groups) > 1:
            path = self._groups[-1].transform_path(path)
            size = self._groups[-1].transform([(0, 0), (1, 0)])
            shape = {**shape, "stroke_width": float(shape.get("stroke_width", 1)) * (size[1][0] - size[0][0])}
        self._shapes.append((path, shape))

    def begin(self, **attributes: str | float) -> None:
        """Begin a group, whose shapes may be translated and scaled."""
        match = _MOVED.fullmatch(str(attributes.get("transform", "")))
        x, y, size = (0.0, 0.0, 1.0) if match is None else map(float, match.groups())
        self._groups.append(Affine2D().scale(size).translate(x, y) + self._groups[-1])

    def end(self) -> None:
        """End the group."""
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
        line = clean(words)
        line = line if width is None else truncate(line, width, size, is_bold=is_bold)
        side = {"start": "left", "middle": "center", "end": "right"}[anchor]
        weight = "bold" if is_bold else "normal"
        if len(self._groups) > 1:
            x, y = map(float, self._groups[-1].transform((x, y)))
        self._texts.append(
            {"x": x, "y": y, "text": line, "size": size, "fill": fill, "ha": side, "weight": weight}
        )

    @property
    def right(self) -> float:
        """The right edge of everything drawn."""
        shapes = [float(np.asarray(path.vertices)[:, 0].max()) for path, _ in self._shapes]
        texts = [
            text["x"] + text_width(text["text"], text["size"], is_bold=text["weight"] == "bold")
            for text in self._texts
            if text["ha"] == "left"
        ]
        return min(self.width, max(shapes + texts, default=self.width))

    def show(self, ax: Axes, width: float, height: float, colours: Colours) -> None:
        """Show the drawing in axes, as large as fits without distortion."""
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal")
        ax.set_axis_off()
        texts = [_written(ax, text, colours) for text in self._texts]
        sizes = [text["size"] for text in self._texts]
        shapes = _Shapes(self._shapes, colours, list(zip(texts, sizes, strict=True)))
        ax.add_collection(shapes, autolim=False)
        shapes.fit()


def _written(ax: Axes, line: dict[str, Any], colours: Colours) -> Text:
    text = ax.text(line["x"], line["y"], line["text"], color=colours.of(line["fill"]), clip_on=True)
    text.set(ha=line["ha"], weight=line["weight"], va="baseline", parse_math=False, usetex=False)
    return text


class _Shapes(PathCollection):
    """All shapes of a drawing. Line widths and font sizes scale with the axes."""

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
        """Scale lines and texts to the size of the axes."""
        assert self.axes is not None
        (left, _), (right, _) = self.axes.transData.transform([(0, 0), (1, 0)])
        points = abs(right - left) * 72 / self.axes.figure.dpi
        self.set_linewidth([width * points for width in self._widths])
        for text, size in self._written:
            text.set_fontsize(size * points)
            text.set_visible(size * points >= _SMALLEST)

    def draw(self, renderer: Any) -> None:
        """Draw the shapes at the current size of the axes."""
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


def graph_axes(picture: InstanceSnapshot, ax: Axes | None) -> Axes:
    """Return axes with the graph of the last execution; by default those of a new figure of its size."""
    drawing = AxesDrawing(WIDTH)
    height = draw_graph(drawing, replace(picture, nest={}))
    width = min(WIDTH, drawing.right + MARGIN)
    if ax is None:
        ax = new_axes(width / PER_INCH, height / PER_INCH, is_full=True)
    drawing.show(ax, width, height, Colours(ax))
    return ax
