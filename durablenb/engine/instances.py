"""The open instances: they begin, receive events, are queued, and close; their executions in memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any
from weakref import WeakValueDictionary

from durablenb.core.execution import Execution
from durablenb.core.registry import target_name
from durablenb.engine.blocked_instances import BlockedInstances
from durablenb.engine.capture.output import MUTED, capturing_for
from durablenb.engine.instance import Instance, InstanceOutcome
from durablenb.engine.services import EngineServices
from durablenb.engine.timers import Timers
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.events import RULES, Event, ExecutionStarted, Origin, ParentInstance
from durablenb.model.ids import new_execution_id
from durablenb.model.imports import Import


class Executions:
    """The executions in memory; the least recently used ones go when their histories get too long.

    Parameters
    ----------
    services
        The services of the engine.
    blocked
        Records which instances lack code.
    """

    def __init__(self, services: EngineServices, blocked: BlockedInstances) -> None:
        self._registry = services.registry
        self._codec = services.options.codec
        self._options = services.options.episodes
        self._blocked = blocked
        self._event_counts: OrderedDict[Instance, int] = OrderedDict()
        self._cached_events = 0

    def new(self, instance: Instance) -> Execution | None:
        """Return a new execution of the registered code, or None if that isn't registered."""
        version = instance.started.version
        code = self._registry.code(instance.name, version)
        if code is None:
            self._blocked.add_missing(instance, self._registry.lacking(instance.name, version))
            return None
        if instance.missing:  # its code is here before the message that says so
            for name in (instance.name, self._registry.lacking(instance.name, version)):
                self._blocked.remove_missing(instance, name)
        at_first_run = self._registry.at_first_run.pop(instance.name, None)
        if at_first_run is not None:
            at_first_run()
        return Execution(
            code.function,
            instance.id,
            instance.execution_id,
            self._codec,
            target_name,
            source=code.source,
            interrupts=self._options.interrupts,
            max_actions=self._options.max_orchestration_actions,
        )

    def runs_registered_code(self, instance: Instance, execution: Execution | None) -> bool:
        """Return True if the execution runs the code that is registered for the instance now."""
        code = self._registry.code(instance.name, instance.started.version)
        return execution is not None and code is not None and code.function is execution.function

    def remember(self, instance: Instance) -> None:
        """Count the instance as used just now, and drop others if too many events are in memory."""
        self._forget(instance)
        if instance.execution is None:
            return
        event_count = len(instance.execution.history)
        self._event_counts[instance] = event_count
        self._cached_events += event_count
        while self._cached_events > self._options.max_cached_events and len(self._event_counts) > 1:
            self.drop(next(iter(self._event_counts)))

    def drop(self, instance: Instance) -> None:
        """Take the instance out of memory; ``finally`` blocks of its code have no effect any more."""
        execution, instance.execution = instance.execution, None
        self._forget(instance)
        if execution is not None and not execution.is_finished:
            with capturing_for(MUTED):
                execution.unload()

    def _forget(self, instance: Instance) -> None:
        self._cached_events -= self._event_counts.pop(instance, 0)


class Instances:
    """The open instances, and the queues of those whose orchestrator can resume.

    `queue` has the instances that are in memory or that a client waits for. `backlog` has the others, which
    have to be replayed first: after a restart these may be a hundred thousand.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes every change.
    timers
        Takes scheduled starts.
    """

    def __init__(self, services: EngineServices, buffer: WriteBuffer, timers: Timers) -> None:
        self._buffer = buffer
        self._timers = timers
        self._clock = services.clock
        self._registry = services.registry
        self._completions = services.completions
        self.open: dict[str, Instance] = {}
        self.blocked = BlockedInstances(self.open)
        self.executions = Executions(services, self.blocked)
        self.imported: dict[str, Import] = {}
        """Imported instances and entities by id: they are never changed."""
        self.queue: deque[Instance] = deque()
        self.backlog: deque[Instance] = deque()
        self._closed_with_calls: WeakValueDictionary[str, Instance] = WeakValueDictionary()
        self._has_dropped = False

    def latest_version(self, name: str, version: str | None) -> str | None:
        """Return the version to start: the one requested, or else the newest one."""
        return self._registry.default_version(name) if version is None else version

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
        priority: int = 0,
    ) -> Instance:
        """Begin a new execution, and return its instance."""
        now = self._clock.now()
        execution_id = new_execution_id(instance_id, self._buffer.seq + 1, now)
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
            priority=priority,
        )
        instance = Instance(instance_id, execution_id, started)
        self.reopen(instance)
        if source is not None:
            self._buffer.keep(source)
        self._buffer.write(instance, started)
        instance.execution = self.executions.new(instance)
        if instance.execution is not None:
            instance.execution.deliver(started)
        if not self.postpone(instance, start_at):
            self.enqueue(instance)
        return instance

    def postpone(self, instance: Instance, start_at: datetime | None) -> bool:
        """Set a timer for a start in the future; return False if the instance is to start now."""
        if start_at is None or start_at <= self._clock.now():
            return False
        instance.is_due = False
        self._timers.add(start_at, instance, None)
        return True

    def reopen(self, instance: Instance) -> None:
        """Make this the open instance of its id."""
        self.open[instance.id] = instance
        self._completions.opened(instance.id, instance.started)

    def watch(self, instance_id: str) -> Future[InstanceOutcome] | None:
        """Return the promise of an instance's outcome, as `Completions.watch` does for the engine."""
        return self._completions.watch(instance_id, is_engine=True)

    def receive(
        self,
        instance: Instance,
        kind: Callable[..., Event],
        *fields: Any,
        timestamp: datetime | None = None,
        is_requested: bool = False,
    ) -> None:
        """Write an event that has arrived, and queue the instance if its orchestrator waits for that."""
        event = kind(instance.next_event_id, timestamp or self._clock.now(), *fields)
        self._buffer.write(instance, event)
        if instance.execution is not None:
            instance.execution.deliver(event)
        self.enqueue(instance, is_requested=is_requested)

    def enqueue(self, instance: Instance, *, is_requested: bool = False) -> None:
        """Queue the instance if its orchestrator may resume; with `is_requested`, ahead of the backlog."""
        if instance.is_queued and not (instance.is_late and is_requested):
            return
        if instance.is_closed or instance.is_suspended or instance.held:
            return
        if not instance.is_due:
            return
        if instance.execution is not None and not instance.execution.is_ready:
            return
        instance.is_queued = True
        instance.is_late = instance.execution is None and not is_requested
        (self.backlog if instance.is_late else self.queue).append(instance)

    def close(self, instance: Instance) -> None:
        """Remove an instance that has ended or continues as new."""
        instance.is_closed = True
        self.blocked.forget(instance)
        if self.open.get(instance.id) is instance:
            del self.open[instance.id]
        self.executions.drop(instance)

    def settle(self, instance: Instance, outcome: InstanceOutcome) -> None:
        """Resolve the promises of a closed instance's outcome, once it is on disk."""
        if instance.pending:
            self._closed_with_calls[instance.id] = instance
        self._buffer.after_commit(self._completions.closed(instance.id, outcome))

    # -- calls that are no longer wanted ----------------------------------------------------------

    def drop_calls(self, instance: Instance) -> None:
        """Don't begin the calls that the instance has scheduled and that have not begun."""
        instance.is_dropped = True
        self._has_dropped = True

    def drop_calls_of_closed(self, instance_id: str) -> None:
        """Don't begin what a closed instance has scheduled: it is rewound or purged."""
        instance = self._closed_with_calls.pop(instance_id, None)
        if instance is not None:
            self.drop_calls(instance)

    def forget(self, instance_ids: Sequence[str]) -> None:
        """Remove closed instances that are about to be deleted from memory."""
        self._completions.forget(instance_ids)
        for instance_id in instance_ids:
            self.drop_calls_of_closed(instance_id)

    def take_dropped(self) -> bool:
        """Return True if calls were dropped since this was last called."""
        has_dropped, self._has_dropped = self._has_dropped, False
        return has_dropped

    def unload(self) -> None:
        """Close all code in memory; ``finally`` blocks of it have no effect any more."""
        with capturing_for(MUTED):
            for instance in self.open.values():
                if instance.execution is not None:
                    instance.execution.unload()
