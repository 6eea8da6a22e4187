"""Requests: the closed set of things that an orchestrator can ask for; `core.records` makes facts of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from durablenb.model.failures import FailureDetails


@dataclass(frozen=True, slots=True)
class ScheduleTask:
    """Run an activity."""

    task_id: int
    name: str
    input: str
    attempt: int = 1
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class CreateSubOrchestration:
    """Start a child and wait for it. No `instance_id`: one is made from the execution's and the task's."""

    task_id: int
    name: str
    input: str
    instance_id: str
    version: str | None = None
    attempt: int = 1
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class CreateTimer:
    """Wake the orchestrator at `fire_at` or soon after."""

    task_id: int
    fire_at: datetime
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Give up waiting for a timer."""

    task_id: int


@dataclass(frozen=True, slots=True)
class SubscribeEvent:
    """Wait for an external event."""

    task_id: int
    name: str


@dataclass(frozen=True, slots=True)
class UnsubscribeEvent:
    """Give up waiting for an external event."""

    task_id: int


@dataclass(frozen=True, slots=True)
class SetCustomStatus:
    """Show this value as the custom status."""

    status: str


@dataclass(frozen=True, slots=True)
class CompleteExecution:
    """The orchestrator returned this."""

    result: str


@dataclass(frozen=True, slots=True)
class FailExecution:
    """The orchestrator raised this."""

    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class ContinueExecutionAsNew:
    """Begin a fresh execution with this input."""

    input: str


Action = (
    ScheduleTask
    | CreateSubOrchestration
    | CreateTimer
    | CancelTimer
    | SubscribeEvent
    | UnsubscribeEvent
    | SetCustomStatus
    | CompleteExecution
    | FailExecution
    | ContinueExecutionAsNew
)
