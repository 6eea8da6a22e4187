"""What a live view sees of an instance, and what can be asked of it there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from durablenb.analysis.logs import Log
from durablenb.analysis.snapshot import ReadQueues
from durablenb.analysis.waits import Obstacle
from durablenb.core.ports.store import Record
from durablenb.model.status import DurableOrchestrationStatus

if TYPE_CHECKING:
    from durablenb.analysis.sql import Relation


class Instance(Protocol):
    """An instance as its user holds it."""

    id: str

    def status(self) -> DurableOrchestrationStatus:
        """Where it stands."""
        ...

    def raise_event(self, event_name: str, event_data: Any = None) -> None:
        """Send an external event."""
        ...

    def terminate(self, reason: str = "") -> None:
        """End it."""
        ...

    def suspend(self, reason: str = "") -> None:
        """Let it rest."""
        ...

    def resume(self, reason: str = "") -> None:
        """Let it go on."""
        ...

    def rewind(self, reason: str = "") -> None:
        """Do what failed once more."""
        ...

    def restart(self) -> Instance:
        """Start it once more."""
        ...

    def purge(self) -> int:
        """Delete it."""
        ...

    def logs(self, *, task_id: int | None = None) -> Log:
        """What it printed."""
        ...


class Clock(Protocol):
    """A hub's clock, which can be moved if it is a virtual one."""

    @property
    def can_be_moved(self) -> bool:
        """Whether it is virtual."""
        ...

    def now(self) -> datetime:
        """The time."""
        ...

    def next_due(self) -> datetime | None:
        """When the next thing is due."""
        ...

    def advance(self, **duration: float) -> None:
        """Move it."""
        ...

    def jump(self) -> datetime | None:
        """Move it to the next deadline."""
        ...

    def run_until_idle(self) -> timedelta:
        """Move it until nothing is due any more."""
        ...


@dataclass(frozen=True)
class Sight:
    """An instance, as a live view has it.

    Parameters
    ----------
    instance
        What its user holds.
    records
        Its events after a place in the journal.
    obstacle
        What stands in its way, if something does.
    forks
        The instances that were forked from it.
    clock
        The hub's.
    queues
        What entities have to do.
    ask
        Answers a query in SQL.
    other
        Gives the sight of another instance.
    trouble
        Tells what keeps news from coming; of a hub of this process nothing does.
    """

    instance: Instance
    records: Callable[[int], Sequence[Record]]
    obstacle: Callable[[], Obstacle]
    forks: Callable[[], tuple[str, ...]]
    clock: Clock
    queues: ReadQueues
    ask: Callable[[str], Relation]
    other: Callable[[str], Sight]
    trouble: Callable[[], str] = str
