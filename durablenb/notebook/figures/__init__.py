"""Matplotlib figures. Matplotlib is imported when the first one is drawn."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from durablenb.model.errors import DurableError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from durablenb.model.display import Plot


def plot(what: Plot, drawn: Any, ax: Axes | None) -> Axes:
    """Return axes with a figure.

    Parameters
    ----------
    what
        The name of the figure.
    drawn
        The data that the figure shows.
    ax
        Axes to draw in; by default those of a new pyplot figure.

    Raises
    ------
    DurableError
        If Matplotlib isn't installed.
    """
    need_matplotlib()
    axes: Axes = getattr(import_module(f"durablenb.notebook.figures.{what}"), f"{what}_axes")(drawn, ax)
    return axes


def need_matplotlib() -> None:
    """Raise an error that says what to install if Matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401  # takes a tenth of a second
    except ImportError:
        raise DurableError("Figures need Matplotlib: pip install matplotlib.") from None
