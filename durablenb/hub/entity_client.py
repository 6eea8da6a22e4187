"""The client's part for entities: signal, read, list, clean."""

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
    """What a client does with entities; each method returns when what it asked for is on disk.

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
        """Ask an entity for an operation; the call returns once that is on disk, and has no result.

        Parameters
        ----------
        entityId, operation_name, operation_input
            Which entity, what it is to do, and with what. The entity need not exist.
        task_hub_name, connection_name
            Taken for Azure's sake, and not looked at.
        at
            Not before that; a naive time is UTC.

        Raises
        ------
        FunctionNotFoundError
            If no such entity is registered.
        NotSerializableError
            If the input can't be kept.
        StoreError
            If the journal can't be written now, or the hub is closed.
        """
        self._control.request(self.signal_message(entityId, operation_name, operation_input, at=at))

    def signal_message(
        self, entity_id: EntityId, operation_name: str, operation_input: Any, *, at: datetime | None = None
    ) -> messages.Signal:
        """Return the message that asks the engine for an operation; see `signal_entity`."""
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
        """Return whether an entity exists, and the state that it has on disk now.

        Operations that are under way aren't waited for.

        Parameters
        ----------
        entityId
            Which entity.
        task_hub_name, connection_name
            Taken for Azure's sake, and not looked at.
        expected_type
            What the state is rebuilt as: a class, or an annotation such as ``list[Order]``.
        """
        instance_id = str(checked_entity_id(entityId))
        text = self._state_text(instance_id)
        if text == NOTHING:
            return EntityStateResponse(False)
        return EntityStateResponse(True, self._codec.decode(text, None if is_none(text) else expected_type))

    def entity_state(
        self, entity_id: EntityId, expected_type: Any = None, *, as_of: datetime | None = None
    ) -> Any:
        """Return an entity's state, now or as of a moment; None if it didn't exist then."""
        instance_id = str(checked_entity_id(entity_id))
        moment = aware(as_of)
        if moment is None:
            text = self._state_text(instance_id)
        else:
            self._journal.refresh(instance_id)
            text = self._journal.of(instance_id).entity_state_as_of(instance_id, moment)
        return self._codec.decode(text, None if is_none(text) else expected_type)

    def entity_texts(self, entity_ids: Iterable[EntityId]) -> dict[EntityId, str]:
        """Return the states of those of these entities that exist, as the journal has them: JSON."""
        wanted = {str(checked_entity_id(one)): one for one in entity_ids}
        states = self._journal.of().entity_states(list(wanted)) if wanted else {}
        return {wanted[one]: text for one, text in states.items() if text != NOTHING}

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
            Those of that name only, compared without case.
        fetch_state
            Whether their states are read, too.
        since
            Those only of which something was asked since that moment; a naive time is UTC.
        """
        wanted = None if name is None else checked_entity_name(name).lower()
        return self._journal.entities(wanted, aware(since), with_states=fetch_state)

    def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Delete what is left of entities that don't exist any more, with their histories.

        Parameters
        ----------
        remove_empty_entities
            Those without state that have nothing to do.
        release_orphaned_locks
            Locks whose orchestration is gone. There should be none: a lock ends with its orchestration.
        """
        asked = messages.CleanEntities(remove_empty_entities, release_orphaned_locks)
        done: CleanEntityStorageResult = self._control.request(asked)
        return done
