"""The same as `host`, with durablenb."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import durablenb as df
from tests.against_azure.host import BEGIN, Ended, Raised
from tests.traps.lab import HandClock

HOP = 5.0
"""Minutes that pass at a time: nothing that an orchestrator here waits for is as short."""


class Here:
    """Plays orchestrations; every episode is replayed and compared."""

    def __init__(self) -> None:
        self.clock = HandClock(BEGIN)
        self.hub = df.TaskHub(":memory:", mode="kernel", clock=self.clock, verify_replay=True)

    def play(
        self,
        orchestrator: Callable[..., Any],
        raised: Iterable[Raised] = (),
        activities: Iterable[Callable[..., Any]] = (),
        given: Any = None,
    ) -> Ended:
        """How it ended, or that it waits for what never comes."""
        self.hub.add_orchestrator(orchestrator, "o")
        for function in activities:
            self.hub.add_activity(function)
        handle, begin = self.hub.start("o", given), self.clock.now()
        self.settle()
        for one in sorted(raised):
            while (left := begin + timedelta(minutes=one.minutes) - self.clock.now()) > timedelta():
                self.clock.advance(minutes=min(HOP, left / timedelta(minutes=1)))
                self.settle()
            if handle.status().runtime_status == "Running":
                handle.raise_event(one.name, one.data)
                self.settle()
        while self.hub.step() is not None:  # and time passes
            pass
        status = handle.status()
        if status.runtime_status == "Running":
            handle.terminate("")
        output = handle.failure.message if status.runtime_status == "Failed" else status.output
        return Ended(str(status.runtime_status), output)

    def settle(self) -> None:
        """All that can happen before time passes."""
        self.clock.is_held = True
        while self.hub.step() is not None:
            pass
        self.clock.is_held = False
