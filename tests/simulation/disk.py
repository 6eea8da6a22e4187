"""The store as the simulator sees it: a journal, and a disk in front of it on which things go wrong."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from durablenb.core.ports.store import (
    BegunExecution,
    HistoryBundle,
    InstanceQuery,
    OpenEntity,
    OpenInstance,
    PastGeneration,
    Record,
    Store,
)
from durablenb.lab.memory_store import MemoryStore
from durablenb.model.activities import ActivityAttempt
from durablenb.model.entities import EntityMetadata
from durablenb.model.errors import StoreError
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.payloads import Blob
from durablenb.model.queues import QueueMembers, QueueStart
from durablenb.model.source import Source
from durablenb.model.status import InstanceState
from tests.simulation.audit import Audit
from tests.simulation.orchestrators import Crash


class ModelStore(MemoryStore):
    """The reference store with an index, so that ten thousand seeds take a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._of: dict[str, list[Record]] = {}

    def append(self, records: Sequence[Record]) -> None:
        super().append(records)
        for record in records:
            self._of.setdefault(record.instance_id, []).append(record)

    def purge(
        self, instance_ids: Sequence[str], execution_ids: Sequence[str] = (), needed: Sequence[int] = ()
    ) -> None:
        super().purge(instance_ids, execution_ids, needed)
        for instance_id in instance_ids:
            self._of.pop(instance_id, None)
        if execution_ids:
            self._of = {}
            for record in self.journal:
                self._of.setdefault(record.instance_id, []).append(record)

    def last_seq(self) -> int:
        return self.journal[-1].seq if self.journal else 0

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        return [record for record in self._of.get(instance_id, ()) if record.seq > after]

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        if query.instance_ids is None:
            return super().states(query)
        few = MemoryStore()
        few.journal = [record for one in query.instance_ids for record in self.records(one)]
        return few.states(query)

    def open_entities(self) -> list[OpenEntity]:
        few = MemoryStore()
        few.journal = [record for one in self._of if one[0] == "@" for record in self.records(one)]
        return few.open_entities()

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        few = MemoryStore()
        chosen = self._of if instance_ids is None else instance_ids
        few.journal = [record for one in chosen if one[0] == "@" for record in self.records(one)]
        return few.entity_states(instance_ids)

    def _ids(self) -> list[str]:
        return list(self._of)


CRASH_BEFORE, CRASH_AFTER, ERROR_BEFORE, ERROR_AFTER = FAULTS = (
    "crash before the commit",
    "crash after the commit",
    "error before the commit",
    "error after the commit",
)


class Disk:
    """The store port; every write is audited, and `fault` is what becomes of the next one.

    Parameters
    ----------
    open_store
        Opens the store that survives crashes.
    audit
        Is told what was written.
    note
        Writes it down.
    """

    def __init__(
        self, open_store: Callable[[], Store], audit: Audit, note: Callable[[str, Sequence[Record]], None]
    ) -> None:
        self._open_store = open_store
        self._audit = audit
        self._note = note
        self._is_unsure = False
        self.store = open_store()
        self.fault: str | None = None
        self.read_fault: BaseException | None = None
        self.is_full = False
        self.is_dead = False

    def die(self) -> None:
        """Whatever the process still does reaches no disk."""
        self.is_dead = True
        raise Crash

    def reopen(self) -> None:
        """A new process opens the journal."""
        self.store.close()
        self.store = self._open_store()
        self.is_dead = self._is_unsure = False
        self.fault = self.read_fault = None

    # -- the port --------------------------------------------------------------------------------

    @property
    def hub_id(self) -> str:
        return self.store.hub_id

    def append(self, records: Sequence[Record]) -> None:
        fault = self._write_fault()
        if self._is_unsure:
            last = self.store.last_seq()
            records = [record for record in records if record.seq > last]
        self._is_unsure = False
        if records:
            self.store.append(records)
            self._audit.appended(records)
            self._note("on disk", records)
        self._after(fault)

    def keep(self, sources: Sequence[Source]) -> None:
        self._alive().keep(sources)

    def append_lines(self, said: Sequence[LogLine]) -> None:
        self._alive().append_lines(said)

    def append_outputs(self, states: Sequence[OutputState], carried: Sequence[Blob]) -> None:
        self._alive().append_outputs(states, carried)

    def put_attempts(self, attempts: Sequence[ActivityAttempt]) -> None:
        self._alive().put_attempts(attempts)

    def attempts(self, instance_ids: Sequence[str]) -> list[ActivityAttempt]:
        return self._readable().attempts(instance_ids)

    def write_queues(self, queues: Sequence[QueueMembers], starts: Sequence[QueueStart]) -> None:
        self._alive().write_queues(queues, starts)

    def queue_starts(self, queue: str) -> list[QueueStart]:
        return self._readable().queue_starts(queue)

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        self._alive().import_histories(bundle, imports, after)

    def imports(self) -> list[Import]:
        return self._readable().imports()

    def existing_ids(
        self, instance_ids: Iterable[str], execution_ids: Iterable[str]
    ) -> tuple[set[str], set[str]]:
        return self._readable().existing_ids(instance_ids, execution_ids)

    def purge(
        self, instance_ids: Sequence[str], execution_ids: Sequence[str] = (), needed: Sequence[int] = ()
    ) -> None:
        fault = self._write_fault()
        self.store.purge(instance_ids, execution_ids, needed)
        self._audit.purged(instance_ids, execution_ids)
        self._note(f"purged {', '.join([*instance_ids, *execution_ids])}", ())
        self._after(fault)

    def past_generations(self, instance_ids: Sequence[str], keep: int, limit: int) -> list[PastGeneration]:
        return self._readable().past_generations(instance_ids, keep, limit)

    def begun_by(self, execution_ids: Sequence[str]) -> list[BegunExecution]:
        return self._readable().begun_by(execution_ids)

    def last_seq(self) -> int:
        return self._readable().last_seq()

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        return self._readable().load(instance_ids)

    def starts(self, instance_id: str) -> list[ExecutionStarted]:
        return self._readable().starts(instance_id)

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        return self._readable().records(instance_id, after)

    def blob(self, blob_hash: str) -> bytes:
        return self._readable().blob(blob_hash)

    def lines(self, instance_id: str) -> list[LogLine]:
        return self._readable().lines(instance_id)

    def outputs(self, instance_id: str) -> list[OutputState]:
        return self._readable().outputs(instance_id)

    def source(self, source_hash: str) -> str | None:
        return self._readable().source(source_hash)

    def open_instances(self) -> list[OpenInstance]:
        return self._readable().open_instances()

    def open_entities(self) -> list[OpenEntity]:
        return self._readable().open_entities()

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        return self._readable().entity_states(instance_ids)

    def entity_state_at(self, instance_id: str, moment: datetime) -> str:
        return self._readable().entity_state_at(instance_id, moment)

    def entities(self, name: str | None, since: datetime | None) -> list[EntityMetadata]:
        return self._readable().entities(name, since)

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        return self._readable().states(query)

    def ids(self, query: InstanceQuery) -> list[str]:
        return self._readable().ids(query)

    def restarted(self, after: int) -> set[str]:
        return self._readable().restarted(after)

    def links(self, instance_ids: Iterable[str]) -> list[tuple[str, str]]:
        return self._readable().links(instance_ids)

    def descendants(self, instance_ids: Iterable[str]) -> list[str]:
        return self._readable().descendants(instance_ids)

    def mark_replay(self, instance_id: str | None) -> None:
        self._alive().mark_replay(instance_id)

    def crashes(self) -> dict[str, int]:
        found: dict[str, int] = self._alive().crashes()
        return found

    def close(self) -> None:
        self.store.close()

    # -- faults ----------------------------------------------------------------------------------

    def _alive(self) -> Any:
        if self.is_dead:
            raise Crash
        return self.store

    def _readable(self) -> Store:
        store: Store = self._alive()
        if self.read_fault is not None:
            fault, self.read_fault = self.read_fault, None
            raise fault
        return store

    def _write_fault(self) -> str | None:
        self._alive()
        fault, self.fault = self.fault, None
        if fault == CRASH_BEFORE:
            self.die()
        if self.is_full or fault == ERROR_BEFORE:
            raise StoreError("The disk is full.")
        return fault

    def _after(self, fault: str | None) -> None:
        if fault == CRASH_AFTER:
            self.die()
        if fault == ERROR_AFTER:
            self._is_unsure = True
            raise StoreError("The disk is full, it seems.")
