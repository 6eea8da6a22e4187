"""Waiting in an event loop, for the engine's answers and for an instance's outcome."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from durablenb.engine.engine import Engine
from durablenb.engine.instance import Outcome
from durablenb.engine.messages import Watch
from durablenb.engine.waiting import check, completion_of, seconds_left, wait_for_outcome, waiting
from durablenb.model.errors import StoreError

T = TypeVar("T")


async def answer_to(asked: Future[T]) -> T:
    """What the engine answers; the event loop goes on meanwhile."""
    if not asked.done():
        await _end_of(asked)
    return asked.result()


async def await_outcome(engine: Engine, instance_id: str, timeout: float | None) -> Outcome | None:
    """Return how the instance ended, or None if it isn't open, as `wait_for_outcome`.

    The event loop goes on meanwhile, unless its own thread has to do the work.
    """
    if not engine.is_threaded:
        return wait_for_outcome(engine, instance_id, timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    completion: Future[Outcome] | None
    try:
        completion = await answer_to(engine.ask(Watch(instance_id)))
    except StoreError:
        completion = completion_of(engine, instance_id)
    if completion is None:
        return None
    ended = _end_of(completion)
    with waiting(engine):
        while not completion.done():
            await asyncio.wait((ended,), timeout=seconds_left(instance_id, deadline, timeout))
            if not completion.done():
                check(engine, instance_id)
        return completion.result()


class _Bell:
    """Rings in an event loop for what ended in other threads: once for all that ended since the last time.

    A ring is a write to a socket, which takes longer than an orchestrator's step, and `asyncio.wrap_future`
    does one for each future.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._ended: deque[asyncio.Future[None]] = deque()
        self._is_ringing = False

    def tell(self, waiter: asyncio.Future[None]) -> None:
        """Ends what somebody waits for in the event loop; from any thread."""
        self._ended.append(waiter)
        loop = self._loop()
        if loop is not None and not self._is_ringing:
            self._is_ringing = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._heard)

    def _heard(self) -> None:
        self._is_ringing = False  # first, so that what ends from now on rings again
        while self._ended:
            waiter = self._ended.popleft()
            if not waiter.done():
                waiter.set_result(None)


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, _Bell] = WeakKeyDictionary()


def _end_of(future: Future[Any]) -> asyncio.Future[None]:
    """A future of this event loop that ends when the other one does."""
    loop = asyncio.get_running_loop()
    bell = _bells.get(loop)
    if bell is None:
        bell = _bells[loop] = _Bell(loop)
    waiter: asyncio.Future[None] = loop.create_future()
    future.add_done_callback(lambda _: bell.tell(waiter))
    return waiter
