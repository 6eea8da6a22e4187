"""The executor with processes of its own."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine import locks
from durablenb.engine.pickled_calls import pickle_call, run_pickled
from durablenb.engine.thread_executors import ThreadExecutor
from durablenb.model.activities import REPORTS, Report
from durablenb.model.failures import describe_failure

PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from durablenb.engine.process_executor import serve; serve()"
)
"""The program of a process. It doesn't run the notebook or script again: functions are pickled by value."""

THREAD_LIMITS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""Environment variables that limit the threads of libraries; joblib sets the same ones."""

TRIES = 3
"""How often to try to start a process: an interrupt may end one that is starting."""


class ProcessExecutor(ThreadExecutor):
    """Processes of this machine, started as jobs come; one that dies fails the job it had, no other.

    Parameters
    ----------
    size
        The number of processes; one for each processor if it isn't given.
    """

    def __init__(self, size: int | None = None) -> None:
        super().__init__(size or _processors())
        self._threads_each = max(_processors() // self._size, 1)
        self._processes = threading.local()
        self._alive: set[Process] = set()
        self._lock = locks.Lock()
        self._running: dict[Job, Process] = {}  # under the lock

    def cancel(self, job: Job) -> None:
        """Kill the process that runs the job; the next job gets another one."""
        with self._lock:
            process = self._running.get(job)
            if process is not None:
                process.kill()

    def close(self, *, wait: bool) -> None:
        """End the processes; without `wait`, in the middle of their jobs."""
        if not wait:
            for process in list(self._alive):
                process.kill()
        super().close(wait=wait)

    def _run(self) -> None:
        super()._run()
        process = getattr(self._processes, "own", None)
        if process is not None:
            process.end()
            self._alive.discard(process)

    def _outcome(self, job: Job) -> ActivityOutcome | None:
        try:
            outcome = self._run_elsewhere(job, pickle_call(job))
        except BaseException as error:
            outcome = job.codec.failure(error)
        with self._lock:
            process = self._running.pop(job, None)
        if process is None or not job.is_cancelled:
            return outcome
        process.kill()  # `cancel` may have done so, and then it must not get another job
        process.end()
        self._alive.discard(process)
        self._processes.own = None
        return None

    def _run_elsewhere(self, job: Job, pickled: bytes) -> ActivityOutcome | None:
        process = getattr(self._processes, "own", None)
        if process is None or not self._send(process, job, pickled):
            if job.is_cancelled:
                return None
            self._alive.discard(process)
            process = self._processes.own = _start_process(self._threads_each)
            self._alive.add(process)
            self._send(process, job, pickled)
        return process.outcome(job.report)

    def _send(self, process: Process, job: Job, pickled: bytes) -> bool:
        with self._lock:
            self._running[job] = process
            if job.is_cancelled:
                process.kill()  # `cancel` may have looked for it just before
        return process.send(pickled)

    @property
    def _worker(self) -> str:
        process = getattr(self._processes, "own", None)
        return "process" if process is None else f"process-{process.pid}"


class Process:
    """A process that runs the jobs that it is sent, one after another.

    Parameters
    ----------
    threads
        How many threads its libraries may start.

    Raises
    ------
    EOFError
        If it dies before it is ready.
    """

    def __init__(self, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict.fromkeys(THREAD_LIMITS, str(threads)) | dict(os.environ),  # the user's settings win
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        if not self.send(pickle.dumps(sys.path)) or self._receive() is None:
            self.kill()
            self.end()
            raise EOFError(
                f"The process that was started for activities, {sys.executable}, ended at once: "
                f"{exit_cause(self._process.returncode)}."
            )

    def send(self, pickled: bytes) -> bool:
        """Send it a job; return False if it has died."""
        try:
            self._to.write(pickled)
            self._to.flush()
        except (OSError, ValueError):  # it died, or was found dead before
            self.end()
            return False
        return True

    def outcome(self, receive: Callable[[Report], None]) -> ActivityOutcome:
        """Return the outcome of the job; `receive` gets each report before it."""
        while isinstance(outcome := self._receive(), REPORTS):
            receive(outcome)
        if outcome is None:
            self.end()
            died = ChildProcessError(
                f"The process in which the activity ran died: {exit_cause(self._process.returncode)}. "
                "Other activities are unharmed."
            )
            return describe_failure(died)
        return outcome

    def end(self) -> None:
        """Wait until it has ended."""
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    def kill(self) -> None:
        """End it in the middle of its job."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def _receive(self) -> ActivityOutcome | Report | None:
        try:
            answer: ActivityOutcome | Report = pickle.load(self._from)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        return answer


def _start_process(threads: int) -> Process:
    for _ in range(TRIES - 1):
        with contextlib.suppress(EOFError):
            return Process(threads)
    return Process(threads)


def serve() -> None:
    """Run jobs from the standard input, in the other process, until that is closed."""
    # The notebook's interrupt reaches its child processes as well, and must not end their jobs.
    signal.signal(signal.SIGINT, lambda *_: None)
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what libraries print from C must not get among the replies
    lock = threading.RLock()

    def send(answer: ActivityOutcome | Report) -> None:
        message = pickle.dumps(answer)
        with lock:
            replies.write(message)
            replies.flush()

    def send_report(report: Report) -> None:
        with contextlib.suppress(OSError, ValueError):  # the hub's process has ended
            send(report)

    with contextlib.suppress(BrokenPipeError, EOFError, KeyboardInterrupt):
        send("ready")
        while True:
            send(run_pickled(pickle.load(requests), send_report))


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def exit_cause(code: int) -> str:
    """Return how a process with this exit code ended."""
    if code >= 0:
        return f"it ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it was ended by signal {-code}"
