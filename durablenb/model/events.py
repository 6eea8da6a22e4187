"""Facts: the closed set of events that a history is made of, named as in the Durable Task Framework.

An execution's history is a list of these in the order of `event_id` (1, 2, 3, ...). Events that
*arrive* (completions, external events, client calls) come first; `OrchestratorStarted` marks when the
orchestrator looked at all that had arrived before it; what it then asked for follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from durablenb.model.failures import FailureDetails


@dataclass(frozen=True, slots=True)
class ParentInstance:
    """Who started a sub-orchestration, and which of the parent's tasks waits for it."""

    instance_id: str
    execution_id: str
    task_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Event:
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


@dataclass(frozen=True, slots=True)
class ExecutionStarted(Event):
    """An execution begins. `generation` counts the executions that continue-as-new made, from 0.

    `source` is the hash of the orchestrator's source text, where that is known.
    """

    name: str
    input: str
    version: str | None = None
    parent: ParentInstance | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scheduled_start_time: datetime | None = None
    generation: int = 0
    source: str | None = None


@dataclass(frozen=True, slots=True)
class OrchestratorStarted(Event):
    """An episode begins: the orchestrator takes note of all that has arrived."""


@dataclass(frozen=True, slots=True)
class TaskScheduled(Event):
    """An activity was asked for. A retry's later attempts carry the first one's id in `retry_of`."""

    task_id: int
    name: str
    input: str
    attempt: int = 1
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class TaskCompleted(Event):
    """An activity returned. `worker` is where it ran: a thread, a process, None in the hub's own thread."""

    task_id: int
    result: str
    started_at: datetime | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class TaskFailed(Event):
    """An activity raised."""

    task_id: int
    failure: FailureDetails
    started_at: datetime | None = None
    worker: str | None = None


@dataclass(frozen=True, slots=True)
class SubOrchestrationInstanceCreated(Event):
    """A child was asked for; its `ExecutionStarted` is in the same transaction."""

    task_id: int
    name: str
    input: str
    instance_id: str
    version: str | None = None
    attempt: int = 1
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class SubOrchestrationInstanceCompleted(Event):
    """A child completed."""

    task_id: int
    result: str


@dataclass(frozen=True, slots=True)
class SubOrchestrationInstanceFailed(Event):
    """A child failed, was terminated, or could not be created."""

    task_id: int
    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class TimerCreated(Event):
    """A timer was asked for. `retry_of` is set where it is the wait before a retry."""

    task_id: int
    fire_at: datetime
    retry_of: int | None = None


@dataclass(frozen=True, slots=True)
class TimerFired(Event):
    """A timer was due."""

    task_id: int


@dataclass(frozen=True, slots=True)
class TimerCanceled(Event):
    """The orchestrator gave up waiting for a timer."""

    task_id: int


@dataclass(frozen=True, slots=True)
class EventSubscribed(Event):
    """The orchestrator waits for an external event of that name."""

    task_id: int
    name: str


@dataclass(frozen=True, slots=True)
class EventUnsubscribed(Event):
    """The orchestrator gave up waiting for an external event."""

    task_id: int


@dataclass(frozen=True, slots=True)
class CodeAwaited(Event):
    """The orchestrator came to ``yield ...``: it waits to be registered with more code.

    `line` is where that stands in its cell or file; `rest` is a hash of what followed it, empty for nothing.
    """

    line: int | None = None
    rest: str = ""


@dataclass(frozen=True, slots=True)
class EventRaised(Event):
    """An external event arrived."""

    name: str
    input: str


@dataclass(frozen=True, slots=True)
class CustomStatusSet(Event):
    """The custom status changed."""

    status: str


@dataclass(frozen=True, slots=True)
class ExecutionSuspended(Event):
    """A client suspended the orchestration."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExecutionResumed(Event):
    """A client resumed the orchestration."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExecutionRewound(Event):
    """A client rewound a failed execution; what is kept of its history follows once more."""

    reason: str


@dataclass(frozen=True, slots=True)
class ExecutionCompleted(Event):
    """The orchestrator returned."""

    result: str


@dataclass(frozen=True, slots=True)
class ExecutionFailed(Event):
    """The orchestrator raised."""

    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class ExecutionTerminated(Event):
    """A client terminated the orchestration."""

    reason: str


@dataclass(frozen=True, slots=True)
class ContinueAsNew(Event):
    """The orchestrator asked for a fresh execution with this input."""

    input: str


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
    ExecutionSuspended,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionTerminated,
)

ARRIVALS = (
    TaskCompleted,
    TaskFailed,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
    TimerFired,
    EventRaised,
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
