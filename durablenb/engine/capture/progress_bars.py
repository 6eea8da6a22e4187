"""Bars of tqdm in activities: each time one is drawn, its count becomes the progress of the call.

tqdm's classes get a `display` that also reports. It is put there when an activity begins and tqdm has been
imported, or when `durablenb.tqdm` is first used; outside activities it does what tqdm's own does. Of nested
bars the outermost one counts.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from contextvars import ContextVar
from typing import Any

from durablenb.core.activity_context import ActivityContext, current_context

_pending = [("tqdm.std", "tqdm"), ("tqdm.notebook", "tqdm_notebook")]
"""The modules of tqdm, with the name of the class, that weren't imported yet when last seen."""

_lock = threading.Lock()

_outermost: ContextVar[tuple[ActivityContext, Any] | None] = ContextVar("outermost_bar", default=None)
"""The bar that reports, and the call to which it belongs."""


def follow_bars() -> None:
    """Have the bars of tqdm's imported modules report from now on."""
    for module, name in _pending:
        if module in sys.modules:
            _follow(module, name)


def _follow(module: str, name: str) -> None:
    with _lock:
        kind = getattr(sys.modules[module], name, None)  # None while it is being imported
        if kind is not None and (module, name) in _pending:
            kind.display = _reporting(kind.display)
            _pending[:] = [one for one in _pending if one[0] != module]


def _reporting(display: Any) -> Any:
    @functools.wraps(display)
    def reporting_display(bar: Any, *args: Any, **options: Any) -> Any:
        context = current_context.get()
        if context is not None:
            with contextlib.suppress(TypeError):  # a bar whose count is no number
                _report(context, bar)
        return display(bar, *args, **options)

    return reporting_display


def _report(context: ActivityContext, bar: Any) -> None:
    known = _outermost.get()
    is_other = known is None or known[0] is not context or (known[1] is not bar and known[1].disable)
    if is_other:
        _outermost.set((context, bar))
    elif known is not None and known[1] is not bar:
        return  # a bar inside the outermost one
    context.progress(bar.n, bar.total, (bar.desc or "").removesuffix(": ") or None)


@functools.cache
def tqdm_class() -> Any:
    """Return the class that is `durablenb.tqdm`.

    Raises
    ------
    ModuleNotFoundError
        If tqdm isn't installed.
    """
    try:
        from tqdm import auto, std
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "durablenb.tqdm needs the package tqdm, which isn't installed. Install it: pip install tqdm. Or "
            "report progress without it: durablenb.current_activity().progress(done, total).",
            name="tqdm",
        ) from error
    follow_bars()

    class tqdm(std.tqdm):  # type: ignore[misc]
        """A bar of tqdm that is also the progress of the activity that runs here.

        Arguments and methods are those of tqdm. In an activity its text is in the instance's log. Elsewhere
        it is `tqdm.auto.tqdm`.
        """

        def __new__(cls, *args: Any, **options: Any) -> Any:
            if current_context.get() is None:
                return auto.tqdm(*args, **options)
            return super().__new__(cls, *args, **options)

    return tqdm
