"""Upgrades: instances in memory move to the code that is registered now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from durablenb.core.execution import Execution
from durablenb.core.mismatch import Mismatch
from durablenb.engine.instance import Instance
from durablenb.engine.instances import Instances
from durablenb.engine.messages import Upgrade
from durablenb.engine.services import EngineServices
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.errors import NonDeterminismError, TypeNotRegisteredError, WaitTimeoutError
from durablenb.model.events import Event

UpgradeOutcome = Literal["moved", "current", "kept", "held"]
"""Moved to the new code, ran that already, keeps the code it has in memory, or doesn't run.

An instance that waits for more code at a ``yield ...`` takes up what is registered by itself.
"""


class Upgraded(NamedTuple):
    """The effect of an upgrade on an instance.

    Parameters
    ----------
    instance_id, outcome
        The instance, and what was done.
    misfit
        Why it did not move.
    events
        The length of its history.
    """

    instance_id: str
    outcome: UpgradeOutcome
    misfit: Mismatch | None
    events: int


class Upgrades:
    """Moves instances to the registered code.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Is drained before histories are read.
    instances
        The open instances.
    """

    def __init__(self, services: EngineServices, buffer: WriteBuffer, instances: Instances) -> None:
        self._store = services.store
        self._registry = services.registry
        self._scope = services.orchestrator_scope
        self._buffer = buffer
        self._instances = instances
        self._executions = instances.executions

    def carry_out(self, message: Upgrade) -> list[Upgraded]:
        """Move those instances that are open and that the code fits; return what was done to each."""
        opened = self._instances.open
        instances = [opened[instance_id] for instance_id in message.instance_ids if instance_id in opened]
        histories = self._histories([instance for instance in instances if instance.execution is None])
        return [self._upgrade(instance, histories, holds=message.holds) for instance in instances]

    def _histories(self, instances: Sequence[Instance]) -> dict[str, list[Event]]:
        if not instances:
            return {}
        self._buffer.drain()
        return self._store.load([instance.id for instance in instances])

    def _upgrade(self, instance: Instance, histories: dict[str, list[Event]], *, holds: bool) -> Upgraded:
        old = instance.execution
        history = histories.get(instance.id, []) if old is None else list(old.history)
        is_current = self._executions.runs_registered_code(instance, old)
        if is_current or isinstance(instance.held, WaitTimeoutError):
            return Upgraded(instance.id, "current", None, len(history))
        new = self._executions.new(instance)
        if new is None:
            no_code = self._registry.no_code(instance.name, instance.started.version)
            return Upgraded(instance.id, "kept" if old else "held", no_code, len(history))
        misfit = self._misfit(instance, new, history)
        if misfit is None:
            self._replace(instance, new)
            return Upgraded(instance.id, "moved", None, len(history))
        if old is not None and not holds:
            return Upgraded(instance.id, "kept", misfit, len(history))
        self._executions.drop(instance)
        self._instances.blocked.hold(instance, misfit)
        return Upgraded(instance.id, "held", misfit, len(history))

    def _replace(self, instance: Instance, execution: Execution) -> None:
        self._executions.drop(instance)
        instance.execution = execution
        self._instances.blocked.release(instance)
        self._executions.remember(instance)
        self._instances.enqueue(instance)

    def _misfit(self, instance: Instance, new: Execution, history: list[Event]) -> Mismatch | None:
        self._store.mark_replay(instance.id)
        try:
            with self._scope:
                new.replay(history)
        except (NonDeterminismError, TypeNotRegisteredError) as error:
            with self._scope:
                new.unload()
            return error
        finally:
            self._store.mark_replay(None)
        return None
