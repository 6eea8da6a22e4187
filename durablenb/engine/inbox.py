"""The inbox: messages for the engine, from any thread, in the order in which they came."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from queue import Empty

from durablenb.engine import locks
from durablenb.engine.jobs import ActivityBegun, ActivityFinished, Committed
from durablenb.engine.messages import ClientMessage, Registered, Wake, refuse

Message = ClientMessage | Registered | ActivityBegun | ActivityFinished | Committed | Wake


class Inbox:
    """Messages that the engine has not applied yet.

    Notes
    -----
    A wait leaves the messages in the inbox. If only the waiting thread had a message, no other thread would
    see it: the engine would seem idle, and a virtual clock would jump over it.
    """

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._bell: locks.Queue[None] = locks.Queue()
        self._is_awaited = False
        """True while the engine's own thread waits for the bell, or is about to."""
        self._news = locks.Event()
        self._has_listeners = True

    def expect_listeners(self, expected: bool) -> None:
        """Set whether threads call `listen`; until then, no listener has to be woken."""
        self._has_listeners = expected

    def put(self, message: Message) -> None:
        """Add a message; from any thread."""
        self._messages.append(message)
        # Checked after the append, so that either this thread or the waiting one sees the other's change.
        if self._is_awaited:
            self._bell.put(None)
        if self._has_listeners:
            self._news.set()

    def wait(self, timeout: float | None) -> None:
        """Wait for a message, at most these seconds. For the engine's own thread."""
        self._is_awaited = True
        if not self._messages:
            with contextlib.suppress(Empty):
                self._bell.get(timeout=timeout)
        self._is_awaited = False
        with contextlib.suppress(Empty):
            while not self._bell.empty():  # those messages are in the inbox by now
                self._bell.get_nowait()

    def listen(self, longest: float) -> None:
        """Wait for a message, at most these seconds. For any thread, if the engine has none of its own."""
        if self.is_empty:
            self._news.wait(longest)
        self._news.clear()

    def take(self, most: int) -> Iterator[Message]:
        """Yield the messages that are there, and remove each."""
        for _ in range(most):
            try:
                message = self._messages.popleft()
            except IndexError:
                return
            yield message

    def refuse_all(self, why: Callable[[], Exception]) -> None:
        """Refuse the commands of clients; the other messages keep their order. From any thread."""
        for message in self.take(len(self._messages)):
            if isinstance(message, ClientMessage):
                refuse(message.reply, why())
            else:
                self._messages.append(message)

    @property
    def is_empty(self) -> bool:
        """True if no message is there."""
        return not self._messages
