"""Processes that may be killed: each is forked from one that has imported durablenb already."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.faults.bank_worker", "tests.faults.poison_worker"])

Say = Callable[[Any], None]
"""Sends a message to the test."""


class Life:
    """A process that calls a function with `say` and further arguments.

    Parameters
    ----------
    function
        The function, which the process imports by its module and name.
    given
        The other arguments.
    """

    def __init__(self, function: Callable[..., None], *given: Any) -> None:
        self._said, theirs = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_live, args=(theirs, function, given), daemon=True)
        self._process.start()
        theirs.close()

    def heard(self, seconds: float = 90) -> Any:
        """Return its next message; None once it has ended."""
        try:
            return self._said.recv() if self._said.poll(seconds) else None
        except EOFError:
            return None

    def ended(self, seconds: float = 90) -> int | None:
        """Wait until it has ended, and return its exit code; None if it goes on for longer."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> None:
        """Kill it by SIGKILL."""
        self._process.kill()
        self._process.join()


def _live(theirs: Connection, function: Callable[..., None], given: tuple[Any, ...]) -> None:
    try:
        function(theirs.send, *given)
    except BaseException:
        theirs.send(traceback.format_exc())
        raise
