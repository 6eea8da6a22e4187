"""The clock port: what time it is, and how long to wait for another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Alarms(Protocol):
    """What else than orchestrations goes by a hub's clock: the timers of function apps."""

    def next_due(self) -> datetime | None:
        """When the next one is due; None if none is."""
        ...

    def settle(self) -> None:
        """Waits until all that is due by now has been done."""
        ...


class Clock(Protocol):
    """Time, as the engine sees it. All times are aware, UTC."""

    def now(self) -> datetime:
        """The time."""
        ...

    def seconds_until(self, moment: datetime) -> float | None:
        """How long to sleep before looking again, or None: only a call can bring the moment about."""
        ...

    @property
    def stopwatch(self) -> Callable[[], float]:
        """Gives seconds, of which differences mean something. It may be sent to another process."""
        ...

    @property
    def jumps(self) -> bool:
        """Whether it can jump by itself."""
        ...

    def jump_to(self, moment: datetime) -> bool:
        """Makes it that time, if this clock can jump by itself; answers whether it did."""
        ...

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Calls this whenever the time was changed by a call."""
        ...

    def new_id(self) -> str:
        """A fresh instance id: random, or the next of a fixed series where time is made up too."""
        ...
