"""Instances begin, take what arrives, go on as new, and end."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from durablenb.core.execution import Execution
from durablenb.core.ports.clock import Clock
from durablenb.core.registry import Registry
from durablenb.engine.completions import Completions
from durablenb.engine.instance import Instance, Outcome
from durablenb.engine.journal import Journal
from durablenb.engine.obstacles import Obstacles
from durablenb.engine.timers import Timers
from durablenb.engine.transcript import SILENCE, speaking
from durablenb.model.errors import OrchestrationTerminatedError
from durablenb.model.events import (
    RULES,
    ContinueAsNew,
    CustomStatusSet,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionStarted,
    ExecutionTerminated,
    Origin,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceFailed,
)
from durablenb.model.failures import FailureDetails, failure_of
from durablenb.model.ids import execution_id_of
from durablenb.model.imports import Import
from durablenb.model.status import OrchestrationRuntimeStatus as Status

KEPT_OUTCOMES = 4_096
"""Outcomes of instances that ended lately, for who asks for them after the end."""

KEPT_CHARACTERS = 4_096
"""An outcome longer than this is read from the journal."""


class Lifecycle:
    """The open instances, and the queues of those whose orchestrator can go on.

    `queue` has those that are in memory, or that somebody asks for. `backlog` has those that have to be
    replayed first: when a hub is opened these may be a hundred thousand, and nobody waits for them.

    Parameters
    ----------
    journal
        Where every change is written.
    timers
        Where scheduled starts wait.
    clock
        What time it is.
    registry
        The orchestrators' sources, by their versions.
    new_execution
        Makes the live execution of an instance, or None where its code isn't registered.
    forget
        Called when an instance is closed.
    completions
        Where those look who wait for an instance.
    """

    def __init__(
        self,
        journal: Journal,
        timers: Timers,
        clock: Clock,
        registry: Registry,
        new_execution: Callable[[Instance], Execution | None],
        forget: Callable[[Instance], None],
        completions: Completions,
    ) -> None:
        self._journal = journal
        self._timers = timers
        self._clock = clock
        self._registry = registry
        self._new_execution = new_execution
        self._forget = forget
        self._completions = completions
        self.open: dict[str, Instance] = {}
        self.obstacles = Obstacles(self.open)
        self.ended: OrderedDict[str, Outcome] = OrderedDict()
        self._left: WeakValueDictionary[str, Instance] = WeakValueDictionary()
        self.has_dropped = False
        """Whether there are instances whose calls are wanted no longer, and no executor knows yet."""
        self.queue: deque[Instance] = deque()
        self.backlog: deque[Instance] = deque()
        self.imported: dict[str, Import] = {}
        """What was taken in from elsewhere, by id: nothing is ever done to it."""
        self.when_closed: Callable[[Instance], None] = forget
        """Called with each execution that ends, whichever way."""

    def chosen_version(self, name: str, version: str | None) -> str | None:
        """The version of an instance that is started; the newest one if none was asked for."""
        return self._registry.version_of(name) if version is None else version

    def begin(
        self,
        instance_id: str,
        name: str,
        text: str,
        *,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        parent: ParentInstance | None = None,
        start_at: datetime | None = None,
        generation: int = 0,
        forked_from: tuple[Origin, ...] = (),
    ) -> Instance:
        """A new execution."""
        now = self._clock.now()
        execution_id = execution_id_of(instance_id, self._journal.seq + 1, now)
        code = self._registry.code(name, version)
        source = None if code is None else code.source
        started = ExecutionStarted(
            1,
            now,
            name,
            text,
            version,
            parent,
            tags or {},
            start_at,
            generation,
            source and source.hash,
            forked_from,
            rules=RULES,
        )
        instance = Instance(instance_id, execution_id, started)
        self.reopen(instance)
        if source is not None:
            self._journal.keep(source)
        self._journal.write(instance, started)
        instance.execution = self._new_execution(instance)
        if instance.execution is not None:
            instance.execution.deliver(started)
        if start_at is not None and start_at > now:
            instance.is_due = False
            self._timers.add(start_at, instance, None)
        else:
            self.enqueue(instance)
        return instance

    def reopen(self, instance: Instance) -> None:
        """The instance is open, whatever became of one of its id before."""
        self.open[instance.id] = instance
        self.ended.pop(instance.id, None)
        self._completions.opened(instance.id, instance.code)

    def watch(self, instance_id: str) -> Future[Outcome] | None:
        """Where the outcome of an open instance will be once it is on disk."""
        return self._completions.watch(instance_id, is_engine=True)

    def drop_calls(self, instance_id: str) -> None:
        """What an ended orchestration asked for and has not begun isn't wanted: it is rewound or purged."""
        ended = self._left.pop(instance_id, None)
        if ended is not None:
            self.drop(ended)

    def drop(self, instance: Instance) -> None:
        """What the orchestration asked for and was not begun yet isn't wanted any more."""
        instance.is_dropped = True
        self.has_dropped = True

    def arrive(
        self,
        instance: Instance,
        kind: Callable[..., Event],
        *fields: Any,
        timestamp: datetime | None = None,
        is_asked: bool = False,
    ) -> None:
        """An event arrives: it is a fact at once, and wakes the orchestrator if it waits for it."""
        event = kind(instance.next_event_id, timestamp or self._clock.now(), *fields)
        self._journal.write(instance, event)
        if instance.execution is not None:
            instance.execution.deliver(event)
        self.enqueue(instance, is_asked=is_asked)

    def enqueue(self, instance: Instance, *, is_asked: bool = False) -> None:
        """Queues the instance for an episode, if one could get anywhere; what is asked for comes first."""
        if instance.is_queued and not (instance.is_late and is_asked):
            return
        if instance.is_closed or instance.is_suspended or instance.held:
            return
        if not instance.is_due:
            return
        if instance.execution is not None and not instance.execution.is_ready:
            return
        instance.is_queued = True
        instance.is_late = instance.execution is None and not is_asked
        (self.backlog if instance.is_late else self.queue).append(instance)

    def end(self, instance: Instance, fact: Event) -> None:
        """The instance ended with this fact, or goes on as new."""
        if isinstance(fact, ContinueAsNew):
            self._continue(instance, fact)
            return
        self._close(instance)
        if instance.pending:
            self._left[instance.id] = instance
        outcome = outcome_of(instance.name, fact)
        if len(outcome.text) <= KEPT_CHARACTERS:
            self.ended[instance.id] = outcome
            if len(self.ended) > KEPT_OUTCOMES:
                self.ended.popitem(last=False)
        settle = self._completions.closed(instance.id, outcome)
        if settle is not None:
            self._journal.afterwards(settle)
        self._tell_parent(instance, fact)

    def _continue(self, instance: Instance, fact: ContinueAsNew) -> None:
        ended = instance.execution
        carried = ended.mailbox.unprocessed() if ended else []
        self._close(instance)
        started = instance.started
        successor = self.begin(
            instance.id,
            started.name,
            fact.input,
            version=started.version,
            tags=started.tags,
            parent=started.parent,
            generation=started.generation + 1,
            forked_from=tuple(replace(one, tasks=0, again=()) for one in started.forked_from),
        )
        successor.is_recovered = instance.is_recovered
        if ended is not None and ended.custom_status is not None:
            self.arrive(successor, CustomStatusSet, ended.custom_status)
        for event in carried:
            self.arrive(successor, EventRaised, event.name, event.input, timestamp=event.timestamp)

    def _close(self, instance: Instance) -> None:
        instance.is_closed = True
        self.when_closed(instance)
        self.obstacles.drop(instance)
        if self.open.get(instance.id) is instance:
            del self.open[instance.id]
        if instance.execution is not None and not instance.execution.is_finished:
            with speaking(SILENCE):
                instance.execution.unload()
        instance.execution = None
        self._forget(instance)

    def _tell_parent(self, instance: Instance, fact: Event) -> None:
        link = instance.started.parent
        parent = None if link is None else self.open.get(link.instance_id)
        if link is None or parent is None or parent.execution_id != link.execution_id:
            return
        if link.task_id not in parent.pending:
            return
        parent.pending.discard(link.task_id)
        if isinstance(fact, ExecutionCompleted):
            self.arrive(parent, SubOrchestrationInstanceCompleted, link.task_id, fact.result)
        else:
            self.arrive(parent, SubOrchestrationInstanceFailed, link.task_id, _failure(instance, fact))


def outcome_of(name: str, fact: Event) -> Outcome:
    """How an instance stands after a terminal fact."""
    if isinstance(fact, ExecutionCompleted):
        return Outcome(name, Status.Completed, fact.result)
    if isinstance(fact, ExecutionFailed):
        return Outcome(name, Status.Failed, fact.failure.as_text())
    assert isinstance(fact, ExecutionTerminated)
    return Outcome(name, Status.Terminated, fact.reason)


def _failure(instance: Instance, fact: Event) -> FailureDetails:
    if isinstance(fact, ExecutionFailed):
        return fact.failure
    assert isinstance(fact, ExecutionTerminated)
    return failure_of(
        OrchestrationTerminatedError(f"{instance.id} was terminated: {fact.reason or 'no reason'}")
    )
