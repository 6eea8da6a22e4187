"""The inbox: messages for the engine, in the order in which they came, from any thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty

from durablenb.engine import locks
from durablenb.engine.messages import ClientMessage, Message, refuse


class Inbox:
    """Messages that the engine has not taken yet."""

    def __init__(self) -> None:
        self._queue: locks.Queue[Message] = locks.Queue()
        self._news = locks.Event()
        self.is_watched = True
        """Whether somebody may be in `listen`, who takes no messages."""

    def put(self, message: Message) -> None:
        """Takes a message in; from any thread."""
        self._queue.put(message)
        if self.is_watched:
            self._news.set()

    def wait(self, timeout: float | None) -> Message | None:
        """The next message, or None if none comes within these seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except Empty:
            return None

    def listen(self, longest: float) -> None:
        """Waits for a message, and leaves it where it is: an interrupt must not lose it."""
        if self._queue.empty():
            self._news.wait(longest)
        self._news.clear()

    def take(self, most: int) -> Iterator[Message]:
        """The messages that are there, one by one."""
        for _ in range(most):
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

    def drop(self, kind: type) -> None:
        """Drops the messages of a kind; the others keep their order."""
        for _ in range(self._queue.qsize()):
            message = self._queue.get()
            if not isinstance(message, kind):
                self._queue.put(message)

    def turn_away(self, why: Callable[[], Exception]) -> None:
        """Refuses what clients ask for; the other messages keep their order."""
        for _ in range(self._queue.qsize()):
            message = self._queue.get()
            if isinstance(message, ClientMessage):
                refuse(message.reply, why())
            else:
                self._queue.put(message)

    @property
    def is_empty(self) -> bool:
        """Whether no message is there."""
        return self._queue.empty()
