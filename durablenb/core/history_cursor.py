"""What is recorded of an execution and has not been replayed yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from durablenb.model.events import CodeAwaited, Event, OrchestratorStarted, Request


class Recording:
    """A history, and how far it has been replayed.

    Parameters
    ----------
    history
        An execution's events, oldest first.
    """

    def __init__(self, history: Sequence[Event] = ()) -> None:
        self._history = history
        self._position = 0

    def __bool__(self) -> bool:
        """Whether something is left."""
        return self._position < len(self._history)

    def take(self) -> Event:
        """The next event."""
        event = self._history[self._position]
        self._position += 1
        return event

    def facts(self) -> list[Event]:
        """What was asked for in the episode that has just begun."""
        first, self._position = self._position, self._end_of_facts(self._position)
        return list(self._history[first : self._position])

    def arrivals(self) -> Iterator[Event]:
        """What arrived before the next episode."""
        while self and type(self._history[self._position]) is not OrchestratorStarted:
            yield self.take()

    @property
    def goes_on(self) -> bool:
        """Whether another episode is recorded."""
        ahead = range(self._position, len(self._history))
        return any(type(self._history[place]) is OrchestratorStarted for place in ahead)

    @property
    def ends_at_pause(self) -> bool:
        """Whether the episode that has just begun ended at a ``yield ...``, and so did all that follow."""
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
