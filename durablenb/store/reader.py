"""Queries of a journal in DuckDB: of an open hub, of a file, or of a copy in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from durablenb.core.ports.store import (
    BegunExecution,
    InstanceQuery,
    PastGeneration,
    Record,
    blob_is_gone,
)
from durablenb.model.activities import ActivityAttempt
from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.status import InstanceState
from durablenb.model.times import naive
from durablenb.store import attempts, blobs, log_lines, outputs, statements
from durablenb.store.row_codec import from_row
from durablenb.store.states import instance_state, read_states


class JournalReader:
    """Reads a journal's tables and views. Subclasses implement `_ask`, which runs a statement."""

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that needs none of the views."""
        raise NotImplementedError

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over what is on disk; from any thread."""
        return self._ask(sql, parameters)

    def imports(self) -> list[Import]:
        """Return the imports that have not been purged, by id."""
        imports = map(Import._make, self._ask(statements.IMPORTS))
        return [origin._replace(imported=origin.imported.replace(tzinfo=UTC)) for origin in imports]

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the history of each instance's current execution, since its last rewind."""
        if len(instance_ids) == 1:
            rows = self._in_order(statements.LOAD_ONE, [instance_ids[0]])
        else:
            rows = self._in_order(statements.LOAD_MANY, [list(instance_ids)])
        return current_executions(map(from_row, rows))

    def starts(self, instance_id: str) -> list[ExecutionStarted]:
        """Return the first events of all executions of an instance, oldest first."""
        records = map(from_row, self._in_order(statements.STARTS, [instance_id]))
        return [record.event for record in records if isinstance(record.event, ExecutionStarted)]

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return the events of all executions of an instance after a place in the journal, oldest first."""
        return [from_row(row) for row in self._in_order(statements.LOAD_SINCE, [instance_id, after])]

    def blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob."""
        content = blobs.fetch(self._ask, blob_hash)
        if content is None:
            raise blob_is_gone(blob_hash)
        return content

    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the log lines of an instance and of its sub-orchestrations, oldest first."""
        return log_lines.load_family(self._ask, instance_id)

    def attempts(self, instance_ids: Sequence[str]) -> list[ActivityAttempt]:
        """Return the tries of activities of these instances that are known, oldest first."""
        return attempts.load(self._ask, instance_ids)

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""
        return outputs.load_family(self._ask, instance_id)

    def source(self, source_hash: str) -> str | None:
        """Return the source text of that hash, or None."""
        rows = self._ask(statements.SOURCE, [source_hash])
        return str(rows[0][0]) if rows else None

    def state(self, instance_id: str) -> InstanceState | None:
        """Return the state of an instance; None if there is no such instance."""
        states = self.states(InstanceQuery(instance_ids=(instance_id,)))
        return states[0] if states else None

    def exists(self, instance_id: str) -> bool:
        """Return True if there is such an instance; unlike `state`, this reads no payload."""
        return bool(self._ask(statements.EXISTS, [instance_id]))

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        """Return the states of these entities, or of all, as text; ``null`` for a deleted one."""
        if instance_ids is None:
            rows = self._ask(statements.ALL_ENTITY_STATES)
        else:
            rows = self._ask(statements.ENTITY_STATES, [list(instance_ids)])
        seqs = [seq for _, seq in rows if seq is not None]
        states = dict(self._ask(statements.PAYLOADS, [seqs])) if seqs else {}
        return {instance_id: states.get(seq, "null") for instance_id, seq in rows}

    def entity_state_at(self, instance_id: str, moment: datetime) -> str:
        """Return the state that the entity had then, as text; ``null`` if it didn't exist."""
        seq = self._ask(statements.ENTITY_STATE_AS_OF, [instance_id, naive(moment)])[0][0]
        return "null" if seq is None else str(self._ask(statements.PAYLOADS, [[seq]])[0][1])

    def entities(self, name: str | None, since: datetime | None) -> list[EntityMetadata]:
        """Return the existing entities, without their states, by id."""
        sql, parameters = statements.entities(name, since)
        return [
            EntityMetadata(EntityId.get_entity_id(entity), at.replace(tzinfo=UTC), backlog, owner)
            for entity, at, backlog, owner in self.query(sql, parameters)
        ]

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """Return the states of the instances that match a query."""
        ids = query.instance_ids or ()
        if len(ids) == 1 and query == InstanceQuery(instance_ids=ids):
            state = instance_state(self._ask, ids[0])
            return [] if state is None else [state]
        return read_states(self.query, query)

    def ids(self, query: InstanceQuery) -> list[str]:
        """Return the ids of the instances that match a query."""
        return [instance_id for (instance_id,) in self.query(*statements.select_ids(query))]

    def restarted(self, after: int) -> set[str]:
        """Return the ids of the instances that began an execution after a place in the journal."""
        return {instance_id for (instance_id,) in self.query(statements.RESTARTED, [after])}

    def links(self, instance_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Return all sub-orchestrations below these instances, each with its parent."""
        return [(child, parent) for child, parent in self.query(statements.LINKS, [list(instance_ids)])]

    def has_event(self, execution_id: str, event_id: int) -> bool:
        """Return True if the journal has an event of an execution."""
        return bool(self._ask(statements.HAS_EVENT, [execution_id, event_id]))

    def past_generations(self, instance_ids: Sequence[str], keep: int, limit: int) -> list[PastGeneration]:
        """Return the generations of these instances before the last `keep` and the current one."""
        ids = list(instance_ids)
        rows = self._ask(statements.PAST_GENERATIONS, [ids, keep, limit])
        if any(instance_id.startswith("@") for instance_id in ids):
            rows += self._ask(statements.PAST_PARTS, [ids, keep])
        return [
            PastGeneration(instance_id, execution_id, tuple(needed), bool(asked))
            for instance_id, execution_id, needed, asked in rows
        ]

    def begun_by(self, execution_ids: Sequence[str]) -> list[BegunExecution]:
        """Return the executions of all sub-orchestrations below these executions, at any depth."""
        return [BegunExecution(*row) for row in self._ask(statements.BEGUN_BY, [list(execution_ids)])]

    def descendants(self, instance_ids: Iterable[str]) -> list[str]:
        """Return all sub-orchestrations below these instances, parents first."""
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
