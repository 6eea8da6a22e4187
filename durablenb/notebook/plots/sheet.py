"""An instance on one sheet: its graph, and below it its timeline."""

from __future__ import annotations

from typing import cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.graph import draw_graph
from durablenb.notebook.plots.axes import scale_of_text
from durablenb.notebook.plots.drawing import PER_INCH, AxesDrawing
from durablenb.notebook.plots.graph import graph_axes
from durablenb.notebook.plots.timeline import height_of, timeline_axes
from durablenb.notebook.svg import WIDTH


def sheet_of(picture: InstanceSnapshot) -> Figure:
    """Return the figure, which is none of pyplot's."""
    above = draw_graph(AxesDrawing(WIDTH), picture.flow) / PER_INCH
    below = height_of(picture)
    scale = scale_of_text()
    figure = Figure(figsize=(WIDTH / PER_INCH * scale, (above + below) * scale), layout="constrained")
    FigureCanvasAgg(figure)
    top, bottom = cast(tuple[SubFigure, SubFigure], figure.subfigures(2, 1, height_ratios=[above, below]))
    graph_axes(picture, top.add_axes((0, 0, 1, 1)))
    timeline_axes(picture, bottom.subplots())
    return figure
