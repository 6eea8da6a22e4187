"""The questions that a journal in DuckDB answers: of an open hub, of a file, of a copy in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from durablenb.core.ports.store import InstanceQuery, Record, blob_is_gone
from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.status import InstanceState
from durablenb.store import blobs, lines, statements
from durablenb.store.states import instance_state, states_of
from durablenb.store.wire import from_row


class JournalReader:
    """Reads a journal's tables and views. A subclass says how a statement is run: `_ask`."""

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that needs none of the views."""
        raise NotImplementedError

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over what is on disk; from any thread."""
        return self._ask(sql, parameters)

    def imports(self) -> list[Import]:
        """What was taken in and not purged since, by id."""
        found = map(Import._make, self._ask(statements.IMPORTS))
        return [one._replace(imported=one.imported.replace(tzinfo=UTC)) for one in found]

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """The current execution's history of each instance, since its last rewind."""
        if len(instance_ids) == 1:
            rows = self._in_order(statements.LOAD_ONE, [instance_ids[0]])
        else:
            rows = self._in_order(statements.LOAD_MANY, [list(instance_ids)])
        return current_executions(map(from_row, rows))

    def starts(self, instance_id: str) -> list[ExecutionStarted]:
        """The first events of all executions of an instance, oldest first."""
        records = map(from_row, self._in_order(statements.STARTS, [instance_id]))
        return [record.event for record in records if isinstance(record.event, ExecutionStarted)]

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """The events of an instance after a place in the journal, of all its executions, oldest first."""
        return [from_row(row) for row in self._in_order(statements.LOAD_SINCE, [instance_id, after])]

    def blob(self, blob_hash: str) -> bytes:
        """The bytes of a blob."""
        found = blobs.fetch(self._ask, blob_hash)
        if found is None:
            raise blob_is_gone(blob_hash)
        return found

    def lines(self, instance_id: str) -> list[LogLine]:
        """The lines of the logs of an instance and of its sub-orchestrations, oldest first."""
        return lines.lines_of(self._ask, instance_id)

    def source(self, source_hash: str) -> str | None:
        """The source text of that hash, or None."""
        found = self._ask(statements.SOURCE, [source_hash])
        return str(found[0][0]) if found else None

    def state(self, instance_id: str) -> InstanceState | None:
        """The state of an instance; None if there is none."""
        states = self.states(InstanceQuery(instance_ids=(instance_id,)))
        return states[0] if states else None

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        """The states as text of these entities, or of all; ``null`` for one that was deleted."""
        if instance_ids is None:
            rows = self._ask(statements.ALL_ENTITY_STATES)
        else:
            rows = self._ask(statements.ENTITY_STATES, [list(instance_ids)])
        places = [seq for _, seq in rows if seq is not None]
        states = dict(self._ask(statements.PAYLOADS, [places])) if places else {}
        return {instance_id: states.get(seq, "null") for instance_id, seq in rows}

    def entity_state_as_of(self, instance_id: str, moment: datetime) -> str:
        """The state as text that the entity had then; ``null`` if it didn't exist."""
        then = moment.astimezone(UTC).replace(tzinfo=None)
        place = self._ask(statements.ENTITY_STATE_AS_OF, [instance_id, then])[0][0]
        return "null" if place is None else str(self._ask(statements.PAYLOADS, [[place]])[0][1])

    def entities(self, name: str | None, since: datetime | None) -> list[EntityMetadata]:
        """The entities that exist, without their states, by their ids."""
        sql, parameters = statements.entities_of(name, since)
        return [
            EntityMetadata(EntityId.get_entity_id(entity), at.replace(tzinfo=UTC), backlog, owner)
            for entity, at, backlog, owner in self.query(sql, parameters)
        ]

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """The states of the instances that the query is about."""
        ids = query.instance_ids or ()
        if len(ids) == 1 and query == InstanceQuery(instance_ids=ids):
            state = instance_state(self._ask, ids[0])
            return [] if state is None else [state]
        return states_of(self.query, query)

    def ids(self, query: InstanceQuery) -> list[str]:
        """The ids of the instances that the query is about."""
        return [one for (one,) in self.query(*statements.ids_of(query))]

    def restarted(self, after: int) -> set[str]:
        """The instances of which an execution began after a place in the journal."""
        return {one for (one,) in self.query(statements.RESTARTED, [after])}

    def links(self, instance_ids: Iterable[str]) -> list[tuple[str, str]]:
        """All sub-orchestrations of these instances, their own ones too, each with its parent."""
        return [(one, parent) for one, parent in self.query(statements.LINKS, [list(instance_ids)])]

    def descendants(self, instance_ids: Iterable[str]) -> list[str]:
        """All sub-orchestrations of these instances, their own ones too, parents first."""
        rows = self._ask(statements.DESCENDANTS, [list(instance_ids)])
        return [row[0] for row in rows]

    def _in_order(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return sorted(self._ask(sql, parameters), key=itemgetter(0))


def current_executions(records: Iterable[Record]) -> dict[str, list[Event]]:
    """Return the events of the last execution of each instance, since its last rewind."""
    histories: dict[str, list[Event]] = {}
    for record in records:
        if isinstance(record.event, ExecutionStarted):
            histories[record.instance_id] = []
        if record.instance_id in histories:
            histories[record.instance_id].append(record.event)
    return histories
