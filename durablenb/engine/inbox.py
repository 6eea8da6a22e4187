"""The inbox: messages for the engine, in the order in which they came, from any thread."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty

from durablenb.engine import locks
from durablenb.engine.messages import ClientMessage, Message, refuse


class Inbox:
    """Messages that the engine has not taken yet.

    Notes
    -----
    A wait leaves the messages where they are. If only the waiting thread had a message in its hands, nobody
    else would see it: the engine would seem idle, and a virtual clock would jump over it.
    """

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bell: locks.Queue[None] = locks.Queue()
        self._is_awaited = False
        """Whether the engine's own thread waits for the bell, or is about to."""
        self._news = locks.Event()
        self.is_watched = True
        """Whether somebody may be in `listen`."""

    def put(self, message: Message) -> None:
        """Takes a message in; from any thread."""
        self._messages.append(message)
        if self._is_awaited:  # looked at after the message is there: one of the two sides finds the other
            self._bell.put(None)
        if self.is_watched:
            self._news.set()

    def wait(self, timeout: float | None) -> None:
        """Waits for a message for these seconds. For the engine's own thread."""
        self._is_awaited = True
        if not self._messages:
            with contextlib.suppress(Empty):
                self._bell.get(timeout=timeout)
        self._is_awaited = False
        with contextlib.suppress(Empty):
            while not self._bell.empty():  # it was rung for messages that are in sight by now
                self._bell.get_nowait()

    def listen(self, longest: float) -> None:
        """Waits for a message for these seconds. For any thread, when the engine has none of its own."""
        if self.is_empty:
            self._news.wait(longest)
        self._news.clear()

    def take(self, most: int) -> Iterator[Message]:
        """The messages that are there, one by one."""
        for _ in range(most):
            try:
                message = self._messages.popleft()
            except IndexError:
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
        return not self._messages

    def _sort_out(self, is_done_with: Callable[[Message], bool]) -> None:
        for message in self.take(len(self._messages)):
            if not is_done_with(message):
                self._messages.append(message)
