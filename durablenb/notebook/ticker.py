"""Draws something again and again while somebody waits, in a notebook's cell or in a terminal."""

from __future__ import annotations

import contextvars
import logging
import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, Self, TextIO

from durablenb.analysis.progress import ProgressSnapshot
from durablenb.model.display import options
from durablenb.notebook.progress import progress_card, progress_line, progress_text

log = logging.getLogger("durablenb")

SECONDS = 0.1
"""Between two drawings."""

_SHARE = 10
"""Of the time, at the most one part of so many is spent with drawing."""


class Screen(Protocol):
    """Where something is drawn."""

    def open(self, shown: ProgressSnapshot) -> None:
        """Draw it for the first time."""
        ...

    def show(self, shown: ProgressSnapshot) -> None:
        """Draw it anew."""
        ...

    def close(self, shown: ProgressSnapshot) -> None:
        """Draw it for the last time: it stays so."""
        ...


class Cell:
    """An output of a notebook's cell, which is replaced by the next one.

    Parameters
    ----------
    display
        `IPython.display.display`.
    """

    def __init__(self, display: Callable[..., Any]) -> None:
        self._display = display
        self._handle: Any = None

    def open(self, shown: ProgressSnapshot) -> None:
        """Begin an output."""
        self._handle = self._display(_bundle(shown), raw=True, display_id=True)

    def show(self, shown: ProgressSnapshot) -> None:
        """Replace the output."""
        self._handle.update(_bundle(shown), raw=True)

    close = show


class Terminal:
    """A line of a terminal that is written over."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = 0

    def open(self, shown: ProgressSnapshot) -> None:
        """Write the line."""
        self.show(shown)

    def show(self, shown: ProgressSnapshot) -> None:
        """Write over the line."""
        text = progress_line(shown, shutil.get_terminal_size().columns - 1)
        self._stream.write(f"\r{text}{' ' * max(0, self._last - len(text))}")
        self._stream.flush()
        self._last = len(text)

    def close(self, shown: ProgressSnapshot) -> None:
        """Write over the line, and end it."""
        self.show(shown)
        self._stream.write("\n")
        self._stream.flush()


class Pipe:
    """A stream that nobody looks at now: it gets one line, at the end."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def open(self, shown: ProgressSnapshot) -> None:
        """Do nothing."""

    show = open

    def close(self, shown: ProgressSnapshot) -> None:
        """Write the line."""
        if self._stream is not None:
            self._stream.write(progress_line(shown, 1_000) + "\n")
            self._stream.flush()


def screen() -> Screen:
    """Return where whoever runs this looks."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        from IPython.display import display

        return Cell(display)
    stream = sys.stderr
    is_terminal = stream is not None and stream.isatty()
    return Terminal(stream) if is_terminal else Pipe(stream)


def _bundle(shown: ProgressSnapshot) -> dict[str, str]:
    bundle = {"text/plain": progress_text(shown)}
    return bundle if options.display == "text" else {**bundle, "text/html": progress_card(shown)}


class Ticker:
    """While it lasts, a thread draws; whatever goes wrong in drawing, the wait goes on.

    Parameters
    ----------
    look
        What is drawn, as it is when this is called.
    where
        On what.
    """

    def __init__(self, look: Callable[[], ProgressSnapshot], where: Screen) -> None:
        self._look = look
        self._where = where
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._draw(self._where.open):
            context = contextvars.copy_context()  # so that it is this cell's output
            self._thread = threading.Thread(
                target=context.run, args=(self._run,), name="durablenb-progress", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
            self._draw(self._where.close)

    def _run(self) -> None:
        pause = SECONDS
        while not self._is_over.wait(pause):
            began = time.monotonic()
            if not self._draw(self._where.show):
                return
            pause = max(SECONDS, (_SHARE - 1) * (time.monotonic() - began))

    def _draw(self, how: Callable[[ProgressSnapshot], None]) -> bool:
        try:
            how(self._look())
        except Exception:
            log.debug("The progress could not be drawn.", exc_info=True)
            return False
        return True
