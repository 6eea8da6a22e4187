"""Forks: instances that begin with a copy of another instance's past."""

from __future__ import annotations

from durablenb.core.execution import Execution
from durablenb.core.fork import Past
from durablenb.core.requests import SHOWN_FIELDS, difference_text
from durablenb.engine.effects import Effects
from durablenb.engine.instance import Instance
from durablenb.engine.instances import Instances
from durablenb.engine.messages import Fork
from durablenb.engine.services import EngineServices
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.errors import InstanceExistsError, InstanceStateError, NonDeterminismError
from durablenb.model.events import (
    Event,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    OrchestratorStarted,
)
from durablenb.model.ids import new_execution_id


class Forks:
    """Begins forks.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the past of each fork.
    instances
        Where forks are open.
    effects
        Carries out what the past requests and has not got.
    """

    def __init__(
        self, services: EngineServices, buffer: WriteBuffer, instances: Instances, effects: Effects
    ) -> None:
        self._store = services.store
        self._clock = services.clock
        self._registry = services.registry
        self._scope = services.orchestrator_scope
        self._buffer = buffer
        self._instances = instances
        self._effects = effects

    def begin(self, message: Fork) -> str:
        """Begin a fork if the code matches its past; return its id.

        Raises
        ------
        InstanceExistsError
            If an instance of that id is open.
        FunctionNotFoundError
            If its orchestrator isn't registered.
        NonDeterminismError
            If the code requests something else than its past has.
        InstanceStateError
            If its past was purged since it was read.
        """
        instance_id = message.instance_id
        if instance_id in self._instances.open:
            raise InstanceExistsError(
                f"The instance {instance_id!r} is open. Give the fork another instance_id, or none."
            )
        if instance_id in self._instances.imported:
            refusal = self._instances.imported[instance_id].refusal
            raise InstanceExistsError(f"{refusal} Give the fork another instance_id, or none.")
        past, now = message.past, self._clock.now()
        self._check_there(past)
        code = self._registry.code(past.started.name, past.started.version)
        if code is None:
            raise self._registry.no_code(past.started.name, past.started.version)
        execution_id = new_execution_id(instance_id, self._buffer.seq + 1, now)
        events, open_requests = past.fork_events(execution_id, code.source and code.source.hash, now)
        started = events[0]
        assert isinstance(started, ExecutionStarted)
        instance = Instance(instance_id, execution_id, started)
        execution = self._replayed(instance, events, past)
        instance.is_recovered = True  # its requests were made before: they wait for code that is missing
        instance.has_begun = past.has_begun
        self._instances.reopen(instance)
        if code.source is not None:
            self._buffer.keep(code.source)
        for event in events:
            self._buffer.write(instance, event)
            if isinstance(event, (ExecutionSuspended, ExecutionResumed)):
                instance.is_suspended = isinstance(event, ExecutionSuspended)
        if not instance.has_begun:
            self._instances.postpone(instance, started.scheduled_start_time)
        instance.execution = execution
        self._effects.carry_out(instance, open_requests)
        self._instances.enqueue(instance)
        return instance.id

    def _check_there(self, past: Past) -> None:
        """Raise `InstanceStateError` if the journal doesn't have the past any more."""
        origin = self._instances.open.get(past.instance_id)
        if origin is not None and origin.execution_id == past.execution_id:
            return
        self._buffer.drain()
        if not self._store.has_event(past.execution_id, past.events[-1].event_id):
            raise InstanceStateError(
                f"Nothing was forked: the past of {past.instance_id!r} was purged in the meantime. If the "
                "instance continued as new, fork again."
            )

    def _replayed(self, instance: Instance, events: list[Event], past: Past) -> Execution:
        execution = self._instances.executions.new(instance)
        assert execution is not None
        try:
            with self._scope:
                execution.replay(events)
        except BaseException as error:
            self._instances.blocked.forget(instance)
            with self._scope:
                execution.unload()
            if isinstance(error, NonDeterminismError):
                raise _diverged(error, events, past) from None
            raise
        return execution


def _diverged(error: NonDeterminismError, events: list[Event], past: Past) -> NonDeterminismError:
    """Return the error for code that doesn't match the shared past, with where to fork instead."""
    last = events[-1].event_id if error.event_id is None else error.event_id
    episodes = [
        event.event_id for event in events if isinstance(event, OrchestratorStarted) and event.event_id < last
    ]
    before = (episodes[-1] if episodes else 2) - 1 + past.events[0].event_id - 1
    where = f"at line {error.line}" if error.line else "in the orchestrator"
    fields = "".join(
        f"; {difference_text(*each)}" for each in error.differences if each[0] not in SHOWN_FIELDS
    )
    return NonDeterminismError(
        f"Nothing was forked: with this past the code {where} asks for something else than is recorded "
        f"before the fork: recorded is {error.recorded}, requested is {error.requested}{fields}.\n"
        f"Fork at event {before} or before: from there on it makes new requests.",
        line=error.line,
        file=error.file,
        function=error.function,
        differences=error.differences,
        recorded=error.recorded,
        requested=error.requested,
        event_id=error.event_id,
    )
