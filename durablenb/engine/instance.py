"""An open instance, as the engine keeps it in memory."""

from __future__ import annotations

from typing import NamedTuple

from durablenb.core.execution import Execution
from durablenb.core.ports.store import OpenInstance
from durablenb.model.activities import EarlierTries
from durablenb.model.events import ExecutionStarted
from durablenb.model.status import OrchestrationRuntimeStatus

CodeKey = tuple[str, str | None]
"""An orchestrator's name and version."""


class InstanceOutcome(NamedTuple):
    """How an instance ended: the result, the failure, or the reason why it was ended, as text."""

    name: str
    status: OrchestrationRuntimeStatus
    text: str


class Instance:
    """State of an open instance that the engine needs to take messages for it without its history.

    Parameters
    ----------
    instance_id, execution_id
        The ids of the instance and of its current execution.
    started
        The first event of the execution.
    """

    __slots__ = (
        "__weakref__",
        "execution",
        "execution_id",
        "has_begun",
        "held",
        "id",
        "is_closed",
        "is_dropped",
        "is_due",
        "is_late",
        "is_queued",
        "is_recovered",
        "is_suspect",
        "is_suspended",
        "missing",
        "next_event_id",
        "pending",
        "started",
        "tries",
    )

    def __init__(self, instance_id: str, execution_id: str, started: ExecutionStarted) -> None:
        self.id = instance_id
        self.execution_id = execution_id
        self.started = started
        self.next_event_id = 1
        self.execution: Execution | None = None
        """The live execution; None while the instance has to be replayed before it can resume."""
        self.pending: set[int] = set()
        """The ids of tasks that have no outcome yet."""
        self.tries: dict[str, EarlierTries] = {}
        """The state that earlier attempts of calls leave to the next one, by the call's key."""
        self.missing: set[str] = set()
        """Names of functions, types and globals that the instance waits for."""
        self.held: Exception | None = None
        """The reason why the instance doesn't run until the user acts."""
        self.has_begun = False
        self.is_closed = False
        self.is_dropped = False  # its calls that have not begun are not to be made
        self.is_due = True
        self.is_late = False  # queued in the backlog
        self.is_queued = False
        self.is_recovered = False
        self.is_suspect = False  # replaying it may be what ended the last process
        self.is_suspended = False

    @staticmethod
    def recovered(found: OpenInstance) -> Instance:
        """Return the instance for an open one found in the journal."""
        instance = Instance(found.instance_id, found.execution_id, found.started)
        instance.next_event_id = found.next_event_id
        instance.has_begun = found.has_begun
        instance.is_suspended = found.is_suspended
        instance.is_recovered = True
        instance.is_suspect = True
        return instance

    @property
    def code(self) -> CodeKey:
        """The name and version of its orchestrator."""
        return self.started.name, self.started.version

    @property
    def name(self) -> str:
        """The orchestrator's name."""
        return self.started.name
