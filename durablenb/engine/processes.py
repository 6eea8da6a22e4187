"""Activities in other processes: of this hub, or of a pool of the user's."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from durablenb.engine import taps
from durablenb.engine.executors import ThreadExecutor
from durablenb.engine.transcript import Transcript, current
from durablenb.engine.work import call, invoke
from durablenb.model.failures import failure_of
from durablenb.model.logs import Said
from durablenb.model.payloads import Codec
from durablenb.ports.executor import Job, Outcome

PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from durablenb.engine.processes import serve; serve()"
)
"""What a process begins with. It doesn't run the notebook or script again: functions travel by value."""

TRIES = 3
"""How often a process is started before that counts as impossible: an interrupt may hit it meanwhile."""


class FuturesExecutor:
    """Any ``concurrent.futures.Executor``: a pool of threads or processes, loky's, Dask's ``get_executor()``.

    Parameters
    ----------
    pool
        Where the functions run; to other processes they travel by value, so those of a notebook can.
    """

    def __init__(self, pool: concurrent.futures.Executor) -> None:
        self._pool = pool
        self._is_near = isinstance(pool, concurrent.futures.ThreadPoolExecutor)
        self._given: set[concurrent.futures.Future[Any]] = set()
        self._is_dropping = False

    def submit(self, job: Job) -> None:
        """Takes a job."""
        if not job.begin():
            return
        try:
            given: concurrent.futures.Future[Any]
            if self._is_near:
                given = self._pool.submit(invoke, job)
            else:
                given = self._pool.submit(call_pickled, *_parcel(job))
        except BaseException as error:
            job.finish(job.codec.failure(error))
            return
        self._given.add(given)
        given.add_done_callback(lambda done: self._ended(job, done))

    def drop_queued(self) -> None:
        """Cancels what the pool has not begun."""
        self._is_dropping = True
        for given in list(self._given):
            given.cancel()

    def close(self, *, wait: bool) -> None:
        """Does nothing: the pool is its owner's."""

    def _ended(self, job: Job, done: concurrent.futures.Future[Any]) -> None:
        self._given.discard(done)
        if self._is_dropping and done.cancelled():
            job.finish(None)
            return
        try:
            outcome = done.result()
            if not self._is_near:
                outcome, told = outcome
                for said in told:
                    job.output.take(said)
        except BaseException as error:
            outcome = job.codec.failure(error)
        job.finish(outcome, type(self._pool).__name__)


class ProcessExecutor(ThreadExecutor):
    """Processes of this machine, started as jobs come; one that dies fails the job it had, no other.

    Parameters
    ----------
    size
        Processes; without a number, one a processor.
    """

    def __init__(self, size: int | None = None) -> None:
        super().__init__(size or _processors())
        self._processes = threading.local()
        self._living: set[Process] = set()

    def close(self, *, wait: bool) -> None:
        """Ends the processes; without `wait` in the middle of what they do."""
        if not wait:
            for process in list(self._living):
                process.kill()
        super().close(wait=wait)

    def _run(self) -> None:
        super()._run()
        process = getattr(self._processes, "own", None)
        if process is not None:
            process.end()
            self._living.discard(process)

    def _outcome(self, job: Job) -> Outcome:
        try:
            parcel = pickle.dumps(_parcel(job))
            process = getattr(self._processes, "own", None)
            if process is None or not process.take(parcel):
                self._living.discard(process)
                process = self._processes.own = _started()
                self._living.add(process)
                process.take(parcel)
            return process.outcome(lambda said: job.output.take(said))
        except BaseException as error:
            return job.codec.failure(error)

    @property
    def _worker(self) -> str:
        process = getattr(self._processes, "own", None)
        return "process" if process is None else f"process-{process.pid}"


class Process:
    """A process that runs what it is sent, one after another.

    Raises
    ------
    EOFError
        If it dies before it is ready.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        if not self.take(pickle.dumps(sys.path)) or self._answer() is None:
            self.kill()
            self.end()
            raise EOFError(
                f"The process that was started for activities, {sys.executable}, ended at once: "
                f"{cause_of(self._process.returncode)}."
            )

    def take(self, parcel: bytes) -> bool:
        """Sends it a job; answers whether it lives to take it."""
        try:
            self._to.write(parcel)
            self._to.flush()
        except (OSError, ValueError):  # it died, or was found dead before
            self.end()
            return False
        return True

    def outcome(self, hear: Callable[[Said], None]) -> Outcome:
        """What came of the job; `hear` gets each line that it prints."""
        while isinstance(outcome := self._answer(), Said):
            hear(outcome)
        if outcome is None:
            self.end()
            died = ChildProcessError(
                f"The process in which the activity ran died: {cause_of(self._process.returncode)}. "
                "Other activities are unharmed."
            )
            return failure_of(died)
        return outcome

    def end(self) -> None:
        """Waits until it has ended."""
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    def kill(self) -> None:
        """Ends it in the middle of what it does."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def _answer(self) -> Outcome | Said | None:
        try:
            answer: Outcome | Said = pickle.load(self._from)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        return answer


def _started() -> Process:
    for _ in range(TRIES - 1):
        with contextlib.suppress(EOFError):
            return Process()
    return Process()


def serve() -> None:
    """Runs what comes in on the standard input, in the other process, until that is closed."""
    # The notebook's interrupt reaches its children, too; what they do isn't what is interrupted.
    signal.signal(signal.SIGINT, lambda *_: None)
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what libraries print past Python must not get among the replies
    turn = threading.RLock()

    def send(answer: Outcome | Said) -> None:
        message = pickle.dumps(answer)
        with turn:
            replies.write(message)
            replies.flush()

    def tell(said: Said) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more
            send(said)

    with contextlib.suppress(BrokenPipeError, EOFError, KeyboardInterrupt):
        send("ready")
        while True:
            send(_call_heard(tell, *pickle.load(requests)))


def call_pickled(data: bytes, text: str, takes_input: bool, codec: Codec) -> tuple[Outcome, list[Said]]:
    """The outcome of a job, in another process than that of the hub, and what it printed."""
    told: list[Said] = []
    return _call_heard(told.append, data, text, takes_input, codec), told


def _call_heard(
    keep: Callable[[Said], None], data: bytes, text: str, takes_input: bool, codec: Codec
) -> Outcome:
    transcript = Transcript(keep)
    taps.install()
    token = taps.enter(transcript)
    try:
        return call(_unpickled(data), text, takes_input, codec)
    except BaseException as error:
        return codec.failure(error)
    finally:
        current.reset(token)
        transcript.close()
        taps.remove()


def _parcel(job: Job) -> tuple[bytes, str, bool, Codec]:
    """A job as it travels, with all that its input refers to; the function with its globals of now."""
    import cloudpickle

    return cloudpickle.dumps(job.function), job.codec.gathered(job.text), job.takes_input, job.codec


@lru_cache(maxsize=256)
def _unpickled(data: bytes) -> Any:
    return pickle.loads(data)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cause_of(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"it ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it was ended by signal {-code}"
