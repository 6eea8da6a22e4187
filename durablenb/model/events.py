"""Events: the closed set of facts in a history, named as in the Durable Task Framework.

An execution's history is a list of these in the order of `event_id` (1, 2, 3, ...). Events that *arrive*
(completions, external events, client calls) come first; `OrchestratorStarted` marks the episode in which the
orchestrator processes them; its requests follow.

Each class declares its own part of the grammar: its role, by base classes (`Request`, `Arrival`,
`StatusChange`, `InstanceEnding`, `EntityEvent`); the task that it begins or settles, by class variables; its
columns in the journal, by its fields. The journal's rows, recovery, forks, rewinds, timelines and progress
read these declarations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from typing import ClassVar, Literal, TypeVar, dataclass_transform

from durablenb.model.failures import FailureDetails
from durablenb.model.plain import Plain, plain
from durablenb.model.status import OrchestrationRuntimeStatus as Status

TaskKind = Literal[
    "activity", "sub-orchestration", "timer", "external event", "entity call", "signal", "lock"
]
"""The kinds of tasks of an orchestration."""

Settlement = Literal["completed", "failed", "canceled"]
"""The ways in which a task ends."""

E = TypeVar("E", bound="Event")


@plain
class ParentInstance(Plain):
    """The caller of a sub-orchestration or an entity's operation: an instance, and its task."""

    instance_id: str
    execution_id: str
    task_id: int
    name: str


@plain
class Origin(Plain):
    """An instance with which a fork shares its past.

    Parameters
    ----------
    instance_id, execution_id
        The ids of the origin.
    event_id
        The last shared event.
    tasks
        The number of tasks that had been requested by then.
    again
        The children among them that were running: the fork starts its own in their place.
    parent_instance_id
        The id of the origin's parent.
    time
        When the fork was made; None in files of earlier versions.
    """

    instance_id: str
    execution_id: str
    event_id: int
    tasks: int
    again: tuple[int, ...] = ()
    parent_instance_id: str | None = None
    time: datetime | None = None


@plain
class Event(Plain):
    """One fact about an execution or an entity.

    Parameters
    ----------
    event_id
        Its position in the history, from 1 without gaps.
    timestamp
        When it was recorded, aware, UTC. That of `OrchestratorStarted` is the orchestrator's clock.
    """

    begins: ClassVar[TaskKind | None] = None
    """The kind of task that the event begins."""
    settles: ClassVar[type[Event] | None] = None
    """The event that begins the task which this event ends. Both have one `task_id`, or one `name`."""
    settlement: ClassVar[Settlement | None] = None
    """The way in which that task ended."""
    status_after: ClassVar[Status | None] = None
    """The status that an execution gets by the event; None if the event doesn't change it."""

    event_id: int
    timestamp: datetime


class Request(Event):
    """An event that records an orchestrator's request."""

    __slots__ = ()


@plain
class PendingRequest(Request):
    """A request that the engine carries out. The event that settles it has its `task_id`."""

    task_id: int


class Arrival(Event):
    """An event that an orchestrator may be waiting for."""

    __slots__ = ()


@plain
class Returned(Arrival):
    """A task has a result."""

    settlement = "completed"

    task_id: int
    result: str


@plain
class Raised(Arrival):
    """A task failed."""

    settlement = "failed"

    task_id: int
    failure: FailureDetails


class StatusChange(Event):
    """An event that changes an instance's status, or shows that its orchestrator ran."""

    __slots__ = ()


class EntityEvent(Event):
    """An event of an entity's history. All others are in the histories of orchestrations."""

    __slots__ = ()


class Ending(Event):
    """An event that ends an execution. `ContinueAsNew` ends the execution, and not the instance."""

    __slots__ = ()


class InstanceEnding(Ending):
    """An event that ends an instance."""

    __slots__ = ()


VALUES = ("input", "result", "status", "state")
"""The fields of events with a value as text. An event has at most one of them, or a failure or a reason."""

_kinds: list[type[Event]] = []


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _event(cls: type[E]) -> type[E]:
    """Make a class a kind of event, and add it to `ALL_EVENTS`."""
    made = plain(cls)
    _kinds.append(made)
    return made


@_event
class ExecutionStarted(StatusChange):
    """An execution begins. `generation` counts the executions that continue-as-new made, from 0.

    `source` is the hash of the orchestrator's source text, if that is known. `forked_from` has a fork's
    origins: the instance that it was forked from, the one that that was forked from, and so on.

    In an imported history, `prefix` is the prefix of all ids, and `is_partial` marks a history from Azure's
    endpoint, which omits much that a replay needs.

    `priority` is the default of its calls, and of those of its sub-orchestrations.

    `rules` is the number of the `RULES` for the code: those of the durablenb that began the execution.
    """

    status_after = Status.Pending

    name: str
    input: str
    version: str | None = None
    parent: ParentInstance | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    generation: int = 0
    source: str | None = None
    forked_from: tuple[Origin, ...] = ()
    is_partial: bool = False
    prefix: str = ""
    rules: int = 1
    priority: int = 0


@_event
class OrchestratorStarted(StatusChange):
    """An episode begins: the orchestrator processes all events that have arrived."""

    status_after = Status.Running


@_event
class TaskScheduled(PendingRequest):
    """An activity was requested. Later attempts of a retry carry the first one's id in `retry_of`.

    `timeout` and `heartbeat_timeout` are the call's own limits in seconds; None for those of the activity's
    registration. Among calls that wait for a place in a queue, those with a higher `priority` begin first.
    """

    begins = "activity"

    name: str
    input: str
    attempt: int = 1
    retry_of: int | None = None
    timeout: float | None = None
    priority: int = 0
    heartbeat_timeout: float | None = None

    @property
    def call_id(self) -> int:
        """The id of the call's first attempt."""
        return self.task_id if self.retry_of is None else self.retry_of


@_event
class TaskCompleted(Returned):
    """An activity returned. `worker` is its thread or process; None for the hub's own thread.

    `cached_from`: the call didn't run. Its result is that of an equal call, which is given as
    ``instance:execution:task``.
    """

    settles = TaskScheduled

    started_at: datetime | None = None
    worker: str | None = None
    cached_from: str | None = None


@_event
class TaskFailed(Raised):
    """An activity raised."""

    settles = TaskScheduled

    started_at: datetime | None = None
    worker: str | None = None


@_event
class TaskCanceled(Request):
    """The orchestrator canceled a call of an activity, which failed at once."""

    settles = TaskScheduled
    settlement = "canceled"

    task_id: int


@_event
class SubOrchestrationInstanceCreated(PendingRequest):
    """A child was requested; its `ExecutionStarted` is in the same transaction."""

    begins = "sub-orchestration"

    name: str
    input: str
    instance_id: str
    version: str | None = None
    attempt: int = 1
    retry_of: int | None = None


@_event
class SubOrchestrationInstanceCompleted(Returned):
    """A child completed."""

    settles = SubOrchestrationInstanceCreated


@_event
class SubOrchestrationInstanceFailed(Raised):
    """A child failed, was canceled or terminated, or could not be created."""

    settles = SubOrchestrationInstanceCreated


@_event
class SubOrchestrationCancelRequested(Request):
    """The orchestrator, which is being canceled, requested the cancellation of a child that it awaits."""

    task_id: int
    instance_id: str
    reason: str


@_event
class TimerCreated(PendingRequest):
    """A timer was requested. `retry_of` is set if it is the wait before a retry."""

    begins = "timer"

    fire_at: datetime
    retry_of: int | None = None


@_event
class TimerFired(Arrival):
    """A timer was due."""

    settles = TimerCreated
    settlement = "completed"

    task_id: int


@_event
class TimerCanceled(Request):
    """The orchestrator canceled a timer."""

    settles = TimerCreated
    settlement = "canceled"

    task_id: int


@_event
class EventSubscribed(Request):
    """The orchestrator waits for an external event of a name."""

    begins = "external event"

    task_id: int
    name: str


@_event
class EventUnsubscribed(Request):
    """The orchestrator stopped waiting for an external event.

    `is_left`: another task won the wait's ``task_any``, and the code awaits something else. If the code
    awaits it again, another `EventSubscribed` of the task follows.
    """

    settles = EventSubscribed
    settlement = "canceled"

    task_id: int
    is_left: bool = False


@_event
class CodeAwaited(Request):
    """The orchestrator reached a ``yield ...``, and waits to be registered with more code.

    `line` is its line in the cell or file; `rest` is a hash of the code behind it, empty if there was none.
    """

    line: int | None = None
    rest: str = ""


@_event
class EventRaised(Arrival):
    """An external event arrived."""

    settles = EventSubscribed
    settlement = "completed"

    name: str
    input: str


@_event
class EntityOperationCalled(PendingRequest):
    """An operation of an entity was called; the entity's own history has it as well."""

    begins = "entity call"

    name: str
    entity_id: str
    input: str


@_event
class EntityOperationSignaled(Request):
    """An operation was sent to an entity, without waiting for it. `deliver_at` is its earliest time."""

    begins = "signal"

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


@_event
class EntityOperationCompleted(Returned):
    """A called operation returned."""

    settles = EntityOperationCalled


@_event
class EntityOperationFailed(Raised):
    """A called operation raised; the entity's state is unchanged."""

    settles = EntityOperationCalled


@_event
class EntityLockRequested(PendingRequest):
    """A critical section was requested. `entity_ids` are in lock order."""

    begins = "lock"

    entity_ids: tuple[str, ...]


@_event
class EntityLockGranted(Arrival):
    """All entities of a critical section are locked."""

    settles = EntityLockRequested
    settlement = "completed"

    task_id: int


@_event
class EntityLockCanceled(Request):
    """The orchestrator withdrew the request of a critical section, since its wait for it was interrupted."""

    settles = EntityLockRequested
    settlement = "canceled"

    task_id: int


@_event
class EntityUnlockSent(Request):
    """A critical section ended."""

    task_id: int


@_event
class OperationEnqueued(EntityEvent):
    """Of an entity: an operation was requested. `caller` is None for a client.

    The caller of a call waits for the task of that id; the caller of a signal does not.
    """

    name: str
    input: str
    caller: ParentInstance | None = None
    is_signal: bool = True
    deliver_at: datetime | None = None


@_event
class OperationCompleted(EntityEvent):
    """Of an entity: an operation returned. `task_id` is the event id of its `OperationEnqueued`."""

    settles = OperationEnqueued
    settlement = "completed"

    task_id: int
    result: str
    started_at: datetime | None = None
    worker: str | None = None


@_event
class OperationFailed(EntityEvent):
    """Of an entity: an operation raised; its changes of the state and its messages are dropped."""

    settles = OperationEnqueued
    settlement = "failed"

    task_id: int
    failure: FailureDetails
    started_at: datetime | None = None
    worker: str | None = None


@_event
class StateChanged(EntityEvent):
    """Of an entity: the state after an operation; ``null`` if it was deleted."""

    task_id: int
    state: str


@_event
class SignalSent(EntityEvent):
    """Of an entity: an operation signaled another entity."""

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


@_event
class OrchestrationStarted(EntityEvent):
    """Of an entity: an operation started an orchestration, without waiting for it."""

    task_id: int
    name: str
    instance_id: str


@_event
class LockEnqueued(EntityEvent):
    """Of an entity: an orchestration requests a critical section.

    `entity_ids` are the section's entities, and `position` is this entity's position among them, from 0.
    """

    caller: ParentInstance
    entity_ids: tuple[str, ...]
    position: int = 0


@_event
class LockTaken(EntityEvent):
    """Of an entity: from here on it serves only the lock's owner. `task_id` is that of `LockEnqueued`."""

    task_id: int


@_event
class LockReleased(EntityEvent):
    """Of an entity: the critical section ended, or its request was withdrawn."""

    settles = LockEnqueued
    settlement = "completed"

    task_id: int


@_event
class CustomStatusSet(Request, StatusChange):
    """The custom status changed."""

    status: str


@_event
class ExecutionSuspended(StatusChange):
    """A client suspended the orchestration."""

    status_after = Status.Suspended

    reason: str


@_event
class ExecutionResumed(StatusChange):
    """A client resumed the orchestration."""

    status_after = Status.Running

    reason: str


@_event
class ExecutionCancelRequested(Arrival):
    """A client or the parent requested the cancellation, which is raised where the orchestrator waits."""

    reason: str


@_event
class ExecutionRewound(StatusChange):
    """A client rewound a failed execution; the kept part of its history follows again."""

    reason: str


@_event
class ExecutionCompleted(Request, StatusChange, InstanceEnding):
    """The orchestrator returned."""

    status_after = Status.Completed

    result: str


@_event
class ExecutionFailed(Request, StatusChange, InstanceEnding):
    """The orchestrator raised."""

    status_after = Status.Failed

    failure: FailureDetails


@_event
class ExecutionCanceled(Request, StatusChange, InstanceEnding):
    """The orchestrator ended with the cancellation that was requested, or its code had not run by then."""

    status_after = Status.Canceled

    reason: str


@_event
class ExecutionTerminated(StatusChange, InstanceEnding):
    """A client terminated the orchestration."""

    status_after = Status.Terminated

    reason: str


@_event
class ContinueAsNew(Request, Ending):
    """The orchestrator requested a new execution with this input."""

    status_after = Status.ContinuedAsNew

    input: str


LEAVES_LOSERS = 2
"""The first version of the rules in which a wait that has lost a ``task_any`` comes last."""

PLAIN_FAILURES = 2
"""The first version of the rules in which the failure of an operation has the text that was raised."""

RULES = 2
"""The version of the rules for new executions. Existing ones keep theirs, so that they replay unchanged."""

ALL_EVENTS = tuple(_kinds)
"""All kinds of events, in the order of their definition."""

OUTCOMES: dict[tuple[type[Event] | None, Settlement | None], Callable[..., Event]] = {
    (kind.settles, kind.settlement): kind
    for kind in ALL_EVENTS
    if issubclass(kind, Arrival) and kind.settles is not None
}
"""The arrivals that settle a task, by the event that begins it and the way in which it ends."""
