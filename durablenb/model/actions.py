"""Actions: the closed set of an orchestrator's requests; `core.requests` turns them into events."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from durablenb.model.failures import FailureDetails


class ScheduleTask(NamedTuple):
    """Run an activity, for `timeout` seconds at most, `heartbeat_timeout` of them without a sign of life."""

    task_id: int
    name: str
    input: str
    attempt: int = 1
    retry_of: int | None = None
    timeout: float | None = None
    priority: int = 0
    heartbeat_timeout: float | None = None


class CancelTask(NamedTuple):
    """Stop an activity, and don't wait for it."""

    task_id: int


class CreateSubOrchestration(NamedTuple):
    """Start a child and wait for it. `instance_id` defaults to ``<execution's id>:<task id>``."""

    task_id: int
    name: str
    input: str
    instance_id: str
    version: str | None = None
    attempt: int = 1
    retry_of: int | None = None


class CancelSubOrchestration(NamedTuple):
    """Request the cancellation of a child."""

    task_id: int
    instance_id: str
    reason: str


class CreateTimer(NamedTuple):
    """Wake the orchestrator at `fire_at` or soon after."""

    task_id: int
    fire_at: datetime
    retry_of: int | None = None


class CancelTimer(NamedTuple):
    """Stop waiting for a timer."""

    task_id: int


class SubscribeEvent(NamedTuple):
    """Wait for an external event."""

    task_id: int
    name: str


class UnsubscribeEvent(NamedTuple):
    """Stop waiting for an external event. `is_left`: the wait has lost a ``task_any``, and comes last."""

    task_id: int
    is_left: bool = False


class AwaitCode(NamedTuple):
    """Wait to be registered with more code. `rest` is a hash of the present code behind this line."""

    line: int | None
    rest: str


class CallEntity(NamedTuple):
    """Run an operation of an entity, and wait for it."""

    task_id: int
    name: str
    entity_id: str
    input: str


class SignalEntity(NamedTuple):
    """Run an operation of an entity, not before `deliver_at`."""

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


class RequestLock(NamedTuple):
    """Lock these entities, one after the other."""

    task_id: int
    entity_ids: tuple[str, ...]


class CancelLock(NamedTuple):
    """Withdraw the request of a critical section."""

    task_id: int


class SendUnlock(NamedTuple):
    """Leave the critical section."""

    task_id: int


class SetCustomStatus(NamedTuple):
    """Show this value as the custom status."""

    status: str


class CompleteExecution(NamedTuple):
    """Complete the execution with the orchestrator's return value."""

    result: str


class FailExecution(NamedTuple):
    """Fail the execution with the orchestrator's exception."""

    failure: FailureDetails


class CancelExecution(NamedTuple):
    """End the execution with the cancellation that was requested."""

    reason: str


class ContinueExecutionAsNew(NamedTuple):
    """Start a new execution with this input."""

    input: str


Action = (
    ScheduleTask
    | CancelTask
    | CreateSubOrchestration
    | CancelSubOrchestration
    | CreateTimer
    | CancelTimer
    | SubscribeEvent
    | UnsubscribeEvent
    | AwaitCode
    | CallEntity
    | SignalEntity
    | RequestLock
    | CancelLock
    | SendUnlock
    | SetCustomStatus
    | CompleteExecution
    | FailExecution
    | CancelExecution
    | ContinueExecutionAsNew
)
