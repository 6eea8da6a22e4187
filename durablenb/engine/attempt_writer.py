"""Tries of activities on their way to the store: when they began, where they run, and what they report."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from durablenb.core.ports.store import Store
from durablenb.engine import locks
from durablenb.engine.side_writer import SideWriter
from durablenb.model.activities import ActivityAttempt, EarlierTries
from durablenb.model.payloads import disclosed
from durablenb.model.runtime import RunningCall

log = logging.getLogger("durablenb")

PAUSE_SECONDS = 0.2
"""Seconds between two writes: a call that reports often is written a few times a second."""

SHORT_SECONDS = 0.1
"""A call that ends sooner isn't written at all, unless it reports something or was interrupted before."""


MOST_SHOWN = 100
"""The largest number of running calls of an instance that views get."""


class Try(Protocol):
    """A try of a call, of which the writer knows what to write."""

    name: str
    """The activity's name."""
    execution_id: str
    """The execution of the instance."""
    task_id: int
    """The task."""
    is_muted: bool
    """True if nothing more of it is written: its instance is purged."""

    @property
    def instance_id(self) -> str:
        """The instance."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """True if the result isn't needed any more."""
        ...

    @property
    def has_tries(self) -> bool:
        """True if a try before was interrupted, or this one leaves something to the next."""
        ...

    @property
    def streamed(self) -> str | None:
        """The last characters of its stream; None if there are none."""
        ...

    def row(self) -> ActivityAttempt:
        """Return the try as it is now."""
        ...


class AttemptWriter(SideWriter):
    """Gathers the tries of a hub's calls; writes those that last, report something, or follow another one.

    Parameters
    ----------
    store
        Where they go.
    nudge
        Tells the committer that there is something to write.

    Notes
    -----
    The next try learns from these rows that this one was interrupted, and gets its checkpoint. If they can't
    be written, it learns nothing, and there is one warning.
    """

    def __init__(self, store: Store, nudge: Callable[[], None]) -> None:
        super().__init__(nudge)
        self._store = store
        self._begun: dict[Try, float] = {}
        """The running tries of which nothing was written yet, by the time when they began, oldest first."""
        self._lasting: dict[Try, None] = {}
        """The other running tries."""
        self._changed: dict[Try, None] = {}
        """The tries that are to be written."""
        self._has_warned = False

    def begun(self, attempt: Try) -> None:
        """Watch a try that begins; from any thread."""
        self._begun[attempt] = locks.monotonic()
        if attempt.has_tries:  # otherwise the row of the try before would stay the last one
            self.reported(attempt)
        self._remind()

    def reported(self, attempt: Try) -> None:
        """Have a try written soon that has reported something; from any thread."""
        if not self._is_closed:
            self._changed[attempt] = None
            self._remind()

    def ended(self, attempt: Try) -> None:
        """Stop watching a try; what it has reported is still written. From any thread."""
        self._begun.pop(attempt, None)
        self._lasting.pop(attempt, None)

    def flush(self, can_wait: Callable[[], bool]) -> None:
        """Wait until the reports that are there now are on disk, while `can_wait` allows that."""
        if self._changed or self._is_writing:  # calls that have only begun have nothing to write
            super().flush(can_wait)

    def rows(self) -> list[ActivityAttempt]:
        """Return the running tries, and those of which something is still to be written."""
        tries = {**self._begun, **dict(self._lasting), **dict(self._changed)}
        return [attempt.row() for attempt in tries]

    def earlier_tries(self, instance_ids: Iterable[str]) -> dict[str, dict[str, EarlierTries]]:
        """Return what the known tries leave to the next ones, by execution and by the key of the call."""
        found: dict[str, dict[str, EarlierTries]] = {}
        attempts = [*self._store.attempts(list(instance_ids)), *self.rows()]
        for attempt in sorted(attempts, key=lambda attempt: attempt.attempt):
            checkpoint = None if attempt.checkpoint is None else disclosed(attempt.checkpoint)
            tries = EarlierTries(attempt.attempt, attempt.attempt - attempt.retry, checkpoint)
            found.setdefault(attempt.execution_id, {})[attempt.key] = tries
        return found

    def running(self, instance_id: str) -> tuple[RunningCall, ...]:
        """Return the running calls of an instance that have lasted, or have reported something."""
        tries = {**dict(self._lasting), **dict(self._changed)}
        calls = [
            RunningCall(
                attempt.name,
                row.execution_id,
                row.task_id,
                row.attempt,
                row.started_at,
                row.worker,
                row.done,
                row.total,
                row.note,
                attempt.streamed,
            )
            for attempt in tries
            if attempt.instance_id == instance_id and self._is_running(attempt)
            for row in [attempt.row()]
        ]
        return tuple(sorted(calls, key=lambda call: (call.started_at, call.task_id))[:MOST_SHOWN])

    def running_ids(self, instance_id: str) -> frozenset[int]:
        """Return the task ids of all calls of an instance that run, even if they have only just begun."""
        tries = [*list(self._begun), *list(self._lasting)]
        return frozenset(
            attempt.task_id
            for attempt in tries
            if attempt.instance_id == instance_id and not attempt.is_cancelled
        )

    def _is_running(self, attempt: Try) -> bool:
        return attempt in self._begun or attempt in self._lasting

    def forget(self, instance_ids: Sequence[str], execution_ids: Sequence[str]) -> None:
        """Write nothing more of the tries of what is about to be purged."""
        instances, executions = set(instance_ids), set(execution_ids)
        for attempt in [*list(self._begun), *list(self._lasting), *list(self._changed)]:
            if attempt.instance_id in instances or attempt.execution_id in executions:
                attempt.is_muted = True

    @property
    def _pause(self) -> float:
        return PAUSE_SECONDS

    @property
    def _has_waiting(self) -> bool:
        return bool(self._begun or self._changed)

    def _write_waiting(self) -> None:
        until = locks.monotonic() - SHORT_SECONDS
        for attempt, begun_at in list(self._begun.items()):
            if begun_at > until:
                break
            if self._has_lasted(attempt):
                self._changed[attempt] = None
        for attempt in list(self._changed):  # seen as running once it has reported something, without a gap
            if attempt in self._begun:
                self._has_lasted(attempt)
        rows = []
        while self._changed:
            attempt, _ = self._changed.popitem()
            if not attempt.is_muted:
                rows.append(attempt.row())
        if rows:
            self._put(rows)

    def _has_lasted(self, attempt: Try) -> bool:
        """Take a try among those that last; return False if it has just ended."""
        self._lasting[attempt] = None
        if self._begun.pop(attempt, None) is None:
            self._lasting.pop(attempt, None)
            return False
        return True

    def _put(self, rows: Sequence[ActivityAttempt]) -> None:
        try:
            self._store.put_attempts(rows)
        except Exception as error:
            if not self._has_warned:
                self._has_warned = True
                log.warning("Progress and checkpoints of activities can't be written: %s", error)
