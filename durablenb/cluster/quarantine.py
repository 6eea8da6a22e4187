"""Calls that have lost workers have their last chance one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

PROBATION_SECONDS = 60.0
"""How long a call must run before the next one may begin beside it."""


class Quarantine(Generic[T]):
    """Lets calls begin one at a time, so that one that kills its workers doesn't take the others along.

    A worker runs several calls. When it dies, it is unknown which one of them killed it.

    Parameters
    ----------
    begin
        Begins a call.

    Examples
    --------
    >>> quarantine = Quarantine(print)
    >>> quarantine.add("one")
    one
    >>> quarantine.add("two")
    >>> quarantine.remove("one")
    two
    """

    def __init__(self, begin: Callable[[T], None]) -> None:
        self._begin = begin
        self._waiting: deque[T] = deque()
        self._current: T | None = None
        self._since = 0.0

    def add(self, call: T) -> None:
        """Take a call; it begins when its turn comes."""
        self._waiting.append(call)
        self.look()

    def remove(self, call: T) -> None:
        """Let the next call begin if this one has ended, or forget this one if it waits."""
        if call is self._current:
            self._current = None
        elif call in self._waiting:
            self._waiting.remove(call)
        self.look()

    def look(self) -> None:
        """Let the next call begin if none runs, or the last one has run for long."""
        is_free = self._current is None or monotonic() - self._since > PROBATION_SECONDS
        if self._waiting and is_free:
            self._current, self._since = self._waiting.popleft(), monotonic()
            self._begin(self._current)

    @property
    def is_waiting(self) -> bool:
        """True if calls wait."""
        return bool(self._waiting)
