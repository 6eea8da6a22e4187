"""What the explorer sees of an instance, whether it runs or is only read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from durablenb.analysis.instance.waits import Obstacle
from durablenb.analysis.replays.executions import TextOf
from durablenb.analysis.replays.replay import Replay
from durablenb.core.ports.store import Record
from durablenb.model.events import Event
from durablenb.model.status import DurableOrchestrationStatus


class Explored(Protocol):
    """An instance as its user holds it."""

    id: str

    def status(self) -> DurableOrchestrationStatus:
        """Where it stands."""
        ...


@dataclass(frozen=True)
class ExplorerSight:
    """An instance, as the explorer has it.

    Parameters
    ----------
    instance
        What its user holds.
    records
        Its events after a place in the journal.
    replay
        Lets the code go through an execution's events; the execution's id comes first.
    code
        The function that `replay` runs; None while it is missing.
    source
        Gives the text of a source, if the journal has it.
    now
        The time.
    obstacle
        What stands in its way, if something does.
    """

    instance: Explored
    records: Callable[[int], Sequence[Record]]
    replay: Callable[[str, Sequence[Event]], Replay]
    code: Callable[[], object]
    source: TextOf
    now: Callable[[], datetime]
    obstacle: Callable[[], Obstacle] = Obstacle
