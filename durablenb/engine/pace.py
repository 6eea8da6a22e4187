"""How much time the engine gives to what nobody waits for, beside what somebody does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from durablenb.engine import locks

REST_SECONDS = 0.1
"""After the last thing that somebody waited for, the hub is at rest."""

SHARE = 4
"""Until then, one part in so many of the time is for what nobody waits for."""


class Pace:
    """When the next portion of what nobody waits for may begin.

    Parameters
    ----------
    stopwatch
        Gives seconds, of which differences mean something; without one, that of the engine's threads.
    """

    def __init__(self, stopwatch: Callable[[], float] | None = None) -> None:
        self._stopwatch = stopwatch or locks.monotonic
        self._last_asked = -REST_SECONDS
        self._next = 0.0

    def asked(self) -> None:
        """Somebody waits for what is done now."""
        self._last_asked = self._stopwatch()

    @contextmanager
    def portion(self) -> Iterator[None]:
        """While a portion lasts."""
        began = self._stopwatch()
        try:
            yield
        finally:
            ended = self._stopwatch()
            self._next = ended + (SHARE - 1) * (ended - began)

    @property
    def pause(self) -> float:
        """Seconds until the next portion may begin."""
        return max(0.0, min(self._next, self._last_asked + REST_SECONDS) - self._stopwatch())
