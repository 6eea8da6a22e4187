"""Status: what a client sees of an instance."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from durablenb.model.display import Displayed
from durablenb.model.failures import FailureDetails


class OrchestrationRuntimeStatus(StrEnum):
    """Where an instance stands; the members' names and values are Azure's."""

    Running = "Running"
    Completed = "Completed"
    ContinuedAsNew = "ContinuedAsNew"
    Failed = "Failed"
    Canceled = "Canceled"
    Terminated = "Terminated"
    Pending = "Pending"
    Suspended = "Suspended"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more happens to an instance of this status by itself."""
        return self in _TERMINAL

    def __str__(self) -> str:
        return self.value


_TERMINAL = frozenset(
    {
        OrchestrationRuntimeStatus.Completed,
        OrchestrationRuntimeStatus.Failed,
        OrchestrationRuntimeStatus.Canceled,
        OrchestrationRuntimeStatus.Terminated,
    }
)


@dataclass(frozen=True)
class InstanceState:
    """An instance as it stands in the journal; payloads are still text."""

    instance_id: str
    execution_id: str
    name: str
    status: OrchestrationRuntimeStatus
    created_time: datetime
    last_updated_time: datetime
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    version: str | None = None
    parent_instance_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    generation: int = 0


@dataclass
class DurableOrchestrationStatus(Displayed):
    """What `get_status` answers; false where the hub has no such instance.

    Notes
    -----
    The attributes are those of ``azure.durable_functions``; `version`, `parent_instance_id`, `tags`,
    `scheduled_start_time` and `failure_details` come on top. `history` is filled where `show_history`
    asks for it.
    """

    name: str | None = None
    instance_id: str | None = None
    created_time: datetime | None = None
    last_updated_time: datetime | None = None
    input_: Any = None
    output: Any = None
    runtime_status: OrchestrationRuntimeStatus | None = None
    custom_status: Any = None
    history: list[dict[str, Any]] | None = None
    version: str | None = None
    parent_instance_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    failure_details: FailureDetails | None = None

    def __bool__(self) -> bool:
        return self.created_time is not None

    def __repr__(self) -> str:
        if not self:
            return "<no such instance>"
        return f"<{self.name} {self.instance_id}: {self.runtime_status}>"

    def to_json(self) -> dict[str, Any]:
        """The status as the HTTP API shows it; times are ISO 8601, UTC."""
        shown: dict[str, Any] = {
            "name": self.name,
            "instanceId": self.instance_id,
            "createdTime": _iso(self.created_time),
            "lastUpdatedTime": _iso(self.last_updated_time),
            "input": self.input_,
            "output": self.output,
            "runtimeStatus": str(self.runtime_status) if self.runtime_status else None,
            "customStatus": self.custom_status,
        }
        if self.history is not None:
            shown["historyEvents"] = self.history
        return shown


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class PurgeHistoryResult:
    """How many instances a purge deleted."""

    instances_deleted: int = 0
