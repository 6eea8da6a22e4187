"""The primitives that the engine's threads wait with: locks, queues, conditions, events, promises, threads.

The engine takes all of these from here, and from nowhere else, so that a test can put others in their place
and decide which thread runs when (`tests/schedules`).

An interrupt can't leave them locked. The stop button may come between any two steps of Python.

`threading.Condition` takes its lock inside of a Python method. An interrupt there, after the lock was taken
and before ``with`` knows it, leaves it taken for ever, and whoever has to wake the waiting thread waits, too.
Here ``with`` calls the lock's own methods, which are one step.
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
from typing import Any

Lock = threading.Lock
RLock = threading.RLock
Queue = SimpleQueue
Thread = threading.Thread
current_thread = threading.current_thread
monotonic = time.monotonic


class Condition(threading.Condition):
    """A condition whose lock is taken and given back in one step each.

    Notes
    -----
    The standard library's keeps five bound methods of its lock. Of promises there may be a hundred
    thousand, so that the garbage collector would have half a million objects more to look at.
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
        taken_once = (1, threading.get_ident())
        waiter.acquire()
        was_notified = False
        self._waiters.append(waiter)
        try:
            lock.release()  # interrupts come after a call: the `try` has begun before this one
            was_notified = waiter.acquire(timeout=-1 if timeout is None else max(timeout, 0))
        finally:
            lock._acquire_restore(taken_once)  # unlike `acquire`, an interrupt doesn't end it early
            if not was_notified and waiter in self._waiters:
                self._waiters.remove(waiter)
        return was_notified


class Event(threading.Event):
    """An event on such a condition."""

    _cond: threading.Condition

    def __init__(self) -> None:
        super().__init__()
        self._cond = Condition()


class Promise(Future[Any]):
    """A future on such a condition."""

    _condition: threading.Condition

    def __init__(self) -> None:
        # As the inherited one, which would make a condition of its own first, as dear as all the rest.
        self._condition = Condition()
        self._state = PENDING
        self._result = None
        self._exception = None
        self._waiters: list[Any] = []
        self._done_callbacks: list[Any] = []

    def remove_done_callback(self, function: Callable[[Future[Any]], object]) -> None:
        """Takes back what `add_done_callback` was given, if it has not been called; from any thread."""
        with self._condition:
            if not self.done() and function in self._done_callbacks:  # once it is done, they are gone through
                self._done_callbacks.remove(function)
