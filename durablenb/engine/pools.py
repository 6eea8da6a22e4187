"""Activities on an executor of the user's: a pool of threads or processes, a cluster."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import platform
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from functools import partial
from typing import Any
from uuid import uuid4

from durablenb.core.ports.executor import Job, Outcome
from durablenb.engine import locks
from durablenb.engine.parcels import parcel_of, run_parcel
from durablenb.engine.work import invoke
from durablenb.model.logs import Said

Worker = tuple[str, int, str]
"""Where something runs: the machine's name, the process, the thread's name."""


class FuturesExecutor:
    """Any ``concurrent.futures.Executor``: threads, processes, Dask.

    Parameters
    ----------
    pool
        Where the functions run; to other processes they travel by value, so those of a notebook can.

    Notes
    -----
    The pool's own methods are called in a thread that does nothing else: `submit` may take its time, or run
    the function at once, and `cancel` may go over a network.

    A pool that takes a call no more, or cancels it, declines it: the call has not failed. If a pool breaks,
    what may have been running then fails, as it may be what broke the pool; the rest is declined.
    """

    def __init__(self, pool: concurrent.futures.Executor) -> None:
        self._pool = pool
        self._is_near = isinstance(pool, concurrent.futures.ThreadPoolExecutor)
        self._given: dict[Future[Any], Job] = {}
        self._at_the_break: set[Future[Any]] | None = None
        self._errands: locks.Queue[Callable[[], None] | None] = locks.Queue()
        self._thread: locks.Thread | None = None

    def submit(self, job: Job) -> None:
        """Takes a job."""
        if self._thread is None:
            thread = locks.Thread(target=self._run, name="durablenb-submit", daemon=True)
            thread.start()
            self._thread = thread
        self._errands.put(partial(self._hand_over, job))

    def drop_unwanted(self) -> None:
        """Cancels what the pool has not begun and nobody wants any more."""
        self._errands.put(self._cancel_unwanted)

    def close(self, *, wait: bool) -> None:
        """Ends the thread; the pool is its owner's."""
        self._errands.put(None)
        if wait and self._thread is not None:
            self._thread.join()

    # -- in the thread that calls the pool -------------------------------------------------------

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            errand()
            del errand  # and with it a job's argument, while this thread waits for the next one

    def _hand_over(self, job: Job) -> None:
        call: partial[Any]
        if self._is_near:
            call = partial(self._pool.submit, _call_here, job)
        elif not job.begin():
            return
        else:
            try:
                call = partial(self._pool.submit, call_pickled, uuid4().hex, parcel_of(job))
            except BaseException as error:
                job.finish(job.codec.failure(error))
                return
        try:
            given = call()
        except BaseException as error:
            job.decline(self._trouble(error))
            return
        self._given[given] = job
        given.add_done_callback(partial(self._ended, job))
        if not job.is_wanted:  # since it was looked at, and before it was among those that are given
            given.cancel()

    def _cancel_unwanted(self) -> None:
        for given, job in list(self._given.items()):
            if not job.is_wanted:
                given.cancel()

    # -- in any thread ---------------------------------------------------------------------------

    def _ended(self, job: Job, done: Future[Any]) -> None:
        self._given.pop(done, None)
        try:
            ended = done.result()
        except concurrent.futures.CancelledError as error:
            job.decline(self._trouble(error))
        except BrokenExecutor as error:
            if self._may_have_run(done):
                job.finish(job.codec.failure(error), type(self._pool).__name__)
            else:
                job.decline(self._trouble(error))
        except BaseException as error:
            job.finish(job.codec.failure(error), type(self._pool).__name__)
        else:
            if ended is not None:
                outcome, told, worker = ended
                for said in told:
                    job.output.take(said)
                job.finish(outcome, _name_of(worker))

    def _may_have_run(self, done: Future[Any]) -> bool:
        """Whether the pool may have been running this one when it broke.

        A pool that breaks ends all that it has, one after another, the oldest first: when the first one
        ends, the others still tell whether they run.
        """
        if self._is_near:
            return False  # what runs in a thread ends by itself
        if self._at_the_break is None:
            self._at_the_break = {done, *(one for one in list(self._given) if one.running())}
        return done in self._at_the_break

    def _trouble(self, error: BaseException) -> str:
        kind = type(self._pool).__name__
        if isinstance(error, concurrent.futures.CancelledError):
            return f"{kind} cancelled them (it was shut down, or its client closed)"
        return f"{kind} can't run them ({type(error).__name__}: {error})"


def call_pickled(_: str, parcel: bytes) -> tuple[Outcome, list[Said], Worker]:
    """Return the outcome of a job, in whichever process this is, what it printed, and where that is.

    The first argument is another one for each call: there are executors that take calls of the same
    function with the same arguments for one, and run it once.
    """
    told: list[Said] = []
    return run_parcel(pickle.loads(parcel), told.append), told, _here()


def _call_here(job: Job) -> tuple[Outcome, list[Said], Worker] | None:
    """Run a job in a thread of this process, unless it isn't wanted any more."""
    return (invoke(job), [], _here()) if job.begin() else None


def _here() -> Worker:
    return platform.node(), os.getpid(), locks.current_thread().name


def _name_of(worker: Worker) -> str:
    node, process, thread = worker
    if node != platform.node():
        return f"{node} process-{process}"
    return thread if process == os.getpid() else f"process-{process}"
