"""Where activities run: threads, the engine's own thread, and whatever else one asks for."""

from __future__ import annotations

import concurrent.futures
import threading
from collections import deque
from typing import Any, cast

from durablenb.core.ports.executor import Executor, Job, Outcome
from durablenb.core.registry import Activity
from durablenb.engine import locks
from durablenb.engine.work import invoke

DEFAULT_THREADS = 16
"""Threads for activities where no number is given."""


UNHARMED = "durablenb: nothing is lost; the next hub.run(), handle.result() or hub.step() goes on here."
"""Note on an interrupt that came in the user's code and left the engine as it was."""


class Worker(threading.Thread):
    """A thread that has nothing else to do once the activity that it ran has ended."""


def is_worker() -> bool:
    """Whether it is such a thread that asks."""
    return isinstance(locks.current_thread(), Worker)


class ThreadExecutor:
    """A fixed number of threads, started as jobs come.

    Parameters
    ----------
    size
        Threads, at least 1.
    """

    def __init__(self, size: int = DEFAULT_THREADS) -> None:
        self._size = size
        self._jobs: locks.Queue[Job | None] = locks.Queue()
        self._threads: list[threading.Thread] = []

    def submit(self, job: Job) -> None:
        """Takes a job."""
        if len(self._threads) < self._size:
            self._grow()
        self._jobs.put(job)

    def drop_unwanted(self) -> None:
        """Does nothing: a queued job finds by itself that it isn't wanted any more."""

    def close(self, *, wait: bool) -> None:
        """Ends the threads once they have gone through what is queued."""
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _grow(self) -> None:
        name = f"durablenb-thread-{len(self._threads)}"
        thread = Worker(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more of them
            if not self._threads:
                raise
            return
        self._threads.append(thread)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.begin():
                outcome = self._outcome(job)
                job.finish(outcome, self._worker)
            del job  # and with it its argument, while this thread waits for the next one

    def _outcome(self, job: Job) -> Outcome:
        return invoke(job)

    @property
    def _worker(self) -> str:
        """The thread that asks, for people."""
        return threading.current_thread().name.removeprefix("durablenb-")


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
        job = self.jobs.popleft()
        if job.begin():
            try:
                outcome = _interruptible(job)
            except KeyboardInterrupt:
                self.jobs.appendleft(job)
                raise
            job.finish(outcome)
        return job

    def drop_unwanted(self) -> None:
        """Lets the next jobs find that they aren't wanted any more; the others do when it is their turn."""
        while self.jobs and not self.jobs[0].is_wanted:
            self.run_next()

    def close(self, *, wait: bool) -> None:
        """Drops the jobs."""
        self.jobs.clear()


def _interruptible(job: Job) -> Outcome:
    """Calls the activity; the kernel's interrupt, which reaches only the main thread, passes through."""
    if threading.current_thread() is not threading.main_thread():
        return invoke(job)
    try:
        return invoke(job, passing=(KeyboardInterrupt,))
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(UNHARMED)
        raise


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
        self.default = default
        self._made: dict[object, Executor] = {}
        self.inline = InlineExecutor()

    @property
    def default(self) -> object:
        """Where activities run that have no executor of their own."""
        return self._default

    @default.setter
    def default(self, asked: object) -> None:
        check_executor(asked)
        self._default = asked

    def of(self, activity: Activity) -> Executor:
        """Where an activity runs: an ``async def`` in the event loop, unless it says otherwise."""
        asked, owner = activity.executor, activity.name
        if asked is None or (asked == "inline" and activity.is_async):
            asked, owner = ("asyncio" if activity.is_async else self._default), ""
        if asked == "inline":
            return self.inline
        key = asked if isinstance(asked, str) else (owner, asked if type(asked) is int else id(asked))
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = self._make(asked)
        return found

    def drop_unwanted(self) -> None:
        """Takes back the jobs that have not begun and aren't wanted any more."""
        for executor in (self.inline, *self._made.values()):
            executor.drop_unwanted()

    def close(self, *, wait: bool) -> None:
        """Closes all that were made here."""
        made, self._made = self._made, {}
        for executor in made.values():
            executor.close(wait=wait)

    def _make(self, asked: object) -> Executor:
        if asked == "asyncio":
            from durablenb.engine.loop import LoopExecutor  # asyncio takes its time to import

            return LoopExecutor()
        if asked == "threads":
            return ThreadExecutor()
        if isinstance(asked, int):
            return ThreadExecutor(asked)
        if asked == "processes":
            from durablenb.engine.processes import ProcessExecutor

            return ProcessExecutor()
        if isinstance(asked, concurrent.futures.Executor):
            from durablenb.engine.pools import FuturesExecutor

            return FuturesExecutor(asked)
        return cast(Executor, asked)


def check_executor(asked: Any) -> None:
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
    elif hasattr(asked, "get_executor"):
        raise TypeError(f"{asked!r} is no executor, but has one: give its .get_executor().")
    elif isinstance(asked, type) or not hasattr(asked, "submit"):
        raise TypeError(f"{asked!r} is no executor; expected a name, a number or an Executor.")
