"""Timer triggers: calls functions on their schedules, by the hub's clock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from durablenb.azure.schedules import Schedule
from durablenb.core.ports.clock import Clock
from durablenb.engine.locks import Condition

log = logging.getLogger("durablenb")

LATE = timedelta(seconds=1)
"""The delay after which a call is past due."""

LONGEST_SLEEP = 60.0
"""Seconds after which the clock is read again, in case it was set."""


class Due(NamedTuple):
    """The times of a call of a timer's function."""

    last: datetime | None
    """The previous due time."""
    next: datetime
    """The next due time."""
    is_late: bool
    """True if the call is past due."""


Fire = Callable[[Due], "Future[Any]"]
"""Starts a call."""


@dataclass
class _Timer:
    name: str
    schedule: Schedule
    fire: Fire
    due: datetime
    last: datetime | None = None
    is_running: bool = False


class TimerFunctions:
    """The timers of a hub.

    A timer whose function is still running isn't fired again, and due times meanwhile are skipped: its next
    due time is the first one after the function's end. No due time fires twice, even if the clock is set
    back.

    Parameters
    ----------
    clock
        The hub's clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._timers: dict[str, _Timer] = {}
        self._changed = Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False
        clock.subscribe(self._wake)

    def add(self, name: str, schedule: Schedule, fire: Fire, *, at_once: bool) -> None:
        """Add a timer, in place of one of the same name; with `at_once`, a new one also fires now."""
        now = self._clock.now()
        with self._changed:
            if self._is_closed:
                return
            before = self._timers.get(name)
            added = _Timer(name, schedule, fire, schedule.next_after(now))
            if before is not None:
                added.last, added.is_running = before.last, before.is_running
            self._timers[name] = added
            if at_once and before is None:
                self._fire(added, now, now)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="durablenb-timers", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def next_due(self) -> datetime | None:
        """Return the next due time of all timers, or None."""
        with self._changed:
            return min((timer.due for timer in self._timers.values() if not timer.is_running), default=None)

    def settle(self) -> None:
        """Wait until all calls that are due by now have ended."""
        with self._changed:
            while not self._is_closed and (self._due(self._clock.now()) or self._are_running()):
                self._changed.wait(0.2)  # wakes up, so that an interrupt is noticed

    def close(self) -> None:
        """End the timers; running functions continue."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._is_closed:
                now = self._clock.now()
                for timer in self._due(now):
                    self._fire(timer, timer.due, now)
                self._changed.wait(self._seconds())

    def _due(self, now: datetime) -> list[_Timer]:
        due = [timer for timer in self._timers.values() if timer.due <= now and not timer.is_running]
        return sorted(due, key=lambda timer: timer.due)

    def _are_running(self) -> bool:
        return any(timer.is_running for timer in self._timers.values())

    def _seconds(self) -> float | None:
        """Return how long to wait, or None to wait until the clock is moved."""
        due = self.next_due()
        seconds = None if due is None else self._clock.seconds_until(due)
        return None if seconds is None else min(seconds, LONGEST_SLEEP)

    def _fire(self, timer: _Timer, due: datetime, now: datetime) -> None:
        last, timer.last, timer.is_running = timer.last, due, True
        upcoming = timer.schedule.next_after(max(due, now))
        try:
            future = timer.fire(Due(last, upcoming, now - due > LATE))
        except RuntimeError:  # the hub is being closed
            self._is_closed = True
            return
        future.add_done_callback(lambda future: self._ended(timer, due, future))

    def _ended(self, timer: _Timer, due: datetime, future: Future[Any]) -> None:
        log_failure(timer.name, future)
        with self._changed:
            current = self._timers[timer.name]
            current.is_running = False
            current.due = current.schedule.next_after(max(due, self._clock.now()))
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def log_failure(name: str, future: Future[Any]) -> None:
    """Log the exception of a function whose result no code awaits."""
    error = None if future.cancelled() else future.exception()
    if error is not None:
        log.error("The function %s failed", name, exc_info=error)
