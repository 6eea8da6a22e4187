"""An instance on one sheet: its graph above its timeline."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.figures.axes import text_scale
from durablenb.notebook.figures.graph import PER_INCH, AxesDrawing, graph_axes
from durablenb.notebook.figures.timeline import figure_height, timeline_axes
from durablenb.notebook.still.graph import draw_graph
from durablenb.notebook.svg import WIDTH


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
