"""Waits in an event loop, for the engine's answers and for an instance's outcome."""

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
    CHECK_SECONDS,
    check_not_blocked,
    known_promise,
    outcome_promise,
    too_late,
    wait_for_outcome,
    waiting,
)
from durablenb.model.errors import StoreError

T = TypeVar("T")

Check = Callable[[], None]
"""Raises if a wait can't end."""


async def answer_to(reply: Future[T]) -> T:
    """Return the engine's answer; the event loop runs on meanwhile."""
    if not reply.done():
        await _settled(reply)
    return reply.result()


async def await_outcome(engine: Engine, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
    """Return the outcome of an instance, or None if it isn't open, as `wait_for_outcome` does.

    The event loop runs on meanwhile, unless its own thread has to do the engine's work.
    """
    if not engine.is_threaded:
        return wait_for_outcome(engine, instance_id, timeout)
    promise = await outcome_promise_async(engine, instance_id)
    if promise is None:
        return None
    with waiting(engine, promise.done):
        if not promise.done():
            try:
                async with asyncio.timeout(timeout) as limit:
                    await _settled(promise, partial(check_not_blocked, engine, instance_id))
            except TimeoutError as error:
                raise (too_late(instance_id, timeout) if limit.expired() else error) from None
        return promise.result()


async def outcome_promise_async(engine: Engine, instance_id: str) -> Future[InstanceOutcome] | None:
    """Return the promise of an open instance's outcome, as `outcome_promise` does."""
    promise = known_promise(engine, instance_id)
    try:
        return await answer_to(engine.ask(Watch(instance_id))) if promise is None else promise
    except StoreError:
        return outcome_promise(engine, instance_id)


class _LoopWaker:
    """Wakes an event loop for futures of other threads: once for all that ended since the last time.

    To wake a loop is to write to a socket, which takes longer than an episode; `asyncio.wrap_future` does so
    for each future. Likewise, one timer checks all waits.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)
        self._ended: deque[asyncio.Future[None]] = deque()
        self._checks: dict[asyncio.Future[None], Check] = {}
        self._is_waking = False
        self._is_timer_set = False

    def end(self, waiter: asyncio.Future[None], _: object = None) -> None:
        """End a waiter in the event loop; from any thread."""
        self._ended.append(waiter)
        loop = self._loop()
        if loop is not None and not self._is_waking:
            self._is_waking = True
            with contextlib.suppress(RuntimeError):  # the loop is closed, and so nothing waits in it
                loop.call_soon_threadsafe(self._end_waiters)

    def add_check(self, waiter: asyncio.Future[None], check: Check) -> None:
        """Also end the waiter with the error that `check` raises."""
        self._checks[waiter] = check
        if not self._is_timer_set:
            self._set_timer(waiter.get_loop())

    def remove_check(self, waiter: asyncio.Future[None]) -> None:
        """Stop checking this waiter."""
        self._checks.pop(waiter, None)

    def _end_waiters(self) -> None:
        self._is_waking = False  # first, so that a future which ends from now on wakes the loop again
        while self._ended:
            waiter = self._ended.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _run_checks(self, loop: asyncio.AbstractEventLoop) -> None:
        for waiter, check in list(self._checks.items()):
            if not waiter.done():
                try:
                    check()
                except Exception as error:
                    waiter.set_exception(error)
        self._is_timer_set = False
        if self._checks:
            self._set_timer(loop)

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_timer_set = True
        loop.call_later(CHECK_SECONDS, self._run_checks, loop)


_wakers: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopWaker] = WeakKeyDictionary()


async def _settled(future: Future[Any], check: Check | None = None) -> None:
    """Wait in this event loop until a future of another thread ends, or `check` raises."""
    loop = asyncio.get_running_loop()
    waker = _wakers.get(loop)
    if waker is None:
        waker = _wakers[loop] = _LoopWaker(loop)
    waiter: asyncio.Future[None] = loop.create_future()
    end = partial(waker.end, waiter)
    future.add_done_callback(end)
    if check is not None:
        waker.add_check(waiter, check)
    try:
        await waiter
    except BaseException:
        if isinstance(future, Promise):  # a promise may outlive many waits that are given up
            future.remove_done_callback(end)
        raise
    finally:
        waker.remove_check(waiter)
