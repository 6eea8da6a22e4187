"""The inbox: messages for the engine, in the order in which they came, from any thread."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty

from durablenb.engine import locks
from durablenb.engine.messages import ClientMessage, Message, refuse


class Inbox:
    """Messages that the engine has not taken yet."""

    def __init__(self) -> None:
        self._queue: locks.Queue[Message] = locks.Queue()
        self._first: deque[Message] = deque()
        """The message that ended a wait; it comes before all that is in the queue."""
        self._news = locks.Event()
        self.is_watched = True
        """Whether somebody may be in `listen`, who takes no messages."""

    def put(self, message: Message) -> None:
        """Takes a message in; from any thread."""
        self._queue.put(message)
        if self.is_watched:
            self._news.set()

    def wait(self, timeout: float | None) -> None:
        """Waits for a message for these seconds; `take` gives it. For the engine's own thread."""
        if not self._first:
            with contextlib.suppress(Empty):
                self._first.append(self._queue.get(timeout=timeout))

    def listen(self, longest: float) -> None:
        """Waits for a message, and leaves it where it is: an interrupt must not lose it."""
        if self.is_empty:
            self._news.wait(longest)
        self._news.clear()

    def take(self, most: int) -> Iterator[Message]:
        """The messages that are there, one by one."""
        for _ in range(most):
            message = self._next()
            if message is None:
                return
            yield message

    def drop(self, kind: type) -> None:
        """Drops the messages of a kind; the others keep their order."""
        self._sort_out(lambda message: isinstance(message, kind))

    def turn_away(self, why: Callable[[], Exception]) -> None:
        """Refuses what clients ask for; the other messages keep their order. From any thread."""

        def is_refused(message: Message) -> bool:
            if not isinstance(message, ClientMessage):
                return False
            refuse(message.reply, why())
            return True

        self._sort_out(is_refused)

    @property
    def is_empty(self) -> bool:
        """Whether no message is there."""
        return not self._first and self._queue.empty()

    def _next(self) -> Message | None:
        if self._first:
            with contextlib.suppress(IndexError):  # another thread sorts out
                return self._first.popleft()
        try:
            return self._queue.get_nowait()
        except Empty:
            return None

    def _sort_out(self, is_done_with: Callable[[Message], bool]) -> None:
        for _ in range(len(self._first) + self._queue.qsize()):
            message = self._next()
            if message is not None and not is_done_with(message):
                self._queue.put(message)
