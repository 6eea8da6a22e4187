"""The entities of a hub's file, and one of them as the file has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from durablenb.analysis.figures import EntityFigures
from durablenb.analysis.fleet import has_entities
from durablenb.core.entity import NOTHING, is_none
from durablenb.journal.file import FileReader
from durablenb.model.entities import EntityId, EntityMetadata, checked_entity_id, checked_entity_name
from durablenb.model.errors import DurableError, InstanceNotFoundError
from durablenb.model.times import aware
from durablenb.store.statements import ENTITY_STATE_AS_OF, ENTITY_STATES, PAYLOADS, entities_of

if TYPE_CHECKING:
    import duckdb

    from durablenb.analysis.entities import EntityQueue, EntitySnapshot

_IS_THERE = "select exists (select 1 from journal where instance_id = ?)"


class EntityReader(FileReader):
    """What a hub's file tells of entities."""

    def entities(self, name: str | None = None, *, since: datetime | None = None) -> list[EntityMetadata]:
        """Return the entities that exist, with their states, by their ids.

        Parameters
        ----------
        name
            Those of that name only, compared without case.
        since
            Those only of which something was asked since that moment; a naive time is UTC.
        """
        wanted = None if name is None else checked_entity_name(name).lower()
        with self.connection() as connection:
            if not has_entities(connection):
                return []
        found = [
            EntityMetadata(EntityId.get_entity_id(instance_id), moment.replace(tzinfo=UTC), backlog, owner)
            for instance_id, moment, backlog, owner in self._ask(*entities_of(wanted, aware(since)))
        ]
        states = self._states([str(one.entity_id) for one in found])
        return [replace(one, state=self._codec.shown(states[str(one.entity_id)])) for one in found]

    def entity(self, entity_id: EntityId) -> RecordedEntity:
        """Return an entity, to look at its state and its picture.

        Raises
        ------
        InstanceNotFoundError
            If nothing was ever asked of such an entity.
        """
        instance_id = str(checked_entity_id(entity_id))
        if not self._ask(_IS_THERE, [instance_id])[0][0]:
            raise InstanceNotFoundError(
                f"There is no entity {instance_id}. entities() lists those that there are."
            )
        return RecordedEntity(self, entity_id)

    def entity_state(
        self, entity_id: EntityId, expected_type: Any = None, *, as_of: datetime | None = None
    ) -> Any:
        """Return an entity's state, the last one or that of a moment; None if it didn't exist.

        Parameters
        ----------
        entity_id, expected_type, as_of
            As for `TaskHub.entity_state`.
        """
        instance_id, moment = str(checked_entity_id(entity_id)), aware(as_of)
        if moment is None:
            text = self._states([instance_id]).get(instance_id, NOTHING)
        else:
            then = moment.astimezone(UTC).replace(tzinfo=None)
            text = self._texts(self._ask(ENTITY_STATE_AS_OF, [instance_id, then])[0]).get(0, NOTHING)
        return self._codec.decode(text, None if is_none(text) else expected_type)

    def entity_picture(self, entity_id: EntityId) -> EntitySnapshot:
        """Return all that there is to draw of an entity."""
        from durablenb.analysis.entities import entity_snapshot  # what only pictures need

        with self.connection() as connection:
            return entity_snapshot(connection, entity_id, self._codec.shown, now=self.last_written())

    def queues(self, entity_ids: Sequence[str]) -> Mapping[str, EntityQueue]:
        """Return what these entities have to do."""
        from durablenb.analysis.entities import read_queues

        with self.connection() as connection:
            return read_queues(connection, entity_ids)

    def _states(self, instance_ids: Sequence[str]) -> dict[str, str]:
        rows = self._ask(ENTITY_STATES, [list(instance_ids)])
        texts = self._texts([place for _, place in rows])
        return {instance_id: texts[number] for number, (instance_id, _) in enumerate(rows)}

    def _texts(self, places: Sequence[int | None]) -> dict[int, str]:
        """Return what stands at these places of the journal, by the number of the place in this list."""
        found = dict(self._ask(PAYLOADS, [[place for place in places if place is not None]]))
        return {number: found[place] for number, place in enumerate(places) if place is not None}


class RecordedEntity(EntityFigures):
    """One entity of a file that is only read; `HubFile.entity` gives it.

    A notebook shows it as it was when the file was last written.
    """

    def __init__(self, file: EntityReader, entity_id: EntityId) -> None:
        self._file = file
        self.entity_id = entity_id
        """Which one."""

    def state(self, expected_type: Any = None, *, as_of: datetime | None = None) -> Any:
        """Return the state, the last one or that of a moment; None if it didn't exist."""
        return self._file.entity_state(self.entity_id, expected_type, as_of=as_of)

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self._file.connection()

    def _shown(self) -> EntitySnapshot:
        return self._file.entity_picture(self.entity_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordedEntity):
            return NotImplemented
        return (self._file, self.entity_id) == (other._file, other.entity_id)

    def __hash__(self) -> int:
        return hash(self.entity_id)

    def __repr__(self) -> str:
        try:
            return self._shown().line
        except DurableError:
            return f"<entity {self.entity_id} of a closed file>"
