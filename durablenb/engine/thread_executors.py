"""Executors in this process: a number of threads, and the thread that drives the engine."""

from __future__ import annotations

import threading
from collections import deque

from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine import locks
from durablenb.engine.invocation import invoke

DEFAULT_THREADS = 16
"""The number of threads if none is given."""

UNHARMED = "durablenb: nothing is lost; the next hub.run(), handle.result() or hub.step() goes on here."
"""Note on an interrupt that came in user code and left the engine unchanged."""


class Worker(threading.Thread):
    """A thread of an executor, which runs one job after another."""

    is_free = False
    """True once the activity that it ran has ended."""
    next_job: Job | None = None
    """The job that it has submitted itself meanwhile: the next one it runs."""


def is_worker() -> bool:
    """Return True in such a thread."""
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
        """Accept a job; a thread that is free keeps it, since handing it over would take longer than most."""
        thread = locks.current_thread()
        if isinstance(thread, Worker) and thread.is_free and self._can_keep(thread):
            thread.next_job = job
            return
        if len(self._threads) < self._size:
            self._grow()
        self._jobs.put(job)

    def cancel(self, job: Job) -> None:
        """Do nothing: a function that runs in a thread can only look at the job's `is_cancelled`."""

    def drop_unwanted(self) -> None:
        """Do nothing: a queued job that isn't wanted any more doesn't begin."""

    def close(self, *, wait: bool) -> None:
        """End the threads once they have run what is queued."""
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _can_keep(self, thread: Worker) -> bool:
        return thread.next_job is None and self._jobs.empty() and thread in self._threads

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
        thread = locks.current_thread()
        assert isinstance(thread, Worker)
        while (job := thread.next_job or self._jobs.get()) is not None:
            thread.is_free, thread.next_job = False, None
            if job.begin(self._worker):
                outcome = self._outcome(job)
                thread.is_free = True
                job.finish(outcome, self._worker)
            del job  # and its input, while this thread waits for the next job

    def _outcome(self, job: Job) -> ActivityOutcome | None:
        return invoke(job)

    @property
    def _worker(self) -> str:
        """The name of the calling thread, for people."""
        return threading.current_thread().name.removeprefix("durablenb-")


class InlineExecutor:
    """The thread that drives the engine: jobs wait until `run_next` is called."""

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        """Accept a job."""
        self.jobs.append(job)

    def run_next(self) -> Job | None:
        """Run the oldest job, and return it; an interrupt leaves it in its place."""
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

    def cancel(self, job: Job) -> None:
        """Do nothing: the thread that would stop the job is the one that runs it."""

    def drop_unwanted(self) -> None:
        """Remove the next jobs if they aren't wanted any more; later ones don't begin either."""
        while self.jobs and not self.jobs[0].is_wanted:
            self.run_next()

    def close(self, *, wait: bool) -> None:
        """Discard the jobs."""
        self.jobs.clear()


def _interruptible(job: Job) -> ActivityOutcome:
    """Return the outcome; raise the kernel's interrupt, which only the main thread gets."""
    if threading.current_thread() is not threading.main_thread():
        return invoke(job)
    try:
        return invoke(job, passing=(KeyboardInterrupt,))
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(UNHARMED)
        raise
