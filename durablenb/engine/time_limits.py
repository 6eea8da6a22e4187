"""The limits of a running call: how long it may take, and how long it may be silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

_CLOCK_STEP = 1e-6
"""Seconds between two times of a clock; a difference of floats may be that much too small."""


class TimeLimits:
    """How long a call may run, and how long without a sign of life.

    Parameters
    ----------
    timeout, heartbeat_timeout
        The limits in seconds; None for none.
    stopwatch
        Seconds that don't pass while the machine is suspended: a call isn't silent then.
    """

    __slots__ = ("_heard_at", "_stopwatch", "heartbeat_timeout", "timeout")

    def __init__(
        self, timeout: float | None, heartbeat_timeout: float | None, stopwatch: Callable[[], float]
    ) -> None:
        self.timeout = timeout
        self.heartbeat_timeout = heartbeat_timeout
        self._stopwatch = stopwatch
        self._heard_at = 0.0
        self.heard()

    def heard(self) -> None:
        """Note a sign of life of the call, such as a report of progress; from any thread."""
        if self.heartbeat_timeout is not None:
            self._heard_at = self._stopwatch()

    def deadline(self, started_at: datetime) -> datetime | None:
        """Return when the call has run for too long; None for never."""
        return None if self.timeout is None else started_at + timedelta(seconds=self.timeout)

    def next_check(self, started_at: datetime, now: datetime) -> datetime:
        """Return the next time at which a limit may be exceeded."""
        checks = [self.deadline(started_at)]
        if self.heartbeat_timeout is not None:
            checks.append(now + timedelta(seconds=self.heartbeat_timeout - self._silence))
        return min(check for check in checks if check is not None)

    def excess(self, started_at: datetime, now: datetime) -> str | None:
        """Return which limit the call exceeds, as the end of a sentence; None if it exceeds none."""
        deadline = self.deadline(started_at)
        if deadline is not None and now >= deadline:
            return self.too_long
        if self.heartbeat_timeout is not None and self._silence >= self.heartbeat_timeout - _CLOCK_STEP:
            return (
                f"counts as lost: it has reported nothing for its heartbeat_timeout of "
                f"{self.heartbeat_timeout:g} s."
            )
        return None

    @property
    def too_long(self) -> str:
        """The end of a sentence on a call that ran for too long."""
        return f"ran for longer than its limit of {self.timeout:g} s."

    @property
    def _silence(self) -> float:
        return self._stopwatch() - self._heard_at
