"""An execution's steps as a figure."""

from __future__ import annotations

from matplotlib.axes import Axes

from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.graph import draw_graph
from durablenb.notebook.layout import MARGIN
from durablenb.notebook.plots.axes import new_axes
from durablenb.notebook.plots.colours import Colours
from durablenb.notebook.plots.drawing import PER_INCH, AxesDrawing
from durablenb.notebook.svg import WIDTH


def graph_axes(picture: InstanceSnapshot, ax: Axes | None) -> Axes:
    """Return axes with the graph of the last execution; without any, of a figure that it just fits into."""
    drawing = AxesDrawing(WIDTH)
    height = draw_graph(drawing, picture.flow)
    width = min(WIDTH, drawing.right + MARGIN)
    if ax is None:
        ax = new_axes(width / PER_INCH, height / PER_INCH, is_full=True)
    drawing.show(ax, width, height, Colours(ax))
    return ax
