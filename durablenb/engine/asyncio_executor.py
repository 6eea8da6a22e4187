"""The executor of ``async def`` activities: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading

from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine.capture.streams import enter
from durablenb.engine.invocation import call
from durablenb.engine.running_activity import RunningActivity


class AsyncioExecutor:
    """An asyncio event loop in a thread of its own, for ``async def`` activities."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: dict[Job, asyncio.Task[None]] = {}
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="durablenb-asyncio", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Accept a job."""
        self._loop.call_soon_threadsafe(self._spawn, job)

    def cancel(self, job: Job) -> None:
        """Cancel the job's task: its coroutine gets a `CancelledError`."""
        self._loop.call_soon_threadsafe(self._cancel, job)

    def drop_unwanted(self) -> None:
        """Do nothing: nothing is queued."""

    def close(self, *, wait: bool) -> None:
        """End the loop; running jobs are cancelled."""
        self._is_closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        if wait:
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._is_closed:
            # A task that an activity left behind may raise SystemExit here; the loop can run on.
            with contextlib.suppress(BaseException):
                self._loop.run_forever()
        with contextlib.suppress(BaseException):
            self._loop.run_until_complete(_cancel_all())
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _spawn(self, job: Job) -> None:
        task = self._loop.create_task(self._run_job(job))
        self._tasks.add(task)  # the loop has only a weak reference
        task.add_done_callback(self._tasks.discard)

    def _cancel(self, job: Job) -> None:
        task = self._running.get(job)  # none before its first step, in which it finds that it isn't wanted
        if task is not None:
            task.cancel()

    async def _run_job(self, job: Job) -> None:
        if not job.begin("asyncio"):
            return
        task = asyncio.current_task()
        assert task is not None
        self._running[job] = task
        try:
            outcome = await _outcome(job)
        finally:
            del self._running[job]
        job.finish(outcome, "asyncio")


async def _outcome(job: Job) -> ActivityOutcome | None:
    """Return the outcome of a job; None if the job was cancelled, and let that happen."""
    enter(job)  # for this task alone
    with RunningActivity(job) as context:
        try:
            value = call(job.function, job.text, job.takes_input, job.codec, context)
            return job.codec.encode(await value if inspect.isawaitable(value) else value, "result")
        except asyncio.CancelledError as error:
            return None if job.is_cancelled else job.codec.failure(error)
        except BaseException as error:
            return job.codec.failure(error)


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
