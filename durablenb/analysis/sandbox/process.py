"""The parent's side of the process that answers queries: it starts, asks and kills the process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from durablenb.analysis.sandbox import frames, limits
from durablenb.engine.process_executor import exit_cause

PROGRAM = (
    "import json, sys; settings = json.loads(sys.stdin.buffer.readline()); "
    "sys.path[:] = settings.pop('path'); "
    "from durablenb.analysis.sandbox.program import serve; serve(**settings)"
)
"""The code that the process starts with. It doesn't import the notebook or script."""


GREETING_SECONDS = 10.0
"""The time limit for an idle process to answer."""


class QueryTimeoutError(Exception):
    """The process did not answer in time, and was killed."""


class ProcessDiedError(Exception):
    """The process ended by itself.

    Parameters
    ----------
    cause
        The cause as text.
    was_memory
        Whether it had used too much memory.
    """

    def __init__(self, cause: str, was_memory: bool) -> None:
        super().__init__(cause)
        self.cause = cause
        self.was_memory = was_memory


class QueryProcess:
    """A process that answers queries from a copy of the journal.

    Parameters
    ----------
    folder
        The only folder that it reads and writes. It has the copy, which an earlier process may have made.
    memory, spill
        As for `durablenb.analysis.sandbox.program.serve`.

    Raises
    ------
    ProcessDiedError
        If it can't be started.

    Notes
    -----
    Its answers are JSON, and are forwarded to the client. Only errors are read here.
    """

    def __init__(self, folder: Path, memory: int, spill: int) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl+C in a terminal must not interrupt it
            )
        except OSError as error:
            raise ProcessDiedError(f"{sys.executable} can't be started: {error}", False) from None
        self._to: BinaryIO = cast(BinaryIO, self._process.stdin)
        self._from: BinaryIO = cast(BinaryIO, self._process.stdout)
        self._settings = {
            "path": [*map(str, sys.path)],
            "folder": str(folder),
            "memory": memory,
            "spill": spill,
        }
        self._is_overrun = False

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process is alive: it may have been killed, or died, since its last answer."""
        try:
            self.ask(frames.GREET, None, GREETING_SECONDS)
        except (QueryTimeoutError, ProcessDiedError):
            return False
        return True

    def begin(self, seconds: float) -> None:
        """Wait until it is ready; see `ask`."""
        with self._within(seconds):
            self._to.write(json.dumps(self._settings).encode("ascii") + b"\n")
            self._to.flush()
            frames.receive(self._from)

    def ask(self, kind: bytes, body: Any, seconds: float) -> tuple[bytes, bytes]:
        """Send a message, and return the answer.

        Raises
        ------
        QueryTimeoutError
            If it has not answered after so many seconds.
        ProcessDiedError
            If it dies.
        """
        with self._within(seconds):
            frames.send(self._to, kind, json.dumps(body).encode("ascii"))
            return frames.receive(self._from)

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        watch = threading.Timer(seconds, self._overrun)
        watch.daemon = True
        watch.start()
        try:
            yield
        except (OSError, EOFError, ValueError):
            self.kill()
            self.end()
            if self._is_overrun:
                raise QueryTimeoutError from None
            code = self._process.returncode
            raise ProcessDiedError(exit_cause(code), code == limits.TOO_MUCH) from None
        finally:
            watch.cancel()

    def _overrun(self) -> None:
        self._is_overrun = True
        self.kill()

    def kill(self) -> None:
        """Kill the process."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Close the pipes, which lets the process end, and wait for its end."""
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
