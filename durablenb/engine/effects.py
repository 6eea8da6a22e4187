"""Effects of an episode's events: calls, timers, children, signals, locks, and the end of the instance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from durablenb.core.registry import not_found
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.entities import Entities
from durablenb.engine.instance import Instance, InstanceOutcome
from durablenb.engine.instances import Instances
from durablenb.engine.retention import Retention
from durablenb.engine.services import EngineServices
from durablenb.engine.timers import Timers
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.entities import EntityId
from durablenb.model.errors import (
    InstanceExistsError,
    InstanceStateError,
    OrchestrationCanceledError,
    OrchestrationTerminatedError,
)
from durablenb.model.events import (
    ContinueAsNew,
    CustomStatusSet,
    Ending,
    EntityLockCanceled,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionCanceled,
    ExecutionCancelRequested,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTerminated,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationCancelRequested,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCanceled,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
)
from durablenb.model.failures import FailureDetails, describe_failure
from durablenb.model.status import OrchestrationRuntimeStatus as Status

_Refusal = tuple[Callable[..., Event], int, Exception]
"""An event that a refused request gets, the id of its task, and the error."""


class Effects:
    """Carries out what the events of an episode request; the events are written already.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the events that follow.
    timers
        Takes the timers.
    instances, entities
        Where children begin, and operations are called.
    dispatcher
        Takes the calls of activities.
    retention
        Deletes the generations that continue-as-new leaves behind.
    """

    def __init__(
        self,
        services: EngineServices,
        buffer: WriteBuffer,
        timers: Timers,
        instances: Instances,
        entities: Entities,
        dispatcher: Dispatcher,
        retention: Retention,
    ) -> None:
        self._clock = services.clock
        self._registry = services.registry
        self._buffer = buffer
        self._timers = timers
        self._instances = instances
        self._entities = entities
        self._dispatcher = dispatcher
        self._retention = retention

    def carry_out(self, instance: Instance, events: Sequence[Event]) -> None:
        """Carry out what these events request; a request that can't succeed fails at once."""
        refusals: list[_Refusal] = []
        for event in events:
            if isinstance(event, OrchestratorStarted):  # the first event of each episode
                continue
            if isinstance(event, TaskScheduled):
                self._schedule(instance, event, refusals)
            elif isinstance(event, TimerCreated):
                instance.pending.add(event.task_id)
                self._timers.add(event.fire_at, instance, event.task_id)
            elif isinstance(event, TimerCanceled):
                instance.pending.discard(event.task_id)
            elif isinstance(event, TaskCanceled):
                instance.pending.discard(event.task_id)
                self._dispatcher.stop(instance, event.task_id)
                refusals = [refusal for refusal in refusals if refusal[1] != event.task_id]
            elif isinstance(event, SubOrchestrationInstanceCreated):
                self._create_child(instance, event, refusals)
            elif isinstance(event, SubOrchestrationCancelRequested):
                self._cancel_child(instance, event)
            elif isinstance(event, EntityOperationCalled):
                self._call_entity(instance, event, refusals)
            elif isinstance(event, EntityOperationSignaled):
                caller = _link(instance, event.task_id)
                self._entities.enqueue(
                    event.entity_id, event.name, event.input, caller, deliver_at=event.deliver_at
                )
            elif isinstance(event, EntityLockRequested):
                if self._fails_for_imported(instance, event):
                    return
                instance.pending.add(event.task_id)
                self._entities.lock(_link(instance, event.task_id), event.entity_ids)
            elif isinstance(event, (EntityLockCanceled, EntityUnlockSent)):
                instance.pending.discard(event.task_id)
                self._entities.unlock((instance.id, instance.execution_id))
            elif isinstance(event, Ending):
                self.end(instance, event)
                return
        for kind, task_id, error in refusals:
            self._instances.receive(instance, kind, task_id, describe_failure(error, is_non_retriable=True))

    # -- requests --------------------------------------------------------------------------------

    def _schedule(self, instance: Instance, event: TaskScheduled, refusals: list[_Refusal]) -> None:
        registered = self._registry.activities
        if event.name in registered or instance.is_recovered:
            instance.pending.add(event.task_id)
            self._dispatcher.schedule_activity(instance, event)
        else:
            refusals.append((TaskFailed, event.task_id, not_found("activity", event.name, registered)))

    def _call_entity(
        self, instance: Instance, event: EntityOperationCalled, refusals: list[_Refusal]
    ) -> None:
        name = EntityId.get_entity_id(event.entity_id).name
        if event.entity_id in self._instances.imported:
            imported = InstanceStateError(self._instances.imported[event.entity_id].refusal)
            refusals.append((EntityOperationFailed, event.task_id, imported))
        elif self._registry.has_entity(name) or instance.is_recovered:
            instance.pending.add(event.task_id)
            caller = _link(instance, event.task_id)
            self._entities.enqueue(event.entity_id, event.name, event.input, caller, is_signal=False)
        else:
            unknown = not_found("entity", name, self._registry.entities)
            refusals.append((EntityOperationFailed, event.task_id, unknown))

    def _fails_for_imported(self, instance: Instance, event: EntityLockRequested) -> bool:
        """Fail an instance that requests the lock of an imported entity, which would never be granted."""
        imported = self._instances.imported
        entity_id = next((entity_id for entity_id in event.entity_ids if entity_id in imported), None)
        if entity_id is None:
            return False
        self.fail(instance, InstanceStateError(imported[entity_id].refusal))
        return True

    def _create_child(
        self, instance: Instance, event: SubOrchestrationInstanceCreated, refusals: list[_Refusal]
    ) -> None:
        error = self._child_error(instance, event)
        if error is not None:
            refusals.append((SubOrchestrationInstanceFailed, event.task_id, error))
            return
        instance.pending.add(event.task_id)
        self.begin_child(instance, event)

    def _child_error(self, instance: Instance, event: SubOrchestrationInstanceCreated) -> Exception | None:
        if self._registry.code(event.name, event.version) is None and not instance.is_recovered:
            return self._registry.no_code(event.name, event.version)
        if any(
            event.instance_id == f"{origin.execution_id}:{event.task_id}"
            for origin in instance.started.forked_from
        ):
            return InstanceExistsError(
                f"The child {event.instance_id!r} belongs to the instance that this one was forked from. "
                "Fork again, before the child was called."
            )
        if event.instance_id in self._instances.imported:
            refusal = self._instances.imported[event.instance_id].refusal
            return InstanceExistsError(f"{refusal} Give the child another instance_id, or none.")
        if event.instance_id in self._instances.open:
            return InstanceExistsError(
                f"The child's id {event.instance_id!r} is that of an open instance. "
                "Give the child another instance_id, or none."
            )
        return None

    def begin_child(self, instance: Instance, event: SubOrchestrationInstanceCreated) -> None:
        """Begin the execution that the event requests."""
        child = self._instances.begin(
            event.instance_id,
            event.name,
            event.input,
            version=event.version,
            parent=_link(instance, event.task_id),
            priority=instance.started.priority,
        )
        child.is_recovered = instance.is_recovered

    def _cancel_child(self, instance: Instance, event: SubOrchestrationCancelRequested) -> None:
        child = self._instances.open.get(event.instance_id)
        if child is not None and child.started.parent == _link(instance, event.task_id):
            self.cancel(child, event.reason)

    # -- ends ------------------------------------------------------------------------------------

    def cancel(self, instance: Instance, reason: str) -> None:
        """Write that the instance is to be canceled. One whose code has never run ends at once."""
        self._instances.receive(instance, ExecutionCancelRequested, reason, is_requested=True)
        if not instance.has_begun and not instance.started.generation:
            event = ExecutionCanceled(instance.next_event_id, self._clock.now(), reason)
            self._buffer.write(instance, event)
            self.end(instance, event)

    def fail(self, instance: Instance, error: Exception) -> None:
        """Write that the instance failed with this error, and end it."""
        event = ExecutionFailed(instance.next_event_id, self._clock.now(), describe_failure(error))
        self._buffer.write(instance, event)
        self.end(instance, event)

    def end(self, instance: Instance, event: Event) -> None:
        """Close the instance that ended with this event, or begin its next generation."""
        if isinstance(event, ContinueAsNew):
            self._continue_as_new(instance, event)
            return
        if isinstance(event, (ExecutionCanceled, ExecutionTerminated)):
            self._instances.drop_calls(instance)
            self._dispatcher.stop_all(instance)
        self._close(instance)
        self._instances.settle(instance, _outcome(instance.name, event))
        self._notify_parent(instance, event)

    def _continue_as_new(self, instance: Instance, event: ContinueAsNew) -> None:
        ended = instance.execution
        carried = ended.mailbox.unprocessed() if ended else []
        cancellation = ended.pending_cancellation if ended else None
        self._close(instance)
        started = instance.started
        successor = self._instances.begin(
            instance.id,
            started.name,
            event.input,
            version=started.version,
            tags=started.tags,
            parent=started.parent,
            generation=started.generation + 1,
            forked_from=tuple(replace(origin, tasks=0, again=()) for origin in started.forked_from),
            priority=started.priority,
        )
        successor.is_recovered = instance.is_recovered
        self._retention.note(instance.id, successor.started.generation)
        if ended is not None and ended.custom_status is not None:
            self._instances.receive(successor, CustomStatusSet, ended.custom_status)
        for raised in carried:
            self._instances.receive(
                successor, EventRaised, raised.name, raised.input, timestamp=raised.timestamp
            )
        if cancellation is not None:
            self._instances.receive(successor, ExecutionCancelRequested, cancellation)

    def _close(self, instance: Instance) -> None:
        self._entities.unlock((instance.id, instance.execution_id))
        self._instances.close(instance)

    def _notify_parent(self, instance: Instance, event: Event) -> None:
        link = instance.started.parent
        parent = None if link is None else self._instances.open.get(link.instance_id)
        if link is None or parent is None or parent.execution_id != link.execution_id:
            return
        if link.task_id not in parent.pending:
            return
        parent.pending.discard(link.task_id)
        if isinstance(event, ExecutionCompleted):
            result = event.result
            self._instances.receive(parent, SubOrchestrationInstanceCompleted, link.task_id, result)
        else:
            failure = _failure(instance, event)
            self._instances.receive(parent, SubOrchestrationInstanceFailed, link.task_id, failure)


def _link(instance: Instance, task_id: int) -> ParentInstance:
    """Return the reference to a task, which what the task requests carries."""
    return ParentInstance(instance.id, instance.execution_id, task_id, instance.name)


def _outcome(name: str, event: Event) -> InstanceOutcome:
    if isinstance(event, ExecutionCompleted):
        return InstanceOutcome(name, Status.Completed, event.result)
    if isinstance(event, ExecutionFailed):
        return InstanceOutcome(name, Status.Failed, event.failure.as_text())
    if isinstance(event, ExecutionCanceled):
        return InstanceOutcome(name, Status.Canceled, event.reason)
    assert isinstance(event, ExecutionTerminated)
    return InstanceOutcome(name, Status.Terminated, event.reason)


def _failure(instance: Instance, event: Event) -> FailureDetails:
    if isinstance(event, ExecutionFailed):
        return event.failure
    if isinstance(event, ExecutionCanceled):
        canceled = OrchestrationCanceledError(f"{instance.id} was canceled: {event.reason or 'no reason'}")
        return describe_failure(canceled, is_non_retriable=True)
    assert isinstance(event, ExecutionTerminated)
    return describe_failure(
        OrchestrationTerminatedError(f"{instance.id} was terminated: {event.reason or 'no reason'}")
    )
