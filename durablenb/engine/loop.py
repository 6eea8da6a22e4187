"""The executor of ``async def`` activities: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from durablenb.model.failures import failure_of
from durablenb.ports.executor import Job, Outcome


class LoopExecutor:
    """An asyncio event loop in a thread of its own, for ``async def`` activities."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="durablenb-asyncio", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Takes a job."""
        self._loop.call_soon_threadsafe(self._spawn, job)

    def close(self, *, wait: bool) -> None:
        """Ends the loop; what runs is cancelled."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def _spawn(self, job: Job) -> None:
        task = self._loop.create_task(self._call(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _call(self, job: Job) -> None:
        if not job.begin():
            return
        try:
            argument = (job.codec.decode(job.text),) if job.takes_input else ()
            made: Coroutine[Any, Any, Any] = job.function(*argument)
            outcome: Outcome = job.codec.encode(await made)
        except BaseException as error:
            outcome = failure_of(error)
        job.finish(outcome)
