"""Figures for PNG files: an instance's graph above its timeline, or any picture of a notebook."""

from __future__ import annotations

from dataclasses import replace
from typing import cast
from xml.etree import ElementTree

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.figures.axes import text_scale
from durablenb.notebook.figures.colours import Colours
from durablenb.notebook.figures.graph import PER_INCH, AxesDrawing, graph_axes
from durablenb.notebook.figures.timeline import figure_height, timeline_axes
from durablenb.notebook.still.graph import draw_graph
from durablenb.notebook.svg import INK, WIDTH

_SVG = "{http://www.w3.org/2000/svg}"
_SHAPES = ("rect", "path", "circle")


def instance_sheet(picture: InstanceSnapshot) -> Figure:
    """Return the figure, which pyplot doesn't manage."""
    above = draw_graph(AxesDrawing(WIDTH), replace(picture, nest={})) / PER_INCH
    below = figure_height(picture)
    scale = text_scale()
    figure = Figure(figsize=(WIDTH / PER_INCH * scale, (above + below) * scale), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = cast(tuple[SubFigure, SubFigure], figure.subfigures(2, 1, height_ratios=[above, below]))
    graph_axes(picture, top.add_axes((0, 0, 1, 1)))
    timeline_axes(picture, bottom.subplots())
    return figure


def svg_sheet(svg: str) -> Figure:
    """Return a figure of an SVG document of a notebook, which pyplot doesn't manage."""
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    drawing = AxesDrawing(width)
    for element in root:
        _draw(drawing, element)
    scale = text_scale()
    figure = Figure(figsize=(width / PER_INCH * scale, height / PER_INCH * scale))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    drawing.show(axes, width, height, Colours(axes))
    return figure


def _draw(drawing: AxesDrawing, element: ElementTree.Element) -> None:
    """Draw an element and those in it."""
    tag = element.tag.removeprefix(_SVG)
    given: dict[str, str | float] = {
        name.replace("-", "_"): _value(text) for name, text in element.attrib.items()
    }
    if tag in _SHAPES:
        drawing.mark(tag, **given)
    elif tag == "text":
        words = (element.text or "") + "".join(child.tail or "" for child in element)
        drawing.text(
            float(given["x"]),
            float(given["y"]),
            words,
            size=float(given["font_size"]),
            fill=str(given.get("fill", INK)),
            is_bold="font_weight" in given,
            anchor=str(given.get("text_anchor", "start")),
        )
    elif tag in ("g", "svg"):
        inner = f"translate({given.get('x', 0)} {given.get('y', 0)}) scale(1)" if tag == "svg" else ""
        drawing.begin(transform=inner or given.get("transform", ""))
        for child in element:
            _draw(drawing, child)
        drawing.end()


def _value(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
