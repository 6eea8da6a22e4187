"""Facts: the closed set of events that a history is made of, named as in the Durable Task Framework.

An execution's history is a list of these in the order of `event_id` (1, 2, 3, ...). Events that
*arrive* (completions, external events, client calls) come first; `OrchestratorStarted` marks when the
orchestrator looked at all that had arrived before it; what it then asked for follows.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime

from durablenb.model.failures import FailureDetails
from durablenb.model.plain import Plain, plain


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

    event_id: int
    timestamp: datetime


@plain
class ExecutionStarted(Event):
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


@plain
class OrchestratorStarted(Event):
    """An episode begins: the orchestrator takes note of all that has arrived."""


@plain
class TaskScheduled(Event):
    """An activity was asked for. A retry's later attempts carry the first one's id in `retry_of`."""

    task_id: int
    name: str
    input: str
    attempt: int = 1
    retry_of: int | None = None


@plain
class TaskCompleted(Event):
    """An activity returned. `worker` is where it ran: a thread, a process, None in the hub's own thread."""

    task_id: int
    result: str
    started_at: datetime | None = None
    worker: str | None = None


@plain
class TaskFailed(Event):
    """An activity raised."""

    task_id: int
    failure: FailureDetails
    started_at: datetime | None = None
    worker: str | None = None


@plain
class SubOrchestrationInstanceCreated(Event):
    """A child was asked for; its `ExecutionStarted` is in the same transaction."""

    task_id: int
    name: str
    input: str
    instance_id: str
    version: str | None = None
    attempt: int = 1
    retry_of: int | None = None


@plain
class SubOrchestrationInstanceCompleted(Event):
    """A child completed."""

    task_id: int
    result: str


@plain
class SubOrchestrationInstanceFailed(Event):
    """A child failed, was terminated, or could not be created."""

    task_id: int
    failure: FailureDetails


@plain
class TimerCreated(Event):
    """A timer was asked for. `retry_of` is set where it is the wait before a retry."""

    task_id: int
    fire_at: datetime
    retry_of: int | None = None


@plain
class TimerFired(Event):
    """A timer was due."""

    task_id: int


@plain
class TimerCanceled(Event):
    """The orchestrator gave up waiting for a timer."""

    task_id: int


@plain
class EventSubscribed(Event):
    """The orchestrator waits for an external event of that name."""

    task_id: int
    name: str


@plain
class EventUnsubscribed(Event):
    """The orchestrator gave up waiting for an external event.

    `is_left`: another task won the ``task_any`` that it was in, and the code waits for something else. If it
    waits for it again, another `EventSubscribed` of the task says so.
    """

    task_id: int
    is_left: bool = False


@plain
class CodeAwaited(Event):
    """The orchestrator came to ``yield ...``: it waits to be registered with more code.

    `line` is where that stands in its cell or file; `rest` is a hash of what followed it, empty for nothing.
    """

    line: int | None = None
    rest: str = ""


@plain
class EventRaised(Event):
    """An external event arrived."""

    name: str
    input: str


@plain
class EntityOperationCalled(Event):
    """An operation of an entity was asked for, and its result; the entity's own history has it, too."""

    task_id: int
    name: str
    entity_id: str
    input: str


@plain
class EntityOperationSignaled(Event):
    """An operation of an entity was asked for, and no result. `deliver_at`: not before that."""

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


@plain
class EntityOperationCompleted(Event):
    """An operation that was called returned."""

    task_id: int
    result: str


@plain
class EntityOperationFailed(Event):
    """An operation that was called raised; the entity is as it was before."""

    task_id: int
    failure: FailureDetails


@plain
class EntityLockRequested(Event):
    """A critical section was asked for. `entity_ids` are in the order in which they are locked."""

    task_id: int
    entity_ids: tuple[str, ...]


@plain
class EntityLockGranted(Event):
    """All entities of a critical section are locked."""

    task_id: int


@plain
class EntityUnlockSent(Event):
    """A critical section was left."""

    task_id: int


@plain
class OperationEnqueued(Event):
    """Of an entity: an operation was asked for. `caller`: by whom, None for a client.

    A call's caller waits for the task of that id; a signal's does not.
    """

    name: str
    input: str
    caller: ParentInstance | None = None
    is_signal: bool = True
    deliver_at: datetime | None = None


@plain
class OperationCompleted(Event):
    """Of an entity: an operation returned. `task_id` is the event id of its `OperationEnqueued`."""

    task_id: int
    result: str
    started_at: datetime | None = None
    worker: str | None = None


@plain
class OperationFailed(Event):
    """Of an entity: an operation raised; state and all that it sent are as if it had not been."""

    task_id: int
    failure: FailureDetails
    started_at: datetime | None = None
    worker: str | None = None


@plain
class StateChanged(Event):
    """Of an entity: the state is this after that operation; ``null`` if it was deleted."""

    task_id: int
    state: str


@plain
class SignalSent(Event):
    """Of an entity: that operation signaled another entity."""

    task_id: int
    name: str
    entity_id: str
    input: str
    deliver_at: datetime | None = None


@plain
class OrchestrationStarted(Event):
    """Of an entity: that operation started an orchestration, which it doesn't wait for."""

    task_id: int
    name: str
    instance_id: str


@plain
class LockEnqueued(Event):
    """Of an entity: an orchestration asks for a critical section.

    `entity_ids` are those of the section, and `position` is this one's place among them, from 0.
    """

    caller: ParentInstance
    entity_ids: tuple[str, ...]
    position: int = 0


@plain
class LockTaken(Event):
    """Of an entity: from here on it serves the lock's owner only. `task_id` is that of `LockEnqueued`."""

    task_id: int


@plain
class LockReleased(Event):
    """Of an entity: the critical section is over, or isn't asked for any more."""

    task_id: int


@plain
class CustomStatusSet(Event):
    """The custom status changed."""

    status: str


@plain
class ExecutionSuspended(Event):
    """A client suspended the orchestration."""

    reason: str


@plain
class ExecutionResumed(Event):
    """A client resumed the orchestration."""

    reason: str


@plain
class ExecutionRewound(Event):
    """A client rewound a failed execution; what is kept of its history follows once more."""

    reason: str


@plain
class ExecutionCompleted(Event):
    """The orchestrator returned."""

    result: str


@plain
class ExecutionFailed(Event):
    """The orchestrator raised."""

    failure: FailureDetails


@plain
class ExecutionTerminated(Event):
    """A client terminated the orchestration."""

    reason: str


@plain
class ContinueAsNew(Event):
    """The orchestrator asked for a fresh execution with this input."""

    input: str


LEAVES_LOSERS = 2
"""The first rules by which a wait that has lost a ``task_any`` takes no event before others."""

PLAIN_FAILURES = 2
"""The first rules by which the failure of an operation reads as it was raised, and names nothing else."""

RULES = 2
"""Those by which an execution is begun now. One that is there keeps its own, so that it replays as it was."""

TERMINAL = (ExecutionCompleted, ExecutionFailed, ExecutionTerminated, ContinueAsNew)
"""Events that end an execution (`ContinueAsNew` ends the execution, not the instance)."""

REQUESTED = (
    TaskScheduled,
    SubOrchestrationInstanceCreated,
    TimerCreated,
    TimerCanceled,
    EventSubscribed,
    EventUnsubscribed,
    CodeAwaited,
    EntityOperationCalled,
    EntityOperationSignaled,
    EntityLockRequested,
    EntityUnlockSent,
    CustomStatusSet,
    ExecutionCompleted,
    ExecutionFailed,
    ContinueAsNew,
)
"""Events that record what an orchestrator asked for."""

ALL_EVENTS: tuple[type[Event], ...] = (
    ExecutionStarted,
    OrchestratorStarted,
    *REQUESTED,
    TaskCompleted,
    TaskFailed,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TimerFired,
    EventRaised,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityLockGranted,
    ExecutionSuspended,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionTerminated,
    OperationEnqueued,
    OperationCompleted,
    OperationFailed,
    StateChanged,
    SignalSent,
    OrchestrationStarted,
    LockEnqueued,
    LockTaken,
    LockReleased,
)

ARRIVALS = (
    TaskCompleted,
    TaskFailed,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TimerFired,
    EventRaised,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityLockGranted,
)
"""Events that an orchestrator may be waiting for."""

LIFECYCLE = (
    ExecutionStarted,
    OrchestratorStarted,
    ExecutionSuspended,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTerminated,
    CustomStatusSet,
)
"""Events that change an instance's status or show that its orchestrator ran."""
