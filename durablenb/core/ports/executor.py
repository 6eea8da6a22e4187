"""The executor port: runs activities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from durablenb.core.ports.output import Output
from durablenb.model.activities import ActivityInfo, Report
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Codec

ActivityOutcome = str | FailureDetails
"""The outcome of an activity: its result as text, or its failure."""


class Job(Protocol):
    """One call of an activity."""

    @property
    def function(self) -> Callable[..., Any]:
        """The activity."""
        ...

    @property
    def takes_input(self) -> bool:
        """True if the activity has a parameter."""
        ...

    @property
    def text(self) -> str:
        """Its argument, as text."""
        ...

    @property
    def codec(self) -> Codec:
        """The codec of the argument and the result."""
        ...

    @property
    def info(self) -> ActivityInfo:
        """What the call knows of itself."""
        ...

    @property
    def output(self) -> Output:
        """The receiver of the call's output."""
        ...

    def report(self, report: Report) -> None:
        """Receive what the running call reports: a line of output, its progress, a checkpoint.

        From any thread; returns at once, and raises nothing.
        """
        ...

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the call is to stop although it has begun. From any thread."""
        ...

    @property
    def is_wanted(self) -> bool:
        """Tell whether the call is still needed. From any thread; once unneeded, it stays so."""
        ...

    def begin(self, worker: str | None = None) -> bool:
        """Announce the start of the call, and where it runs; returns False if it must not run any more."""
        ...

    def joined(self) -> None:
        """Note that the call was submitted by another process, whose code may have been another one."""
        ...

    def finish(self, outcome: ActivityOutcome | None, worker: str | None = None) -> None:
        """Report the outcome, None if the call did not run or was stopped, and where it ran.

        From any thread.
        """
        ...

    def decline(self, why: str) -> None:
        """Decline the call with a reason; it is kept for another executor. From any thread."""
        ...


class Executor(Protocol):
    """Runs jobs in any order: for each it calls `begin`, the function, then `finish`, once.

    A job that can't run is declined instead of finished, whether it has begun or not.
    """

    def submit(self, job: Job) -> None:
        """Accept a job; returns at once."""
        ...

    def cancel(self, job: Job) -> None:
        """Stop a job as far as this executor can, whether it has begun or not; returns at once.

        The job ends as others do, with a call of `finish` or `decline`. Its outcome is dropped.
        """
        ...

    def drop_unwanted(self) -> None:
        """Drop jobs that have not begun and aren't needed any more; returns at once.

        For each of them `begin`, which returns False, is called, or ``finish(None)``, or `decline`.
        """
        ...

    def close(self, *, wait: bool) -> None:
        """Accept no more jobs; with `wait`, wait for the running ones."""
        ...
