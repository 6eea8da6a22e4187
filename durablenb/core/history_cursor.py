"""A cursor over an execution's history during a replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from durablenb.model.events import CodeAwaited, Event, OrchestratorStarted, Request


class HistoryCursor:
    """A history, and the position up to which it has been replayed.

    Parameters
    ----------
    history
        An execution's events, oldest first.
    """

    def __init__(self, history: Sequence[Event] = ()) -> None:
        self._history = history
        self._position = 0

    def __bool__(self) -> bool:
        """Return True if events are left."""
        return self._position < len(self._history)

    def take(self) -> Event:
        """Return the next event, and move behind it."""
        event = self._history[self._position]
        self._position += 1
        return event

    def facts(self) -> list[Event]:
        """Return the requests of the current episode."""
        first, self._position = self._position, self._end_of_facts(self._position)
        return list(self._history[first : self._position])

    def arrivals(self) -> Iterator[Event]:
        """Return the events that arrived before the next episode."""
        while self and type(self._history[self._position]) is not OrchestratorStarted:
            yield self.take()

    @property
    def goes_on(self) -> bool:
        """True if another episode is recorded."""
        ahead = range(self._position, len(self._history))
        return any(type(self._history[place]) is OrchestratorStarted for place in ahead)

    @property
    def ends_at_pause(self) -> bool:
        """True if the current episode ended at a ``yield ...``, and so did all later ones."""
        position = self._position
        while True:
            position = self._end_of_facts(position)
            if type(self._history[position - 1]) is not CodeAwaited:
                return False
            while position < len(self._history) and type(self._history[position]) is not OrchestratorStarted:
                position += 1
            if position == len(self._history):
                return True
            position += 1

    def _end_of_facts(self, position: int) -> int:
        while position < len(self._history) and isinstance(self._history[position], Request):
            position += 1
        return position
