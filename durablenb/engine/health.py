"""The health of a hub: its threads, its requests and its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from durablenb.model.display import Card, Displayed
from durablenb.model.plain import Plain, plain

LONG_WAIT_SECONDS = 10.0
"""A request that waits longer than this is a problem."""

ThreadState = Literal["running", "ended", "none"]


@plain
class Health(Plain, Displayed):
    """The state of a hub's threads, requests and file, as `TaskHub.health` gives it.

    Parameters
    ----------
    problems
        The problems, each with what to do; empty if all is well.
    engine, committer
        The thread that runs orchestrators and the thread that writes the journal: ``"running"``,
        ``"ended"``, or ``"none"`` for an engine whose work is done by the caller (``mode="kernel"``).
    open_instances
        The number of open instances.
    waiting_records
        The number of records that are not on disk yet.
    last_commit
        Seconds since the last commit; None if there was none since the hub was opened.
    oldest_request
        Seconds that the oldest unanswered request of a client has waited; None if there is none.
    mistakes
        The number of durablenb's own mistakes since the hub was opened.
    """

    problems: tuple[str, ...] = ()
    engine: ThreadState = "running"
    committer: ThreadState = "running"
    open_instances: int = 0
    waiting_records: int = 0
    last_commit: float | None = None
    oldest_request: float | None = None
    mistakes: int = 0

    @property
    def is_well(self) -> bool:
        """True if there are no problems."""
        return not self.problems

    def _shown(self) -> Card:
        rows = [("state", "well" if self.is_well else "; ".join(self.problems))]
        rows += [("engine", self.engine), ("committer", self.committer)]
        rows.append(("open instances", f"{self.open_instances:,}"))
        rows.append(("records to write", f"{self.waiting_records:,}"))
        if self.last_commit is not None:
            rows.append(("last commit", f"{self.last_commit:.1f} s ago"))
        if self.oldest_request is not None:
            rows.append(("oldest request", f"has waited {self.oldest_request:.1f} s"))
        if self.mistakes:
            rows.append(("mistakes", f"{self.mistakes}"))
        return Card(repr(self), "Health", tuple(rows))

    def __repr__(self) -> str:
        return f"<health of a hub: {'well' if self.is_well else '; '.join(self.problems)}>"


def problems(
    refusals: Sequence[Exception | None], oldest_request: float | None, *, is_threaded: bool
) -> tuple[str, ...]:
    """List the problems: each reason for refusing requests, and a request that waits for long."""
    texts = [str(refusal) for refusal in refusals if refusal is not None]
    if oldest_request is not None and oldest_request > LONG_WAIT_SECONDS and is_threaded and not texts:
        texts.append(
            f"A request has waited for {oldest_request:.0f} s: an orchestrator's code, or an inline "
            "activity, takes long. Put long work into an activity that runs on a thread or in a process."
        )
    return tuple(dict.fromkeys(texts))
