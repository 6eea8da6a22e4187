"""Clocks of other machines: how much they differ from the hub's."""

from __future__ import annotations

import platform
from collections.abc import Callable
from time import monotonic, time

GOOD_SECONDS = 600.0
"""Seconds after which a clock is compared again."""


class MachineClocks:
    """Differences between the clocks of machines and the one of this machine.

    Examples
    --------
    >>> from time import time
    >>> clocks = MachineClocks()
    >>> clocks.measure("node7", lambda: time() + 60)
    >>> round(clocks.ago(time() + 58, "node7"))
    2
    """

    def __init__(self) -> None:
        self._own = platform.node()
        self._offsets: dict[str, tuple[float, float]] = {}

    def needs(self, node: str) -> bool:
        """Return True if the clock of a machine isn't known, or not well any more."""
        known = self._offsets.get(node)
        return node != self._own and (known is None or monotonic() - known[1] > GOOD_SECONDS)

    def measure(self, node: str, ask: Callable[[], float]) -> None:
        """Compare the clock of a machine, which `ask` returns, with the one of this machine."""
        before = time()
        theirs = ask()
        self._offsets[node] = theirs - (before + time()) / 2, monotonic()

    def ago(self, moment: float, node: str) -> float:
        """Return how many seconds ago a moment was by the clock of a machine; 0 if that isn't known."""
        offset = 0.0 if node == self._own else self._offsets.get(node, (None, 0.0))[0]
        return 0.0 if offset is None else max(time() + offset - moment, 0.0)
