"""The clock port: the current time, and how long to wait for another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Alarms(Protocol):
    """Users of a hub's clock besides orchestrations: the timers of function apps."""

    def next_due(self) -> datetime | None:
        """Return the next due time, or None."""
        ...

    def settle(self) -> None:
        """Wait until all calls that are due by now have ended."""
        ...


class Clock(Protocol):
    """The engine's time. All times are aware, UTC."""

    def now(self) -> datetime:
        """Return the current time."""
        ...

    def seconds_until(self, moment: datetime) -> float | None:
        """Return the seconds to sleep before checking again, or None if only a call can advance the clock."""
        ...

    @property
    def stopwatch(self) -> Callable[[], float]:
        """A function whose results differ by elapsed seconds. It may be sent to another process."""
        ...

    @property
    def jumps(self) -> bool:
        """True if the clock can jump by itself."""
        ...

    def jump_to(self, moment: datetime) -> bool:
        """Set the clock to a time, if it can jump by itself; return whether it did."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Register a function that is called whenever a call has changed the time."""
        ...

    def new_id(self) -> str:
        """Return a new instance id: random, or the next of a fixed series if time is virtual."""
        ...
