"""Rewinds: failed instances run again from before their failures, and so do their failed children."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.core.execution import Execution
from durablenb.core.ports.store import InstanceQuery
from durablenb.core.rewind import rewound
from durablenb.engine.effects import Effects
from durablenb.engine.instance import Instance
from durablenb.engine.instances import Instances
from durablenb.engine.services import EngineServices
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.errors import InstanceNotFoundError, InstanceStateError
from durablenb.model.events import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionTerminated,
    OperationCompleted,
    OperationEnqueued,
    OperationFailed,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
)
from durablenb.model.status import InstanceState
from durablenb.model.status import OrchestrationRuntimeStatus as Status

_ONE_WAY = (EntityOperationSignaled, EntityUnlockSent)
"""Requests without a result, which a rewind doesn't repeat."""


class Rewinds:
    """Rewinds failed instances.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the events of rewound instances.
    instances
        Where rewound instances are open again.
    effects
        Carries out what they request once more.
    """

    def __init__(
        self, services: EngineServices, buffer: WriteBuffer, instances: Instances, effects: Effects
    ) -> None:
        self._store = services.store
        self._clock = services.clock
        self._registry = services.registry
        self._attempt_writer = services.attempt_writer
        self._scope = services.orchestrator_scope
        self._buffer = buffer
        self._instances = instances
        self._effects = effects

    def rewind(self, instance_id: str, reason: str) -> None:
        """Rewind a failed instance, with its failed children and theirs.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        InstanceStateError
            If it has not failed, or one of these failed in a critical section.
        FunctionNotFoundError
            If the code of one of these isn't registered.
        """
        self._buffer.drain()
        failed = {
            member.instance_id: member
            for member in self._states((instance_id, *self._store.descendants([instance_id])))
            if member.status is Status.Failed
        }
        if instance_id not in failed:
            raise self._not_failed(instance_id)
        for member in failed.values():
            if self._registry.code(member.name, member.version) is None:
                raise self._registry.no_code(member.name, member.version)
            self._check_locks(member)
        self._rewind(failed[instance_id], reason, failed)

    def _states(self, instance_ids: Sequence[str]) -> list[InstanceState]:
        return self._store.states(InstanceQuery(instance_ids=tuple(instance_ids)))

    def _not_failed(self, instance_id: str) -> Exception:
        states = self._states([instance_id])
        if not states:
            return InstanceNotFoundError(f"The hub has no instance {instance_id!r}.")
        return InstanceStateError(
            f"The instance {instance_id!r} is {states[0].status}; only a failed one can be rewound."
        )

    def _check_locks(self, state: InstanceState) -> None:
        """Refuse an instance that failed in a critical section: its locks are lost."""
        history = self._store.load([state.instance_id])[state.instance_id]
        if not any(isinstance(event, EntityLockRequested) for event in history):
            return
        _, execution, _ = self._replayed(state, history, 1)
        if execution.is_locked:
            raise InstanceStateError(
                f"{state.instance_id} failed in a critical section. Its locks were released, and others may "
                "have changed the entities since, so it can't be rewound. Start it again: handle.restart()."
            )

    def _replayed(
        self, state: InstanceState, history: list[Event], first_id: int
    ) -> tuple[Instance, Execution, list[Event]]:
        """Return a new instance, its rewound execution, and the events that are kept of the history."""
        started = history[0]
        assert isinstance(started, ExecutionStarted)
        instance = Instance(state.instance_id, state.execution_id, started)
        execution = self._instances.executions.new(instance)
        assert execution is not None
        with self._scope:
            kept = rewound(execution, history, first_id)
        return instance, execution, kept

    def _rewind(self, state: InstanceState, reason: str, failed: dict[str, InstanceState]) -> None:
        """Rewind an instance, and those of its children that are among the `failed`, in one transaction."""
        history = self._store.load([state.instance_id])[state.instance_id]
        mark = ExecutionRewound(history[-1].event_id + 1, self._clock.now(), reason)
        instance, execution, kept = self._replayed(state, history, mark.event_id + 1)
        self._instances.drop_calls_of_closed(instance.id)
        self._instances.reopen(instance)
        instance.has_begun = True
        for event in (mark, *kept):
            self._buffer.write(instance, event)
        sent = {event.task_id for event in history if isinstance(event, _ONE_WAY)}
        open_requests = [
            event for event in kept if not (isinstance(event, _ONE_WAY) and event.task_id in sent)
        ]
        instance.execution = execution
        self._resume(instance, open_requests, reason, failed)

    def _resume(
        self, instance: Instance, kept: Sequence[Event], reason: str, failed: dict[str, InstanceState]
    ) -> None:
        """Repeat the requests that have no result; follow up those that others have begun to carry out."""
        settled = {
            getattr(event, "task_id", None)
            for event in kept
            if event.settlement == "completed" and not isinstance(event, EventRaised)
        }
        begun: list[tuple[SubOrchestrationInstanceCreated | EntityOperationCalled, Event]] = []
        repeated: list[Event] = []
        for event in kept:
            if getattr(event, "task_id", None) in settled:
                continue
            last = self._last_event(instance, event)
            if last is not None:
                assert isinstance(event, (SubOrchestrationInstanceCreated, EntityOperationCalled))
                begun.append((event, last))
            elif not isinstance(event, (ExecutionStarted, OrchestratorStarted)):
                repeated.append(event)
        tries = self._attempt_writer.earlier_tries([instance.id])
        instance.tries.update(tries.get(instance.execution_id, {}))
        self._effects.carry_out(instance, repeated)
        for request, last in begun:
            if not instance.is_closed:
                self._follow_up(instance, request, last, reason, failed)
        self._instances.enqueue(instance)

    def _follow_up(
        self,
        parent: Instance,
        request: SubOrchestrationInstanceCreated | EntityOperationCalled,
        last: Event,
        reason: str,
        failed: dict[str, InstanceState],
    ) -> None:
        """Take the result that came after the failure, or rewind a failed child; otherwise wait."""
        if isinstance(last, ExecutionCompleted):
            self._instances.receive(parent, SubOrchestrationInstanceCompleted, request.task_id, last.result)
            return
        if isinstance(last, OperationCompleted):
            self._instances.receive(parent, EntityOperationCompleted, request.task_id, last.result)
            return
        parent.pending.add(request.task_id)
        if isinstance(last, ExecutionFailed):
            assert isinstance(request, SubOrchestrationInstanceCreated)
            self._rewind(failed[request.instance_id], reason, failed)

    # -- requests that were being carried out ------------------------------------------------------

    def _last_event(self, instance: Instance, request: Event) -> Event | None:
        """Return the last event of the child or operation requested; None if it must be requested again."""
        if isinstance(request, SubOrchestrationInstanceCreated):
            return self._last_event_of_child(instance, request)
        if isinstance(request, EntityOperationCalled):
            return self._last_event_of_operation(instance, request)
        return None

    def _last_event_of_child(
        self, parent: Instance, request: SubOrchestrationInstanceCreated
    ) -> Event | None:
        history = self._store.load([request.instance_id]).get(request.instance_id, [])
        link = ParentInstance(parent.id, parent.execution_id, request.task_id, parent.name)
        if not history or getattr(history[0], "parent", None) != link:
            return None
        is_stopped = isinstance(history[-1], (ExecutionCanceled, ExecutionTerminated))
        return None if is_stopped else history[-1]

    def _last_event_of_operation(self, caller: Instance, request: EntityOperationCalled) -> Event | None:
        """Look in the entity's history: the entity does an operation although its caller has failed."""
        requested_at = [
            record.seq
            for record in self._store.records(caller.id)
            if record.execution_id == caller.execution_id
            and isinstance(record.event, EntityOperationCalled)
            and record.event.task_id == request.task_id
        ]
        link = ParentInstance(caller.id, caller.execution_id, request.task_id, caller.name)
        last: Event | None = None
        execution_id, number = "", 0
        for record in self._store.records(request.entity_id, after=min(requested_at, default=1) - 1):
            event = record.event
            if isinstance(event, OperationEnqueued) and event.caller == link and not event.is_signal:
                last, execution_id, number = event, record.execution_id, event.event_id
            elif (
                isinstance(event, (OperationCompleted, OperationFailed))
                and record.execution_id == execution_id
                and event.task_id == number
            ):
                last = event
        return None if isinstance(last, OperationFailed) else last
