"""Figures of Matplotlib, which is loaded when one is asked for."""

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
        Which one.
    drawn
        What it is drawn from.
    ax
        Where; without any, in axes of a new figure of pyplot.

    Raises
    ------
    DurableError
        If Matplotlib isn't installed.
    """
    need_matplotlib()
    found: Axes = getattr(import_module(f"durablenb.notebook.plots.{what}"), f"{what}_axes")(drawn, ax)
    return found


def need_matplotlib() -> None:
    """Raise an error that says what to install, if Matplotlib isn't there."""
    try:
        import matplotlib  # noqa: F401  # takes a tenth of a second
    except ImportError:
        raise DurableError("Figures need Matplotlib: pip install matplotlib.") from None
