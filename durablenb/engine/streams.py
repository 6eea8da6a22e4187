"""Texts that running calls stream, and their readers. Nothing of them is on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from durablenb.engine import locks
from durablenb.model.activities import StreamPiece

TAIL_CHARACTERS = 100_000
"""Characters at the end of a running call's text that a late reader still gets."""


class Pieces:
    """The pieces for one reader."""

    def __init__(self) -> None:
        self.queue: locks.PeekableQueue[StreamPiece | None] = locks.PeekableQueue()
        """The pieces; None comes last."""
        self._on_arrival: Callable[[], None] | None = None

    def call_on_arrival(self, callback: Callable[[], None] | None) -> None:
        """Call this, from any thread, after each piece that is added; None for no call."""
        self._on_arrival = callback

    def put(self, piece: StreamPiece | None) -> None:
        """Add a piece."""
        self.queue.put(piece)
        on_arrival = self._on_arrival
        if on_arrival is not None:
            on_arrival()


class StreamingCall(Protocol):
    """A call, as readers of its stream know it."""

    name: str
    """The activity's name."""
    task_id: int
    """The task."""

    @property
    def instance_id(self) -> str:
        """The instance."""
        ...

    @property
    def attempt(self) -> int:
        """The number of the attempt."""
        ...


class Streams:
    """The texts that the running calls of an engine stream, and their readers; for any thread.

    Parameters
    ----------
    parent_id
        Returns the id of the instance that called an open sub-orchestration; None for any other instance.

    Notes
    -----
    A call that streams nothing never comes here. The lock is held for a few statements only.
    """

    def __init__(self, parent_id: Callable[[str], str | None]) -> None:
        self._parent_id = parent_id
        self._lock = locks.Lock()
        self._texts: dict[StreamingCall, str] = {}
        self._readers: dict[str, list[Pieces]] = {}

    def add(self, call: StreamingCall, text: str) -> None:
        """Hand the next piece of a running call to the readers of its instance, and of those above it."""
        with self._lock:
            self._texts[call] = (self._texts.get(call, "") + text)[-TAIL_CHARACTERS:]
            if self._readers:
                piece = _piece(call, text)
                for instance_id in self._family(call.instance_id):
                    for pieces in self._readers.get(instance_id, ()):
                        pieces.put(piece)

    def ended(self, call: StreamingCall) -> None:
        """Forget the text of an attempt."""
        if call in self._texts:
            with self._lock:
                self._texts.pop(call, None)

    def text(self, call: StreamingCall) -> str | None:
        """Return the end of what a running call has streamed; None if it has streamed nothing."""
        return self._texts.get(call)

    def open(self, instance_id: str) -> Pieces:
        """Return a queue that gets the pieces of an instance and of its sub-orchestrations.

        The first ones are what the running calls have streamed so far.
        """
        pieces = Pieces()
        with self._lock:
            for call, text in self._texts.items():
                if instance_id in self._family(call.instance_id):
                    pieces.put(_piece(call, text))
            self._readers.setdefault(instance_id, []).append(pieces)
        return pieces

    def close(self, instance_id: str, pieces: Pieces) -> None:
        """Hand nothing more to a reader."""
        with self._lock:
            readers = self._readers.get(instance_id, [])
            readers[:] = [other for other in readers if other is not pieces]
            if not readers:
                self._readers.pop(instance_id, None)

    def _family(self, instance_id: str | None) -> Iterator[str]:
        """Yield the ids of an instance and of those above it."""
        while instance_id is not None:
            yield instance_id
            instance_id = self._parent_id(instance_id)


def _piece(call: StreamingCall, text: str) -> StreamPiece:
    return StreamPiece(text, call.instance_id, call.name, call.task_id, call.attempt)
