"""Goes on by itself, a step at a time."""

from __future__ import annotations

from collections.abc import Callable

SPEEDS = {"slow": 1.5, "walking": 0.6, "fast": 0.15}
"""Seconds from one step to the next."""


class Player:
    """Says when it is time for the next step.

    Parameters
    ----------
    ticks
        A clock in seconds.
    """

    def __init__(self, ticks: Callable[[], float]) -> None:
        self.ticks = ticks
        self.speed = "walking"
        self.is_on = False
        self._moved_at = 0.0

    def start(self) -> None:
        """Begin to play; the first step is due in a while."""
        self.is_on, self._moved_at = True, self.ticks()

    def is_due(self) -> bool:
        """Whether it is time for a step; then the next one is due in a while."""
        now = self.ticks()
        if not self.is_on or now - self._moved_at < SPEEDS[self.speed]:
            return False
        self._moved_at = now
        return True
