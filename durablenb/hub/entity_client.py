"""The part of the client for entities: signal, read, list, clean."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from durablenb.core.entity import NOTHING, is_none
from durablenb.engine import messages
from durablenb.hub.control import Control
from durablenb.journal.port import Journal
from durablenb.model.entities import (
    CleanEntityStorageResult,
    EntityId,
    EntityMetadata,
    EntityStateResponse,
    checked_entity_id,
    checked_entity_name,
    checked_operation,
)
from durablenb.model.payloads import Codec
from durablenb.model.times import aware


class SyncDurableEntityClient:
    """Azure's client methods for entities. Each returns when its effect is on disk.

    Parameters
    ----------
    journal
        What happened to the hub's entities.
    control
        Does what should happen to them.
    """

    def __init__(self, journal: Journal, control: Control) -> None:
        self._journal = journal
        self._control = control
        self._codec: Codec = journal.codec

    def signal_entity(
        self,
        entityId: EntityId,
        operation_name: str,
        operation_input: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Signal an entity: request an operation without a result. It returns when the signal is on disk.

        Parameters
        ----------
        entityId, operation_name, operation_input
            The entity, which need not exist; the name of the operation, and its input.
        task_hub_name, connection_name
            Accepted because Azure has them, and ignored.
        at
            The operation doesn't run before this time; a naive time is UTC.

        Raises
        ------
        FunctionNotFoundError
            If no such entity is registered.
        NotSerializableError
            If the input can't be stored.
        StoreError
            If the journal can't be written now, or the hub is closed.
        """
        self._control.request(self.signal_message(entityId, operation_name, operation_input, at=at))

    def signal_message(
        self, entity_id: EntityId, operation_name: str, operation_input: Any, *, at: datetime | None = None
    ) -> messages.Signal:
        """Return the command that signals an entity; see `signal_entity`."""
        chosen = checked_entity_id(entity_id)
        self._control.check_entity(chosen.name)
        text = self._control.encode(operation_input, "input")
        name = checked_operation(operation_name)
        return messages.Signal(str(chosen), name, text, aware(at))

    def read_entity_state(
        self,
        entityId: EntityId,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        expected_type: Any = None,
    ) -> EntityStateResponse:
        """Return whether an entity exists, and its state on disk.

        The call doesn't wait for running operations.

        Parameters
        ----------
        entityId
            The entity's id.
        task_hub_name, connection_name
            Accepted because Azure has them, and ignored.
        expected_type
            The type that the state is rebuilt as: a class, or an annotation such as ``list[Order]``.
        """
        instance_id = str(checked_entity_id(entityId))
        text = self._state_text(instance_id)
        if text == NOTHING:
            return EntityStateResponse(False)
        return EntityStateResponse(True, self._codec.decode(text, None if is_none(text) else expected_type))

    def entity_state(
        self, entity_id: EntityId, expected_type: Any = None, *, as_of: datetime | None = None
    ) -> Any:
        """Return an entity's state, now or at a time; None if it didn't exist then."""
        instance_id = str(checked_entity_id(entity_id))
        moment = aware(as_of)
        if moment is None:
            text = self._state_text(instance_id)
        else:
            self._journal.refresh(instance_id)
            text = self._journal.of(instance_id).entity_state_at(instance_id, moment)
        return self._codec.decode(text, None if is_none(text) else expected_type)

    def entity_texts(self, entity_ids: Iterable[EntityId]) -> dict[EntityId, str]:
        """Return the states of these entities as JSON text, without those that don't exist."""
        wanted = {str(checked_entity_id(entity_id)): entity_id for entity_id in entity_ids}
        states = self._journal.of().entity_states(list(wanted)) if wanted else {}
        return {wanted[key]: text for key, text in states.items() if text != NOTHING}

    def _state_text(self, instance_id: str) -> str:
        self._journal.refresh(instance_id)
        return self._journal.of(instance_id).entity_states([instance_id]).get(instance_id, NOTHING)

    def list_entities(
        self, name: str | None = None, fetch_state: bool = True, since: datetime | None = None
    ) -> list[EntityMetadata]:
        """Return the entities that exist, by their ids.

        Parameters
        ----------
        name
            The name of the entities, compared without case; by default all of them.
        fetch_state
            Whether their states are read.
        since
            Only entities of which an operation was requested since that time; a naive time is UTC.
        """
        wanted = None if name is None else checked_entity_name(name).lower()
        return self._journal.entities(wanted, aware(since), with_states=fetch_state)

    def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Delete the histories of entities that don't exist any more; return how many there were.

        Parameters
        ----------
        remove_empty_entities
            Whether entities without a state and without pending operations are deleted.
        release_orphaned_locks
            Whether locks are released whose orchestration doesn't exist. There should be none: a lock ends
            with its orchestration.
        """
        command = messages.CleanEntities(remove_empty_entities, release_orphaned_locks)
        result: CleanEntityStorageResult = self._control.request(command)
        return result
