"""The other side of the process that answers queries: it is started, asked, and killed."""

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
from durablenb.engine.processes import cause_of

PROGRAM = (
    "import json, sys; settings = json.loads(sys.stdin.buffer.readline()); "
    "sys.path[:] = settings.pop('path'); "
    "from durablenb.analysis.sandbox.program import serve; serve(**settings)"
)
"""What the process begins with. It doesn't run the notebook or script again."""


GREETING_SECONDS = 10.0
"""Within which a process that has nothing to do has to answer."""


class QueryTimeoutError(Exception):
    """The process did not answer in time, and was killed."""


class ProcessDiedError(Exception):
    """The process ended by itself.

    Parameters
    ----------
    cause
        How.
    was_memory
        Whether it had taken too much memory.
    """

    def __init__(self, cause: str, was_memory: bool) -> None:
        super().__init__(cause)
        self.cause = cause
        self.was_memory = was_memory


class QueryProcess:
    """A process that has a copy of the journal, and answers queries from it.

    Parameters
    ----------
    folder
        What it may read and write: the copy is there, also when another process had made it.
    memory, spill
        As for `durablenb.analysis.sandbox.program.serve`.

    Raises
    ------
    DiedError
        If it can't be started.

    Notes
    -----
    What it sends is JSON and goes to whoever asked; nothing of it is looked at here but refusals.
    """

    def __init__(self, folder: Path, memory: int, spill: int) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl+C isn't meant for it
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
        """Its number."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it goes on; one that was killed, or died, since it answered last doesn't."""
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
        """Send it a message, and return what it answers.

        Raises
        ------
        OverrunError
            If it has not answered after so many seconds.
        DiedError
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
            raise ProcessDiedError(cause_of(code), code == limits.TOO_MUCH) from None
        finally:
            watch.cancel()

    def _overrun(self) -> None:
        self._is_overrun = True
        self.kill()

    def kill(self) -> None:
        """End it in the middle of what it does."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self) -> None:
        """Wait until it has ended: it does once nothing can come any more."""
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
