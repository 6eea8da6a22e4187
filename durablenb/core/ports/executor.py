"""The executor port: runs activities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from durablenb.core.ports.output import Output
from durablenb.model.activities import ActivityInfo, Report
from durablenb.model.events import Event
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
    def hub_id(self) -> str:
        """The id of the hub."""
        ...

    @property
    def info(self) -> ActivityInfo:
        """The context of the call."""
        ...

    @property
    def must_report(self) -> bool:
        """True if the call counts as lost unless its reports come while it runs."""
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

    def history(self) -> list[Event]:
        """Return the events of the instance's last execution that are in the journal. From any thread."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """Tell whether the call is to stop although it has begun. From any thread."""
        ...

    @property
    def is_wanted(self) -> bool:
        """Tell whether the call is still needed. From any thread; once unneeded, it stays so."""
        ...

    def begin(self, worker: str | None = None, *, ago: float = 0.0, attempt: int | None = None) -> bool:
        """Announce the start of a try; returns False if the call must not run any more, nor `finish` follow.

        Parameters
        ----------
        worker
            Where it runs.
        ago
            How many seconds before now it started.
        attempt
            The number of the try; None for the next one.
        """
        ...

    def joined(self) -> None:
        """Note that the call was submitted by another process, whose code may have been another one."""
        ...

    def finish(
        self,
        outcome: ActivityOutcome | None,
        worker: str | None = None,
        *,
        took: float | None = None,
        ago: float = 0.0,
        on_disk: Callable[[], None] | None = None,
    ) -> None:
        """Report the outcome, None if the call did not run or was stopped, and where it ran; from any thread.

        Parameters
        ----------
        outcome, worker
            The outcome, and the name of the thread, process or machine that ran the call.
        took
            How many seconds the call ran; None if it ran from `begin` until now.
        ago
            How many seconds before now it ended.
        on_disk
            Called once the outcome is in the journal or is dropped, on any thread; it must return at once.
        """
        ...

    def decline(self, why: str) -> None:
        """Decline the call with a reason; it is kept for another executor. From any thread."""
        ...


class Executor(Protocol):
    """Runs jobs in any order: for each it calls `begin`, the function, then `finish`, once.

    A job that can't run is declined instead of finished, whether it has begun or not. Where the function runs
    elsewhere, `begin` may come late, or not at all: `finish` then says how long the call `took`.
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


class ExecutorSource(Protocol):
    """An object that a user gives as an executor, from which each hub gets one of its own."""

    def open_executor(self) -> Executor:
        """Return the executor of one hub, which closes it."""
        ...
