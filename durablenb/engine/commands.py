"""Commands of clients: each is checked, written as events, and carried out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from durablenb.core.entity import NOTHING
from durablenb.core.ports.store import InstanceQuery
from durablenb.engine import messages
from durablenb.engine.effects import Effects
from durablenb.engine.entities import Entities
from durablenb.engine.forks import Forks
from durablenb.engine.imports import Imports
from durablenb.engine.instances import Instances
from durablenb.engine.purging import families
from durablenb.engine.result_cache import ResultCache
from durablenb.engine.retention import Retention
from durablenb.engine.rewinds import Rewinds
from durablenb.engine.services import EngineServices
from durablenb.engine.upgrades import Upgrades
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.entities import CleanEntityStorageResult
from durablenb.model.errors import DurableError, InstanceExistsError, InstanceStateError
from durablenb.model.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)
from durablenb.model.status import InstanceState

REPLACED = 'It was replaced: its id was started again with if_exists="restart".'
"""The reason with which an instance is terminated when another one is started in its place."""

SHOWN_CHARACTERS = 120
"""Characters of an input that an error message shows."""


class Commands:
    """Carries out the commands of clients.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the events and the answers.
    instances, entities
        What the commands are for.
    effects
        Ends instances, and carries out what rewound and forked ones request.
    retention
        Deletes past generations.
    cache
        Has the remembered results.
    """

    def __init__(
        self,
        services: EngineServices,
        buffer: WriteBuffer,
        instances: Instances,
        entities: Entities,
        effects: Effects,
        retention: Retention,
        cache: ResultCache,
    ) -> None:
        self._store = services.store
        self._cache = cache
        self._clock = services.clock
        self._registry = services.registry
        self._buffer = buffer
        self._instances = instances
        self._entities = entities
        self._effects = effects
        self._retention = retention
        self._imports = Imports(services, buffer, instances, entities)
        self._rewinds = Rewinds(services, buffer, instances, effects)
        self._forks = Forks(services, buffer, instances, effects)
        self._upgrades = Upgrades(services, buffer, instances)
        self._handlers: dict[type, Callable[[Any], object]] = {
            messages.Start: self._start,
            messages.StartMany: self._start_many,
            messages.Raise: self._raise,
            messages.Cancel: self._cancel,
            messages.Terminate: self._terminate,
            messages.Suspend: self._suspend,
            messages.Resume: self._resume,
            messages.Rewind: self._rewind,
            messages.Fork: self._forks.begin,
            messages.Upgrade: self._upgrades.carry_out,
            messages.Purge: self._purge,
            messages.PurgePast: self._purge_past,
            messages.ImportHistory: self._imports.carry_out,
            messages.Watch: self._watch,
            messages.Signal: self._signal,
            messages.CleanEntities: self._clean_entities,
            messages.ClearCache: self._clear_cache,
        }

    def carry_out(self, message: messages.ClientMessage) -> None:
        """Carry out a command; its answer comes when all of it is on disk."""
        if message.reply.cancelled():
            return
        try:
            answer = self._handlers[type(message)](message)
        except DurableError as error:
            messages.refuse(message.reply, error)
            return
        except Exception as error:  # a mistake of the engine's own: the client must not wait for ever
            messages.refuse(message.reply, error)
            raise
        self._buffer.answer(message.reply, answer)

    def _start(self, message: messages.Start) -> str:
        if not self._is_attached(message, self._state):
            self._begin(message)
        return message.instance_id

    def _start_many(self, message: messages.StartMany) -> list[str]:
        """Check all starts before the first one is carried out."""
        instance_ids = tuple(start.instance_id for start in message.starts)
        states: dict[str, InstanceState] = {}
        if any(start.if_exists == "attach" or start.dedupe for start in message.starts):
            self._buffer.drain()
            found = self._store.states(InstanceQuery(instance_ids=instance_ids))
            states = {state.instance_id: state for state in found}
        for start in [start for start in message.starts if not self._is_attached(start, states.get)]:
            self._begin(start)
        return list(instance_ids)

    def _is_attached(self, message: messages.Start, state_of: Callable[[str], InstanceState | None]) -> bool:
        """Return True if the instance exists, and the start attaches to it; check all that a start needs.

        Raises
        ------
        InstanceExistsError
            If another instance has that id, and the start may not replace it.
        FunctionNotFoundError
            If no such orchestrator is registered.
        """
        self._imports.check_free(message.instance_id)
        if message.if_exists == "attach":
            state = state_of(message.instance_id)
            if state is not None:
                _check_same_start(message, state, self._store.starts(message.instance_id))
                return True
        if message.instance_id in self._instances.open and message.if_exists != "restart":
            raise InstanceExistsError(
                f"The instance {message.instance_id!r} is open: hub.handle({message.instance_id!r}) is its "
                'handle. Start with if_exists="attach" to get that in any case, with if_exists="restart" to '
                "replace it, or with another instance_id or none."
            )
        if self._registry.code(message.name, message.version) is None:
            raise self._registry.no_code(message.name, message.version)
        if message.dedupe:
            state = state_of(message.instance_id)
            if state is not None and state.status in message.dedupe:
                raise InstanceExistsError(
                    f"The instance {message.instance_id!r} is {state.status} already, and "
                    "dedupe_statuses says not to start it again."
                )
        return False

    def _begin(self, message: messages.Start) -> None:
        if message.instance_id in self._instances.open:
            self._end(self._family(message.instance_id), REPLACED)
        self._instances.begin(
            message.instance_id,
            message.name,
            message.input,
            version=message.version,
            tags=message.tags,
            start_at=message.start_at,
            priority=message.priority,
        )

    def _raise(self, message: messages.Raise) -> bool:
        self._imports.check(message.instance_id)
        instance = self._instances.open.get(message.instance_id)
        if instance is None:
            return False
        self._instances.receive(instance, EventRaised, message.name, message.input, is_requested=True)
        return True

    def _cancel(self, message: messages.Cancel) -> bool:
        self._imports.check(message.instance_id)
        instance = self._instances.open.get(message.instance_id)
        if instance is not None:
            self._effects.cancel(instance, message.reason)
        return instance is not None

    def _terminate(self, message: messages.Terminate) -> bool:
        self._imports.check(message.instance_id)
        instance_id = message.instance_id
        self._end(self._family(instance_id) if message.is_recursive else [instance_id], message.reason)
        return True

    def _end(self, instance_ids: Sequence[str], reason: str) -> None:
        """Terminate those of these instances that are open."""
        for instance_id in instance_ids:
            instance = self._instances.open.get(instance_id)
            if instance is not None:
                event = ExecutionTerminated(instance.next_event_id, self._clock.now(), reason)
                self._buffer.write(instance, event)
                self._effects.end(instance, event)

    def _suspend(self, message: messages.Suspend) -> bool:
        self._imports.check(message.instance_id)
        instance = self._instances.open.get(message.instance_id)
        if instance is not None and not instance.is_suspended:
            self._instances.receive(instance, ExecutionSuspended, message.reason)
            instance.is_suspended = True
        return instance is not None

    def _resume(self, message: messages.Resume) -> bool:
        self._imports.check(message.instance_id)
        instance = self._instances.open.get(message.instance_id)
        if instance is not None and instance.held:
            self._instances.blocked.release(instance)  # it may try once more
            self._instances.enqueue(instance, is_requested=True)
        if instance is not None and instance.is_suspended:
            instance.is_suspended = False
            self._instances.receive(instance, ExecutionResumed, message.reason, is_requested=True)
        return instance is not None

    def _rewind(self, message: messages.Rewind) -> None:
        self._imports.check(message.instance_id)
        self._rewinds.rewind(message.instance_id, message.reason)

    def _purge(self, message: messages.Purge) -> int:
        if message.only in self._instances.open:
            raise InstanceStateError(
                f"The instance {message.only!r} is open. Terminate it before you purge it."
            )
        self._buffer.drain()
        kept = self._instances.open.keys() | self._store.restarted(message.as_of)
        gone = [instance_id for instance_id in message.instance_ids if instance_id not in kept]
        self._instances.forget(gone)
        self._imports.forget(gone)
        if gone:
            self._buffer.purge(gone)
        return len(gone)

    def _purge_past(self, message: messages.PurgePast) -> int:
        self._imports.check(message.instance_id)
        return self._retention.purge([message.instance_id], message.keep)

    def _signal(self, message: messages.Signal) -> None:
        self._imports.check(message.entity_id)
        self._entities.enqueue(message.entity_id, message.name, message.input, deliver_at=message.deliver_at)

    def _clean_entities(self, message: messages.CleanEntities) -> CleanEntityStorageResult:
        released = self._entities.release_orphans() if message.releases_locks else 0
        self._buffer.drain()
        empty: list[str] = []
        if message.removes_empty:
            states = self._store.entity_states(None).items()
            imported = self._instances.imported
            empty = [
                entity_id
                for entity_id, state in states
                if state == NOTHING and not self._entities.is_busy(entity_id) and entity_id not in imported
            ]
        if empty:
            self._entities.forget(empty)
            self._buffer.purge(empty)
        return CleanEntityStorageResult(len(empty), released)

    def _clear_cache(self, message: messages.ClearCache) -> int:
        return self._cache.forget(message.name)

    def _watch(self, message: messages.Watch) -> Future[Any] | None:
        instance = self._instances.open.get(message.instance_id)
        if instance is None:
            if message.instance_id in self._instances.imported:
                state = self._state(message.instance_id)
                self._imports.check_wait(message.instance_id, None if state is None else state.status)
            return self._instances.watch(message.instance_id)
        self._instances.enqueue(instance, is_requested=True)  # whether it is blocked shows when it runs
        completion = self._instances.watch(message.instance_id)
        messages.answer(message.reply, completion)  # now: the promise itself says nothing that isn't on disk
        return completion

    def _family(self, instance_id: str) -> list[str]:
        """Return the ids of the instance, its children and theirs, without earlier instances of these ids."""
        self._buffer.drain()
        return families([instance_id], self._store.links([instance_id]))[0][::-1]

    def _state(self, instance_id: str) -> InstanceState | None:
        self._buffer.drain()
        states = self._store.states(InstanceQuery(instance_ids=(instance_id,)))
        return states[0] if states else None


def _check_same_start(
    start: messages.Start, state: InstanceState, starts: Sequence[ExecutionStarted]
) -> None:
    """Raise `InstanceExistsError` for an instance of another orchestrator, or with another input.

    Parameters
    ----------
    start
        The command.
    state
        The instance that has its id.
    starts
        The first events of that instance's executions, oldest first.
    """
    if state.name != start.name:
        raise InstanceExistsError(
            f"The instance {start.instance_id!r} is of {state.name!r}, not of {start.name!r}. Nothing was "
            f"started. hub.handle({start.instance_id!r}) is its handle. To start another one, use another "
            'instance_id, or if_exists="restart" to replace it.'
        )
    first = next((event for event in reversed(starts) if not event.generation), None)  # of all generations
    if first is not None and not _are_same_inputs(first.input, start.input):
        raise InstanceExistsError(
            f"The instance {start.instance_id!r} was started with another input: {_shortened(first.input)}, "
            f"not {_shortened(start.input)}. Nothing was started. hub.handle({start.instance_id!r}) is its "
            "handle, whatever the input. For the new input, use another instance_id, or "
            'if_exists="restart" to replace the instance.'
        )


def _are_same_inputs(text: str, other: str) -> bool:
    """Return True if two inputs are the same value; the keys of a dict may come in another order."""
    return text == other or bool(json.loads(text) == json.loads(other))


def _shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
