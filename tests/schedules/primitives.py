"""The names of `durablenb.engine.locks`, made so that the scheduler decides which thread goes on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any
from unittest.mock import patch

from durablenb.engine import locks, thread_executors
from tests.schedules.scheduler import Abandoned, Scheduler


@contextmanager
def controlled(scheduler: Scheduler) -> Iterator[None]:
    """While this lasts, what the engine waits with is the scheduler's."""

    class Queue(ControlledQueue):
        _scheduler = scheduler

    class Lock(ControlledLock):
        _scheduler = scheduler

    class RLock(ControlledRLock):
        _scheduler = scheduler

    class Condition(ControlledCondition):
        _scheduler = scheduler
        _lock_kind = RLock

    class Thread(ControlledThread):
        _scheduler = scheduler

    class Worker(Thread, thread_executors.Worker):
        pass

    with (
        patch.multiple(
            locks,
            Queue=Queue,
            Lock=Lock,
            RLock=RLock,
            Condition=Condition,
            Thread=Thread,
            monotonic=lambda: 1_000.0 + scheduler.seconds,
        ),
        patch.multiple(thread_executors, Worker=Worker),
    ):
        yield


class ControlledThread(threading.Thread):
    """A thread that runs when it is chosen."""

    _scheduler: Scheduler

    def start(self) -> None:
        self._strand = self._scheduler.adopt(self.name)
        super().start()
        self._scheduler.offer()

    def run(self) -> None:
        try:
            self._scheduler.take_turn(self._strand)
            super().run()
        except Abandoned:
            pass
        finally:
            self._scheduler.leave(self._strand)

    def join(self, timeout: float | None = None) -> None:
        self._scheduler.wait_until(lambda: self._strand.is_done, timeout)

    def is_alive(self) -> bool:
        return not self._strand.is_done


class ControlledQueue:
    """A `queue.SimpleQueue`."""

    _scheduler: Scheduler

    def __class_getitem__(cls, _: Any) -> Any:
        return cls

    def __init__(self) -> None:
        self._items: deque[Any] = deque()

    def put(self, item: Any) -> None:
        self._items.append(item)
        self._scheduler.offer()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self._scheduler.wait_until(lambda: bool(self._items), timeout if block else 0):
            raise Empty
        return self._items.popleft()

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items)


class ControlledLock:
    """A `threading.Lock`: its owner, too, waits for it."""

    _scheduler: Scheduler

    def __init__(self) -> None:
        self._is_locked = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        longest = (None if timeout < 0 else timeout) if blocking else 0
        if not self._scheduler.wait_until(lambda: not self._is_locked, longest):
            return False
        self._is_locked = True
        return True

    def release(self) -> None:
        if not self._is_locked and not self._scheduler.is_abandoned:
            raise RuntimeError("release unlocked lock")
        self._is_locked = False
        self._scheduler.offer()

    def locked(self) -> bool:
        return self._is_locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class ControlledRLock:
    """A `threading.RLock`."""

    _scheduler: Scheduler

    def __init__(self) -> None:
        self._owner: int | None = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = threading.get_ident()
        if self._owner != me:
            longest = (None if timeout < 0 else timeout) if blocking else 0
            if not self._scheduler.wait_until(lambda: self._owner is None, longest):
                return False
            self._owner = me
        self._count += 1
        return True

    def release(self) -> None:
        if self._owner != threading.get_ident():
            if self._scheduler.is_abandoned:
                return
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if self._count == 0:
            self._owner = None
            self._scheduler.offer()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def _is_owned(self) -> bool:
        return self._owner == threading.get_ident()


class ControlledCondition:
    """A `threading.Condition`."""

    _scheduler: Scheduler
    _lock_kind: Callable[[], ControlledRLock]

    def __init__(self) -> None:
        self._lock = self._lock_kind()
        self._waiting: list[list[bool]] = []
        self.acquire, self.release = self._lock.acquire, self._lock.release

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        told = [False]
        self._waiting.append(told)
        count, self._lock._count, self._lock._owner = self._lock._count, 0, None
        try:
            is_told = self._scheduler.wait_until(lambda: told[0], timeout)
        finally:
            if told in self._waiting:
                self._waiting.remove(told)
            self._scheduler.wait_until(lambda: self._lock._owner is None)
            self._lock._owner, self._lock._count = threading.get_ident(), count
        return is_told

    def notify(self, n: int = 1) -> None:
        for told in self._waiting[:n]:
            told[0] = True
        del self._waiting[:n]

    def notify_all(self) -> None:
        self.notify(len(self._waiting))
