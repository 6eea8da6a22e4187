"""Locks, queues, conditions, events, promises and threads, which an interrupt can't leave locked.

The engine takes these from here only, so that a test can replace them and decide which thread runs when
(`tests/schedules`).

The stop button may interrupt Python code between any two instructions. `threading.Condition` takes its lock
inside a Python method. An interrupt there, after the lock was taken and before the body of ``with`` begins,
leaves it taken for ever, and the thread that should wake the waiting one waits as well. Here ``with`` calls
the lock's own methods, which are one instruction.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures._base import PENDING
from operator import attrgetter
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Lock = threading.Lock
RLock = threading.RLock
Queue = SimpleQueue
Thread = threading.Thread
current_thread = threading.current_thread
monotonic = time.monotonic


class Condition(threading.Condition):
    """A condition whose lock is taken and released in one instruction each.

    Notes
    -----
    The standard library's condition keeps five bound methods of its lock. With a hundred thousand promises,
    these would be half a million more objects for the garbage collector.
    """

    _lock: Any
    _waiters: deque[Any]

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiters = deque()

    __enter__ = property(attrgetter("_lock.__enter__"))
    __exit__ = property(attrgetter("_lock.__exit__"))
    acquire = property(attrgetter("_lock.acquire"))
    release = property(attrgetter("_lock.release"))
    _release_save = property(attrgetter("_lock._release_save"))
    _acquire_restore = property(attrgetter("_lock._acquire_restore"))
    _is_owned = property(attrgetter("_lock._is_owned"))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a notification, at most `timeout` seconds; return whether it came.

        The calling thread must have taken the lock exactly once.

        Notes
        -----
        The standard library's `wait` releases the lock before its ``try`` begins. After an interrupt between
        the two, the caller's ``with`` releases a lock that it doesn't hold: a RuntimeError.
        """
        lock, waiter = self._lock, threading.Lock()
        held_once = (1, threading.get_ident())
        waiter.acquire()
        was_notified = False
        self._waiters.append(waiter)
        try:
            lock.release()  # an interrupt comes after a call at the earliest: in the `try`
            was_notified = waiter.acquire(timeout=-1 if timeout is None else max(timeout, 0))
        finally:
            lock._acquire_restore(held_once)  # unlike `acquire`, an interrupt doesn't end it early
            if not was_notified and waiter in self._waiters:
                self._waiters.remove(waiter)
        return was_notified


class NotTakenError(Exception):
    """Another thread held the lock for too long."""


class Within:
    """Takes a lock of another object, as ``with Within(lock, seconds):``, unless that takes too long.

    Parameters
    ----------
    lock
        A reentrant lock: only its owner can release it.
    seconds
        How long to wait for it; -1 for no limit.

    Raises
    ------
    NotTakenError
        If another thread held it all that time.

    Notes
    -----
    After ``lock.acquire(timeout=...)``, an interrupt may come before a ``try`` begins that would release it.
    """

    def __init__(self, lock: Any, seconds: float) -> None:
        self._lock = lock
        self._seconds = seconds

    def __enter__(self) -> None:
        try:
            is_taken = self._lock.acquire(timeout=self._seconds)
        except BaseException:
            try:  # noqa: SIM105 - a second interrupt could come in `suppress`, before the release
                self._lock.release()
            except RuntimeError:  # it was not taken
                pass
            raise
        if not is_taken:
            raise NotTakenError

    __exit__ = property(attrgetter("_lock.__exit__"))


class Event(threading.Event):
    """An event with such a condition."""

    _cond: threading.Condition

    def __init__(self) -> None:
        super().__init__()
        self._cond = Condition()


class PeekableQueue(Generic[T]):
    """A queue for one reader, in which an item stays until the wait for it is over.

    Any thread may then see that the reader has something to do, also before the reader does.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._arrived = Event()

    def put(self, item: T) -> None:
        """Add an item; from any thread."""
        self._items.append(item)
        self._arrived.set()

    def empty(self) -> bool:
        """Return whether no item is there; from any thread."""
        return not self._items

    def wait(self, timeout: float) -> bool:
        """Wait for an item, at most `timeout` seconds; return whether one is there."""
        if self.empty():
            self._arrived.clear()
            if self.empty():  # checked after `clear`, so that no item's `set` gets lost
                self._arrived.wait(timeout)
        return not self.empty()

    def get(self) -> T:
        """Take the first item, which must be there."""
        return self._items.popleft()


class Promise(Future[Any]):
    """A future with such a condition."""

    _condition: threading.Condition

    def __init__(self) -> None:
        # As the inherited constructor, which would make a condition of its own first, and take twice as long.
        self._condition = Condition()
        self._state = PENDING
        self._result = None
        self._exception = None
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []

    def remove_done_callback(self, function: Callable[[Future[Any]], object]) -> None:
        """Remove a callback that has not been called; from any thread."""
        with self._condition:
            # Once it is done, another thread iterates over the callbacks.
            if not self.done() and function in self._done_callbacks:
                self._done_callbacks.remove(function)
