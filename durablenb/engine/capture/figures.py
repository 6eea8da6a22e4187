"""Patches of Matplotlib's pyplot that keep the figures that user code shows.

pyplot has one list of open figures for the whole process. User code has a list of its own for each call, so
that the figures of calls that run at the same time, and those of the notebook's cells, don't mix.
"""

from __future__ import annotations

import io
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from durablenb.core.ports.output import Output, current_owner
from durablenb.engine.capture.patches import Undo, replace_attribute, replace_code

_WITHOUT_WINDOWS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
"""Matplotlib's backends that draw into files only."""

_Managers = OrderedDict[Any, Any]

_of_outputs: WeakKeyDictionary[Output, _Managers] = WeakKeyDictionary()
_muted: _Managers = OrderedDict()
"""The figure of an orchestrator that is replayed."""


class FiguresByCall:
    """Takes the place of pyplot's list of open figures: each call has its own.

    Parameters
    ----------
    usual
        The figures of all other code.
    """

    def __init__(self, usual: _Managers) -> None:
        self.usual = usual

    def _own(self) -> _Managers:
        owner = current_owner.get()
        if owner is None:
            return self.usual
        output = owner.output
        if output is None:
            return _muted
        if output.is_shown and _has_windows():
            return self.usual  # the program that runs the activity may show them later
        own = _of_outputs.get(output)
        if own is None:
            own = _of_outputs[output] = OrderedDict()
            output.at_end(partial(_end, own))
        return own

    def __setitem__(self, number: Any, manager: Any) -> None:
        own = self._own()
        if own is _muted and number not in own:
            own.clear()
        own[number] = manager

    def __getitem__(self, number: Any) -> Any:
        return self._own()[number]

    def __delitem__(self, number: Any) -> None:
        del self._own()[number]

    def __contains__(self, number: Any) -> bool:
        return number in self._own()

    def __len__(self) -> int:
        return len(self._own())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own())

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._own())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own(), name)


def patch_list(module: ModuleType) -> list[Undo]:
    """Give each call its own list of open figures: `matplotlib._pylab_helpers`."""
    return [replace_attribute(module.Gcf, "figs", FiguresByCall(module.Gcf.figs))]


def patch_show(module: ModuleType) -> list[Undo]:
    """Keep the figures that are shown: `matplotlib.pyplot`."""
    return [replace_code(module.show, _capturing_show)]


def _capturing_show(original: Callable[..., Any]) -> Callable[..., Any]:
    def show(*args: Any, **kwargs: Any) -> Any:
        owner = current_owner.get()
        if owner is None:
            return original(*args, **kwargs)
        output = owner.output
        if output is None:
            _muted.clear()
            return None
        if is_inline():
            return original(*args, **kwargs)  # displays them with IPython, and closes them
        _show_all(output)
        if output.is_shown:
            return original(*args, **kwargs)
        _close_all()
        return None

    return show


def _show_all(output: Output) -> None:
    for manager in _open_figures():
        figure = manager.canvas.figure
        output.show({"image/png": figure_png(figure), "text/plain": repr(figure)})


def _close_all() -> None:
    sys.modules["matplotlib.pyplot"].close("all")


def _open_figures() -> list[Any]:
    managers: list[Any] = sys.modules["matplotlib._pylab_helpers"].Gcf.get_all_fig_managers()
    return managers


def _end(own: _Managers) -> None:
    """Close the figures that a call has left open; the inline backend shows them first, as after a cell."""
    if not own:
        return
    if is_inline():
        sys.modules["matplotlib.pyplot"].show()
    _close_all()


def figure_png(figure: Any) -> bytes:
    """Return a figure as a PNG, with as little margin as the inline backend leaves."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def is_inline() -> bool:
    """Return True if figures are shown in the notebook."""
    return "inline" in _backend()


def _has_windows() -> bool:
    return not is_inline() and _backend() not in _WITHOUT_WINDOWS


def _backend() -> str:
    """Return the name of Matplotlib's backend; none is loaded for it."""
    return str(dict.__getitem__(sys.modules["matplotlib"].rcParams, "backend")).lower()
