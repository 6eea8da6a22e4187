"""Facts: the closed set of events that a history is made of, named as in the Durable Task Framework.

An execution's history is a list of these in the order of `event_id` (1, 2, 3, ...). Events that
*arrive* (completions, external events, client calls) come first; `OrchestratorStarted` marks when the
orchestrator looked at all that had arrived before it; what it then asked for follows.

Each class declares its own part of the grammar: its role, by base classes (`Request`, `Arrival`,
`StatusChange`, `Ending`, `EntityEvent`); the task that it begins or settles, by class variables; its columns
in the journal, by its fields. The journal's rows, recovery, forks, rewinds, timelines and progress read these
declarations.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import ClassVar, Literal, TypeVar, dataclass_transform

from durablenb.model.failures import FailureDetails
from durablenb.model.plain import Plain, plain

TaskKind = Literal[
    "activity", "sub-orchestration", "timer", "external event", "entity call", "signal", "lock"
]
"""The kinds of tasks of an orchestration."""

Settlement = Literal["completed", "failed", "canceled"]
"""The ways in which a task ends."""

E = TypeVar("E", bound="Event")


@plain
class ParentInstance(Plain):
    """Who started a sub-orchestration, or asked an entity for something, and which task that is there."""

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
        Whose past it is.
    event_id
        The last event of it that is shared.
    tasks
        How many tasks had been asked for by then.
    again
        The children among them that had not ended: the fork has others in their place.
    parent_instance_id
        Who had started the origin.
    """

    instance_id: str
    execution_id: str
    event_id: int
    tasks: int
    again: tuple[int, ...] = ()
    parent_instance_id: str | None = None


@plain
class Event(Plain):
    """One fact about one execution.

    Parameters
    ----------
    event_id
        Place in the execution's history, from 1 without gaps.
    timestamp
        When it was recorded, aware, UTC. `OrchestratorStarted`'s is the orchestrator's clock.
    """

    begins: ClassVar[TaskKind | None] = None
    """The kind of task that the event begins."""
    settles: ClassVar[type[Event] | None] = None
    """The event that begins the task which this event ends. Both have one `task_id`, or one `name`."""
    settlement: ClassVar[Settlement | None] = None
    """How that task ended."""

    event_id: int
    timestamp: datetime


class Request(Event):
    """An event that records what an orchestrator asked for."""

    __slots__ = ()


@plain
class PendingRequest(Request):
    """A request that somebody else carries out. The event that settles it has its `task_id`."""

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


_kinds: list[type[Event]] = []


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def _event(cls: type[E]) -> type[E]:
    """Make a kind of event of a class; `ALL_EVENTS` lists it."""
    made = plain(cls)
    _kinds.append(made)
    return made


@_event
class ExecutionStarted(StatusChange):
    """An execution begins. `generation` counts the executions that continue-as-new made, from 0.

    `source` is the hash of the orchestrator's source text, where that is known. `forked_from` has what a fork
    shares its past with: whom it was forked from, whom that one was forked from, and so on.

    Of an imported one, `prefix` is what was put before all ids, and `is_partial` says that the history is
    what Azure's endpoint tells, which leaves out much that a replay needs.

    `rules` says by which of `RULES` the code is answered: those of the durablenb that began the execution.
    """

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


@_event
class OrchestratorStarted(StatusChange):
    """An episode begins: the orchestrator takes note of all that has arrived."""


@_event
class TaskScheduled(PendingRequest):
    """An activity was asked for. A retry's later attempts carry the first one's id in `retry_of`."""

    begins = "activity"

    name: str
    input: str
    attempt: int = 1
    retry_of: int | None = None


@_event
class TaskCompleted(Returned):
    """An activity returned. `worker` is where it ran: a thread, a process, None in the hub's own thread."""

    settles = TaskScheduled

    started_at: datetime | None = None
    worker: str | None = None


@_event
class TaskFailed(Raised):
    """An activity raised."""

    settles = TaskScheduled

    started_at: datetime | None = None
    worker: str | None = None


@_event
class SubOrchestrationInstanceCreated(PendingRequest):
    """A child was asked for; its `ExecutionStarted` is in the same transaction."""

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
    """A child failed, was terminated, or could not be created."""

    settles = SubOrchestrationInstanceCreated


@_event
class TimerCreated(PendingRequest):
    """A timer was asked for. `retry_of` is set where it is the wait before a retry."""

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
    """The orchestrator gave up waiting for a timer."""

    settles = TimerCreated
    settlement = "canceled"

    task_id: int


@_event
class EventSubscribed(Request):
    """The orchestrator waits for an external event of that name."""

    begins = "external event"

    task_id: int
    name: str


@_event
class EventUnsubscribed(Request):
    """The orchestrator gave up waiting for an external event.

    `is_left`: another task won the ``task_any`` that it was in, and the code waits for something else. If it
    waits for it again, another `EventSubscribed` of the task says so.
    """

    settles = EventSubscribed
    settlement = "canceled"

    task_id: int
    is_left: bool = False


@_event
class CodeAwaited(Request):
    """The orchestrator came to ``yield ...``: it waits to be registered with more code.

    `line` is where that stands in its cell or file; `rest` is a hash of what followed it, empty for nothing.
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
    """An operation of an entity was asked for, and its result; the entity's own history has it, too."""

    begins = "entity call"

    name: str
    entity_id: str
    input: str


@_event
class EntityOperationSignaled(Request):
    """An operation of an entity was asked for, and no result. `deliver_at`: not before that."""

    begins = "signal"

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


@_event
class EntityOperationCompleted(Returned):
    """An operation that was called returned."""

    settles = EntityOperationCalled


@_event
class EntityOperationFailed(Raised):
    """An operation that was called raised; the entity is as it was before."""

    settles = EntityOperationCalled


@_event
class EntityLockRequested(PendingRequest):
    """A critical section was asked for. `entity_ids` are in the order in which they are locked."""

    begins = "lock"

    entity_ids: tuple[str, ...]


@_event
class EntityLockGranted(Arrival):
    """All entities of a critical section are locked."""

    settles = EntityLockRequested
    settlement = "completed"

    task_id: int


@_event
class EntityUnlockSent(Request):
    """A critical section was left."""

    task_id: int


@_event
class OperationEnqueued(EntityEvent):
    """Of an entity: an operation was asked for. `caller`: by whom, None for a client.

    A call's caller waits for the task of that id; a signal's does not.
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
    """Of an entity: an operation raised; state and all that it sent are as if it had not been."""

    settles = OperationEnqueued
    settlement = "failed"

    task_id: int
    failure: FailureDetails
    started_at: datetime | None = None
    worker: str | None = None


@_event
class StateChanged(EntityEvent):
    """Of an entity: the state is this after that operation; ``null`` if it was deleted."""

    task_id: int
    state: str


@_event
class SignalSent(EntityEvent):
    """Of an entity: that operation signaled another entity."""

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


@_event
class OrchestrationStarted(EntityEvent):
    """Of an entity: that operation started an orchestration, which it doesn't wait for."""

    task_id: int
    name: str
    instance_id: str


@_event
class LockEnqueued(EntityEvent):
    """Of an entity: an orchestration asks for a critical section.

    `entity_ids` are those of the section, and `position` is this one's place among them, from 0.
    """

    caller: ParentInstance
    entity_ids: tuple[str, ...]
    position: int = 0


@_event
class LockTaken(EntityEvent):
    """Of an entity: from here on it serves the lock's owner only. `task_id` is that of `LockEnqueued`."""

    task_id: int


@_event
class LockReleased(EntityEvent):
    """Of an entity: the critical section is over, or isn't asked for any more."""

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

    reason: str


@_event
class ExecutionResumed(StatusChange):
    """A client resumed the orchestration."""

    reason: str


@_event
class ExecutionRewound(StatusChange):
    """A client rewound a failed execution; what is kept of its history follows once more."""

    reason: str


@_event
class ExecutionCompleted(Request, StatusChange, Ending):
    """The orchestrator returned."""

    result: str


@_event
class ExecutionFailed(Request, StatusChange, Ending):
    """The orchestrator raised."""

    failure: FailureDetails


@_event
class ExecutionTerminated(StatusChange, Ending):
    """A client terminated the orchestration."""

    reason: str


@_event
class ContinueAsNew(Request, Ending):
    """The orchestrator asked for a fresh execution with this input."""

    input: str


LEAVES_LOSERS = 2
"""The first rules by which a wait that has lost a ``task_any`` takes no event before others."""

PLAIN_FAILURES = 2
"""The first rules by which the failure of an operation reads as it was raised, and names nothing else."""

RULES = 2
"""Those by which an execution is begun now. One that is there keeps its own, so that it replays as it was."""

ALL_EVENTS = tuple(_kinds)
"""All kinds of events, in the order in which they stand here."""
