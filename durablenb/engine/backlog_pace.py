"""The pace of the backlog: when the engine does the work that no client waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from durablenb.engine import locks

REST_SECONDS = 0.1
"""Seconds without other work, after which the backlog gets all the time."""

BACKLOG_SHARE = 4
"""Until then, the backlog gets one part in so many of the time."""


class BacklogPace:
    """Decides when the engine works on its backlog, beside the work that clients wait for.

    Parameters
    ----------
    stopwatch
        Returns seconds, of which differences are meaningful; by default that of the engine's threads.
    """

    def __init__(self, stopwatch: Callable[[], float] | None = None) -> None:
        self._stopwatch = stopwatch or locks.monotonic
        self._last_work = -REST_SECONDS
        self._next_portion = 0.0

    def note_work(self) -> None:
        """Record that the engine does work that a client waits for."""
        self._last_work = self._stopwatch()

    @contextmanager
    def portion(self) -> Iterator[None]:
        """Measure a portion of the backlog, to schedule the next one."""
        began = self._stopwatch()
        try:
            yield
        finally:
            ended = self._stopwatch()
            self._next_portion = ended + (BACKLOG_SHARE - 1) * (ended - began)

    @property
    def pause(self) -> float:
        """The seconds until the next portion may begin."""
        return max(0.0, min(self._next_portion, self._last_work + REST_SECONDS) - self._stopwatch())
