"""The source of an instance's live view: its data, its commands, its clock."""

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
    """The part of an instance that the live view calls."""

    id: str

    def status(self) -> DurableOrchestrationStatus:
        """Return its status."""
        ...

    def raise_event(self, event_name: str, event_data: Any = None) -> None:
        """Send an external event."""
        ...

    def terminate(self, reason: str = "") -> None:
        """Terminate it."""
        ...

    def suspend(self, reason: str = "") -> None:
        """Suspend it."""
        ...

    def resume(self, reason: str = "") -> None:
        """Resume it."""
        ...

    def rewind(self, reason: str = "") -> None:
        """Rewind it, to retry what failed."""
        ...

    def restart(self) -> Instance:
        """Start it again, and return the new instance."""
        ...

    def purge(self) -> int:
        """Purge it."""
        ...

    def logs(self, *, task_id: int | None = None) -> Log:
        """Return what it printed and logged."""
        ...


class Clock(Protocol):
    """A hub's clock; a virtual one can be moved."""

    @property
    def can_be_moved(self) -> bool:
        """Whether it is virtual."""
        ...

    def now(self) -> datetime:
        """Return the time."""
        ...

    def next_due(self) -> datetime | None:
        """Return the next deadline."""
        ...

    def advance(self, **duration: float) -> None:
        """Move it by a duration."""
        ...

    def jump(self) -> datetime | None:
        """Move it to the next deadline."""
        ...

    def run_until_idle(self) -> timedelta:
        """Move it until nothing is due."""
        ...


@dataclass(frozen=True)
class Sight:
    """The source of an instance's live view.

    Parameters
    ----------
    instance
        The user's object.
    records
        Returns its journal rows after a sequence number.
    obstacle
        Returns what blocks it, if anything does.
    forks
        Returns the ids of its forks.
    clock
        The hub's clock.
    queues
        Returns the queues of entities.
    ask
        Runs a query in SQL.
    other
        Returns the source of another instance's view.
    trouble
        Returns what keeps the view from being up to date; nothing does for a hub of this process.
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
