"""A virtual clock that may interrupt whoever looks at it."""

from typing import Any

from durablenb.engine.clocks import VirtualClock


class SimulatedClock(VirtualClock):
    """A virtual clock that may interrupt whoever looks at it."""

    interrupt_in = 0

    def now(self) -> Any:
        if self.interrupt_in:
            self.interrupt_in -= 1
            if not self.interrupt_in:
                raise KeyboardInterrupt
        return super().now()
