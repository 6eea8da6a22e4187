"""Waiting for an instance's outcome in an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import Future

from durablenb.engine.engine import Engine
from durablenb.engine.instance import Outcome
from durablenb.engine.messages import Watch
from durablenb.engine.waiting import check, completion_of, seconds_left, wait_for_outcome, waiting
from durablenb.model.errors import StoreError


async def await_outcome(engine: Engine, instance_id: str, timeout: float | None) -> Outcome | None:
    """Return how the instance ended, or None if it isn't open, as `wait_for_outcome`.

    The event loop goes on meanwhile, unless its own thread has to do the work.
    """
    if not engine.is_threaded:
        return wait_for_outcome(engine, instance_id, timeout)
    deadline = None if timeout is None else time.monotonic() + timeout
    completion: Future[Outcome] | None
    try:
        completion = await asyncio.wrap_future(engine.ask(Watch(instance_id)))
    except StoreError:
        completion = completion_of(engine, instance_id)
    if completion is None:
        return None
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    completion.add_done_callback(tell)
    with waiting(engine):
        while not completion.done():
            seconds = seconds_left(instance_id, deadline, timeout)
            try:
                await asyncio.wait_for(ended.wait(), seconds)
            except TimeoutError:
                check(engine, instance_id)
        return completion.result()
