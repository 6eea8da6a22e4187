"""A virtual clock that may interrupt whoever looks at it."""

from typing import Any

from durablenb.engine.clocks import VirtualClock
from tests.simulation.orchestrators import fate


class SimulatedClock(VirtualClock):
    """A virtual clock that may interrupt whoever looks at it."""

    interrupt_in = 0
    stopwatch = property(lambda _: fate.stopwatch)
    latest: Any = None
    """The latest time that it has shown."""

    def now(self) -> Any:
        if self.interrupt_in:
            self.interrupt_in -= 1
            if not self.interrupt_in:
                raise KeyboardInterrupt
        now = super().now()
        self.latest = now if self.latest is None else max(self.latest, now)
        return now
