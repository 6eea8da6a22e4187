"""A worker's process, as its parent holds it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from durablenb.model.errors import DurableError

PATIENCE = 60.0
"""Seconds after which a worker that gets nowhere is given up."""

_LOOK = 0.01


class Process:
    """A worker, started; it is killed at the end of the ``with`` if it hasn't ended by then.

    Parameters
    ----------
    folder
        Where the hub lies.
    file
        The data.
    """

    def __init__(self, folder: Path, file: str) -> None:
        command = [sys.executable, "-m", "durablenb.demo.worker", str(folder), file]
        self._complaints = folder / "complaints.txt"
        with self._complaints.open("w", encoding="utf-8") as complaints:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints, text=True
            )

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so.

        Raises
        ------
        DurableError
            If the worker ends before, or it takes too long.
        """
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if self._process.poll() is not None:
                raise DurableError(f"The worker ended too early: {self._last_words()}")
            if time.monotonic() > deadline:
                raise DurableError(f"The worker got nowhere in {PATIENCE:.0f} s: {self._last_words()}")
            time.sleep(_LOOK)

    def kill(self) -> None:
        """End it without a word to it: SIGKILL, or TerminateProcess on Windows."""
        self._process.kill()
        self._process.wait()

    def answer(self, text: str) -> None:
        """Give it the line it waits for, and wait for its end.

        Raises
        ------
        DurableError
            If it doesn't end well.
        """
        try:
            self._process.communicate(f"{text}\n", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise DurableError(f"The worker didn't end in {PATIENCE:.0f} s: {self._last_words()}") from None
        if self._process.returncode:
            raise DurableError(f"The worker failed: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._complaints.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "it left no word."

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
