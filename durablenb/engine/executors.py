"""Where activities run: threads, the engine's own thread, an asyncio loop, processes, or any executor."""

from __future__ import annotations

import concurrent.futures
import os
import threading
from collections import deque
from functools import lru_cache
from queue import SimpleQueue
from typing import Any, cast

from durablenb.core.registry import Activity
from durablenb.engine.work import call, invoke
from durablenb.model.failures import failure_of
from durablenb.model.payloads import Codec
from durablenb.ports.executor import Executor, Job, Outcome

DEFAULT_THREADS = 16
"""Threads for activities where no number is given."""


UNHARMED = "durablenb: nothing is lost; the next hub.run(), handle.result() or hub.step() goes on here."
"""Note on an interrupt that came in the user's code and left the engine as it was."""


class ThreadExecutor:
    """A fixed number of threads, started as they are needed.

    Parameters
    ----------
    size
        Threads, at least 1.
    """

    def __init__(self, size: int = DEFAULT_THREADS) -> None:
        if size < 1:
            raise ValueError(f"The number of threads is {size}; expected at least 1.")
        self._size = size
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def submit(self, job: Job) -> None:
        """Takes a job."""
        self._jobs.put(job)
        if len(self._threads) < self._size:
            thread = threading.Thread(
                target=self._run, name=f"durablenb-activity-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self, *, wait: bool) -> None:
        """Ends the threads; jobs that did not begin are dropped."""
        self._is_closed = True
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None or self._is_closed:
                return
            if job.begin():
                job.finish(invoke(job))


class InlineExecutor:
    """The thread that drives the engine: a job waits here until `run_next` is called."""

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Takes a job."""
        self.jobs.append(job)

    def run_next(self) -> Job | None:
        """Runs the oldest job; an interrupt leaves it where it was."""
        if not self.jobs:
            return None
        job = self.jobs[0]
        if job.begin():
            outcome = _interruptible(job)
            self.jobs.popleft()
            job.finish(outcome)
        else:
            self.jobs.popleft()
        return job

    def close(self, *, wait: bool) -> None:
        """Drops the jobs."""
        self.jobs.clear()


def _interruptible(job: Job) -> Outcome:
    try:
        value = job.function(job.codec.decode(job.text)) if job.takes_input else job.function()
        return job.codec.encode(value)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(UNHARMED)
        raise
    except BaseException as error:
        return failure_of(error)


class FuturesExecutor:
    """Any ``concurrent.futures.Executor``: processes, Dask, Ray.

    Parameters
    ----------
    pool
        Where the functions run; they travel by value, so functions of a notebook's cells can.
    """

    def __init__(self, pool: concurrent.futures.Executor) -> None:
        self._pool = pool

    def submit(self, job: Job) -> None:
        """Takes a job."""
        if not job.begin():
            return
        try:
            future = self._pool.submit(
                call_pickled, _pickled(job.function), job.text, job.takes_input, job.codec
            )
        except BaseException as error:
            job.finish(failure_of(error))
            return
        future.add_done_callback(lambda done: job.finish(_outcome(done)))

    def close(self, *, wait: bool) -> None:
        """Does nothing: the pool is its owner's."""


class ProcessExecutor(FuturesExecutor):
    """Processes of this machine, started afresh when one of them dies.

    Parameters
    ----------
    size
        Processes; without a number, one a processor.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = size or os.cpu_count() or 1
        super().__init__(self._new_pool())

    def submit(self, job: Job) -> None:
        """Takes a job; a pool of which a process has died is replaced first."""
        if getattr(self._pool, "_broken", False):
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._new_pool()
        super().submit(job)

    def close(self, *, wait: bool) -> None:
        """Ends the processes."""
        self._pool.shutdown(wait=wait, cancel_futures=True)

    def _new_pool(self) -> concurrent.futures.ProcessPoolExecutor:
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        return concurrent.futures.ProcessPoolExecutor(self._size, mp_context=context)


class Executors:
    """Finds the executor of an activity; each is made when it is first needed.

    Parameters
    ----------
    default
        Of the hub: a name (``"threads"``, ``"inline"``, ``"processes"``), a number of threads, or an
        executor.

    Raises
    ------
    ValueError, TypeError
        If it is none of these.
    """

    def __init__(self, default: object) -> None:
        check_executor(default)
        self._default = default
        self._made: dict[object, Executor] = {}
        self.inline = InlineExecutor()

    def of(self, activity: Activity) -> Executor:
        """Where an activity runs: an ``async def`` in the event loop, unless it says otherwise."""
        if activity.executor is not None:
            asked, owner = activity.executor, activity.name
        else:
            asked, owner = ("asyncio" if activity.is_async else self._default), ""
        key = asked if isinstance(asked, str) else (owner, asked if type(asked) is int else id(asked))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(asked)
        return found

    def close(self, *, wait: bool) -> None:
        """Closes all that were made here."""
        for executor in self._made.values():
            executor.close(wait=wait)

    def _make(self, asked: object) -> Executor:
        check_executor(asked)
        if asked == "inline":
            return self.inline
        if asked == "asyncio":
            from durablenb.engine.loop import LoopExecutor  # asyncio takes its time to import

            return LoopExecutor()
        if asked == "processes":
            return ProcessExecutor()
        if asked == "threads":
            return ThreadExecutor()
        if isinstance(asked, int):
            return ThreadExecutor(asked)
        if isinstance(asked, concurrent.futures.Executor):
            return FuturesExecutor(asked)
        return cast(Executor, asked)


def check_executor(asked: object) -> None:
    """Raises for what is no executor.

    Raises
    ------
    ValueError
        For an unknown name, or less than one thread.
    TypeError
        For anything else that takes no jobs.
    """
    if isinstance(asked, str):
        if asked not in ("threads", "inline", "processes", "asyncio"):
            raise ValueError(
                f"There is no executor {asked!r}; expected 'threads', 'inline', 'processes', "
                "'asyncio', a number of threads, or a concurrent.futures.Executor."
            )
    elif type(asked) is int:
        if asked < 1:
            raise ValueError(f"The number of threads is {asked}; expected at least 1.")
    elif not hasattr(asked, "submit"):
        raise TypeError(f"{asked!r} is no executor; expected a name, a number or an Executor.")


@lru_cache(maxsize=1024)
def _pickled(function: Any) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(function)
    return data


@lru_cache(maxsize=256)
def _unpickled(data: bytes) -> Any:
    import pickle

    return pickle.loads(data)


def call_pickled(data: bytes, text: str, takes_input: bool, codec: Codec) -> Outcome:
    """What runs in the other process."""
    try:
        function = _unpickled(data)
    except BaseException as error:
        return failure_of(error)
    return call(function, text, takes_input, codec)


def _outcome(done: concurrent.futures.Future[Outcome]) -> Outcome:
    try:
        return done.result()
    except BaseException as error:
        return failure_of(error)
