"""Waiting in an event loop, for the engine's answers and for an instance's outcome."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

from durablenb.engine.engine import Engine
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.locks import Promise
from durablenb.engine.messages import Watch
from durablenb.engine.waiting import (
    LOOK_SECONDS,
    check,
    completion_here,
    completion_of,
    too_late,
    wait_for_outcome,
    waiting,
)
from durablenb.model.errors import StoreError

T = TypeVar("T")

Look = Callable[[], None]
"""Looks whether a wait can still end, and raises what stands in the way."""


async def answer_to(asked: Future[T]) -> T:
    """What the engine answers; the event loop goes on meanwhile."""
    if not asked.done():
        await _end_of(asked)
    return asked.result()


async def await_outcome(engine: Engine, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
    """Return how the instance ended, or None if it isn't open, as `wait_for_outcome`.

    The event loop goes on meanwhile, unless its own thread has to do the work.
    """
    if not engine.is_threaded:
        return wait_for_outcome(engine, instance_id, timeout)
    completion = completion_here(engine, instance_id)
    try:
        if completion is None:
            completion = await answer_to(engine.ask(Watch(instance_id)))
    except StoreError:
        completion = completion_of(engine, instance_id)
    if completion is None:
        return None
    with waiting(engine):
        if not completion.done():
            try:
                async with asyncio.timeout(timeout) as limit:
                    await _end_of(completion, partial(check, engine, instance_id))
            except TimeoutError as error:
                raise (too_late(instance_id, timeout) if limit.expired() else error) from None
        return completion.result()


class _Bell:
    """Rings in an event loop for what ended in other threads: once for all that ended since the last time.

    A ring is a write to a socket, which takes longer than an orchestrator's step, and `asyncio.wrap_future`
    does one for each future. In the same way there is one timer for all that is looked after.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._ended: deque[asyncio.Future[None]] = deque()
        self._looks: dict[asyncio.Future[None], Look] = {}
        self._is_ringing = False
        self._is_looking = False

    def tell(self, waiter: asyncio.Future[None], _: object = None) -> None:
        """Ends what somebody waits for in the event loop; from any thread."""
        self._ended.append(waiter)
        loop = self._loop()
        if loop is not None and not self._is_ringing:
            self._is_ringing = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._heard)

    def look_after(self, waiter: asyncio.Future[None], look: Look) -> None:
        """Ends it with an error, too, if something stands in the way."""
        self._looks[waiter] = look
        if not self._is_looking:
            self._look_again(waiter.get_loop())

    def leave(self, waiter: asyncio.Future[None]) -> None:
        """Looks after it no more."""
        self._looks.pop(waiter, None)

    def _heard(self) -> None:
        self._is_ringing = False  # first, so that what ends from now on rings again
        while self._ended:
            waiter = self._ended.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _look_around(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiter, look in list(self._looks.items()):
            if not waiter.done():
                try:
                    look()
                except Exception as error:
                    waiter.set_exception(error)
        self._is_looking = False
        if self._looks:
            self._look_again(loop)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_looking = True
        loop.call_later(LOOK_SECONDS, self._look_around, loop)


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, _Bell] = WeakKeyDictionary()


async def _end_of(future: Future[Any], look: Look | None = None) -> None:
    """Wait in this event loop until a future of other threads ends, or `look` raises."""
    loop = asyncio.get_running_loop()
    bell = _bells.get(loop)
    if bell is None:
        bell = _bells[loop] = _Bell(loop)
    waiter: asyncio.Future[None] = loop.create_future()
    tell = partial(bell.tell, waiter)
    future.add_done_callback(tell)
    if look is not None:
        bell.look_after(waiter, look)
    try:
        await waiter
    except BaseException:
        if isinstance(future, Promise):  # it may outlive many who wait for it and give up
            future.remove_done_callback(tell)
        raise
    finally:
        bell.leave(waiter)
