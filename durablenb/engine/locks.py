"""Waiting that an interrupt can't leave locked: the stop button may come between any two steps of Python.

`threading.Condition` takes its lock inside of a Python method. An interrupt there, after the lock was taken
and before ``with`` knows it, leaves it taken for ever, and whoever has to wake the waiting thread waits, too.
Here ``with`` calls the lock's own methods, which are one step.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any


class Condition(threading.Condition):
    """A condition whose lock is taken and given back in one step each."""

    _lock: threading.Lock

    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)


class Event(threading.Event):
    """An event on such a condition."""

    _cond: threading.Condition

    def __init__(self) -> None:
        super().__init__()
        self._cond = Condition(threading.Lock())


class Promise(Future[Any]):
    """A future on such a condition."""

    _condition: threading.Condition

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()
