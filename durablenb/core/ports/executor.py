"""The executor port: somewhere that an activity can run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from durablenb.core.ports.output import Output
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Codec

Outcome = str | FailureDetails
"""What became of an activity: its result as text, or its failure."""


class Job(Protocol):
    """One call of an activity."""

    @property
    def function(self) -> Callable[..., Any]:
        """The activity."""
        ...

    @property
    def takes_input(self) -> bool:
        """Whether the activity has a parameter."""
        ...

    @property
    def text(self) -> str:
        """Its argument, as text."""
        ...

    @property
    def codec(self) -> Codec:
        """How text becomes values."""
        ...

    @property
    def output(self) -> Output:
        """Where what it prints goes."""
        ...

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be done. From any thread; what isn't wanted now never is again."""
        ...

    def begin(self) -> bool:
        """Says that it starts now; false if nobody wants it any more: then don't run it."""
        ...

    def finish(self, outcome: Outcome | None, worker: str | None = None) -> None:
        """Says what became of it, None if it was not run after all, and where it ran; from any thread."""
        ...

    def decline(self, why: str) -> None:
        """Says that it can't be run here, and why: it is kept for another executor. From any thread."""
        ...


class Executor(Protocol):
    """Runs jobs: calls `begin`, the function, then `finish`, each once, in an order of its own.

    A job that can't be run is declined in place of being finished, whether it has begun or not.
    """

    def submit(self, job: Job) -> None:
        """Takes a job; returns at once."""
        ...

    def drop_unwanted(self) -> None:
        """Lets go of jobs that have not begun and aren't wanted any more; returns at once.

        For each of them `begin`, which says no, is called, or ``finish(None)``, or `decline`.
        """
        ...

    def close(self, *, wait: bool) -> None:
        """Takes no more jobs; with `wait` those that run are waited for."""
        ...
