"""The functions that the displayable objects call: see `durablenb.model.display.Views`."""

from durablenb.notebook.figures import plot
from durablenb.notebook.rendering import render_html, render_text
from durablenb.notebook.save import save
from durablenb.notebook.still.error_report import error_report as short_account
from durablenb.notebook.still.graph_layout import positions

__all__ = ["plot", "positions", "render_html", "render_text", "save", "short_account"]
