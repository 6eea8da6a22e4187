"""The executor around a ``concurrent.futures.Executor`` of the user: threads, processes, a cluster."""

from __future__ import annotations

import concurrent.futures
import os
import pickle
import platform
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from functools import partial
from math import inf
from queue import Empty
from time import perf_counter, time
from typing import Any, NamedTuple
from uuid import uuid4

from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine import locks
from durablenb.engine.invocation import invoke
from durablenb.engine.pickled_calls import pickle_call, run_pickled
from durablenb.model.activities import Report, Streamed
from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown

LOOK_SECONDS = 0.1
"""How often to look which calls a pool of other processes has begun."""

Worker = tuple[str, int, str]
"""The name of a machine, the id of a process, and the name of a thread."""


class Ran(NamedTuple):
    """The answer to a call: its outcome, its prints and reports, and where and when it ran."""

    outcome: ActivityOutcome
    reports: list[Report]
    worker: Worker
    took: float | None = None
    """Seconds that it ran; None if the job's own `begin` knows its start."""
    ended: float = 0.0
    """Its end, by the clock of the machine that it ran on, in seconds since 1970."""


class FuturesExecutor:
    """Any ``concurrent.futures.Executor``: threads, processes, Dask.

    Parameters
    ----------
    pool
        Where the functions run. They are pickled by value for other processes, so those of a notebook work.

    Notes
    -----
    The pool's own methods are called in a thread of their own: `submit` may take long, or run the function at
    once, and `cancel` may use a network.

    A call that the pool refuses or cancels is declined: it has not failed. If a pool breaks, the calls that
    may have been running then fail, as one of them may have broken the pool; the rest is declined.
    """

    def __init__(self, pool: concurrent.futures.Executor) -> None:
        self._pool = pool
        self._is_in_process = isinstance(pool, concurrent.futures.ThreadPoolExecutor)
        self._futures: dict[Job, Future[Any]] = {}
        self._queued: deque[tuple[Job, Future[Any]]] = deque()
        self._lock = locks.Lock()  # no job begins after it has ended
        self._running_at_break: set[Future[Any]] | None = None
        self._tasks: locks.Queue[Callable[[], None] | None] = locks.Queue()
        self._thread: locks.Thread | None = None

    def submit(self, job: Job) -> None:
        """Accept a job."""
        if self._thread is None:
            thread = locks.Thread(target=self._run, name="durablenb-submit", daemon=True)
            thread.start()
            self._thread = thread
        self._tasks.put(partial(self._hand_over, job))

    def cancel(self, job: Job) -> None:
        """Cancel the job's future; whether that stops a call that runs is up to the pool."""
        self._tasks.put(partial(self._cancel, job))

    def drop_unwanted(self) -> None:
        """Cancel the jobs that the pool has not begun and that aren't wanted any more."""
        self._tasks.put(self._cancel_unwanted)

    def close(self, *, wait: bool) -> None:
        """End the thread; the pool's owner closes the pool."""
        self._tasks.put(None)
        if wait and self._thread is not None:
            self._thread.join()

    # -- in the thread that calls the pool -------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=LOOK_SECONDS if self._queued else None)
            except Empty:
                self._begin_running()
                continue
            if task is None:
                return
            task()
            del task  # and a job's input, while this thread waits for the next task

    def _begin_running(self) -> None:
        """Announce the start of calls that the pool runs by now: it doesn't say so by itself.

        A pool of processes takes some calls more than it has processes, and says that they run too.
        """
        workers = getattr(self._pool, "_max_workers", None) or inf
        while self._queued and (self._queued[0][1].running() or self._queued[0][1].done()):
            if len(self._futures) - len(self._queued) >= workers and not self._queued[0][1].done():
                return
            job, future = self._queued.popleft()
            with self._lock:
                if self._futures.get(job) is future and not job.begin(type(self._pool).__name__):
                    del self._futures[job]

    def _hand_over(self, job: Job) -> None:
        call: partial[Any]
        if self._is_in_process:
            call = partial(self._pool.submit, _call_here, job)
        elif not job.is_wanted:
            job.begin()
            return
        elif job.must_report:
            kind = type(self._pool).__name__
            job.decline(f"they have a heartbeat_timeout, and {kind} passes on no reports while a call runs")
            return
        else:
            try:  # the call begins where it runs, which says when
                call = partial(self._pool.submit, call_pickled, uuid4().hex, pickle_call(job))
            except BaseException as error:
                job.finish(job.codec.failure(error))
                return
        try:
            future = call()
        except BaseException as error:
            job.decline(self._refusal(error))
            return
        self._futures[job] = future
        if not self._is_in_process:
            self._queued.append((job, future))
        future.add_done_callback(partial(self._ended, job))
        if not job.is_wanted:  # `_cancel_unwanted` may have run just before
            future.cancel()

    def _cancel(self, job: Job) -> None:
        future = self._futures.get(job)
        if future is not None:  # otherwise it has just ended
            future.cancel()

    def _cancel_unwanted(self) -> None:
        for job, future in list(self._futures.items()):
            if not job.is_wanted:
                future.cancel()

    # -- in any thread ---------------------------------------------------------------------------

    def _ended(self, job: Job, future: Future[Any]) -> None:
        with self._lock:
            if self._futures.get(job) is not future:  # it was dropped when it began
                return
            del self._futures[job]
        try:
            result = future.result()
        except concurrent.futures.CancelledError as error:
            job.decline(self._refusal(error))
        except BrokenExecutor as error:
            if self._may_have_run(future):
                job.finish(job.codec.failure(error), type(self._pool).__name__)
            else:
                job.decline(self._refusal(error))
        except BaseException as error:
            job.finish(job.codec.failure(error), type(self._pool).__name__)
        else:
            if result is not None:
                for report in result.reports:
                    job.report(report)
                job.finish(result.outcome, _worker_name(result.worker), took=result.took, ago=_ago(result))

    def _may_have_run(self, future: Future[Any]) -> bool:
        """Return True if the pool may have been running this call when it broke.

        A pool that breaks ends all its calls one after another, the oldest first: when the first one ends,
        the others still have their state.
        """
        if self._is_in_process:
            return False  # its threads end by themselves
        if self._running_at_break is None:
            running = (other for other in list(self._futures.values()) if other.running())
            self._running_at_break = {future, *running}
        return future in self._running_at_break

    def _refusal(self, error: BaseException) -> str:
        kind = type(self._pool).__name__
        if isinstance(error, concurrent.futures.CancelledError):
            return f"{kind} cancelled them (it was shut down, or its client closed)"
        return f"{kind} can't run them ({type(error).__name__}: {error})"


def call_pickled(_: str, pickled: bytes) -> Ran:
    """Return the outcome of a pickled call, what it printed and reported, and where and when it ran.

    The first argument is unique: some executors run equal calls of a function only once.
    """
    lines: list[Report] = []
    latest: dict[type | str, Report] = {}  # of progress, checkpoints and outputs, which come with the outcome

    def receive(report: Report) -> None:
        if isinstance(report, OutputLine):
            lines.append(report)
        elif not isinstance(report, Streamed):  # of no use once the result is there
            latest[report.output_id if isinstance(report, Shown) else type(report)] = report

    started = perf_counter()
    outcome = run_pickled(pickle.loads(pickled), receive)
    took = perf_counter() - started
    return Ran(outcome, [*lines, *latest.values()], _current_worker(), took, time())


def _call_here(job: Job) -> Ran | None:
    """Return the outcome of a job that runs in this process; None if it isn't wanted any more."""
    worker = _current_worker()
    return Ran(invoke(job), [], worker) if job.begin(_worker_name(worker)) else None


def _ago(ran: Ran) -> float:
    """Return how many seconds ago a call ended, without another machine's clock, which may be wrong."""
    return max(time() - ran.ended, 0.0) if ran.took is not None and ran.worker[0] == platform.node() else 0.0


def _current_worker() -> Worker:
    return platform.node(), os.getpid(), locks.current_thread().name


def _worker_name(worker: Worker) -> str:
    node, process, thread = worker
    if node != platform.node():
        return f"{node} process-{process}"
    return thread if process == os.getpid() else f"process-{process}"
