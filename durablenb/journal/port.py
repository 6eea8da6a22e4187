"""The journal port: the histories of an open hub, of a file, or of a hub that another process serves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime

import duckdb

from durablenb.core.ports.store import HistoryBundle, InstanceQuery
from durablenb.journal.bundle.export import snapshot
from durablenb.journal.bundle.values import Blobs, blob_hashes
from durablenb.journal.instance_counts import InstanceCounter
from durablenb.journal.related import EntityQueue, read_forks, read_queues
from durablenb.model.caching import CacheKey
from durablenb.model.entities import EntityMetadata
from durablenb.model.errors import InstanceNotFoundError
from durablenb.model.events import Event
from durablenb.model.imports import KeptBlob
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.queues import QueueState
from durablenb.model.runtime import RunningCall, RuntimeInfo
from durablenb.model.status import DurableOrchestrationStatus, InstanceState, client_status
from durablenb.store import bundles, queue_rows
from durablenb.store.reader import JournalReader
from durablenb.store.statements import DESCENDANTS
from durablenb.values.codec import ValueCodec

_VERSION = "select coalesce(max(seq), 0), count(*) from journal where ? in (instance_id, '')"


@dataclass(frozen=True)
class RelatedHistories:
    """The parts of other histories that concern an instance: its forks, and the queues of entities."""

    forks: tuple[str, ...] = ()
    queues: Mapping[str, EntityQueue] = field(default_factory=dict)


class Journal(ABC):
    """The record of what happened. Hubs, instances, entities, clients and views read it, and nothing else.

    A journal that is elsewhere is read through copies, one for each history: `refresh` brings a copy up to
    date, and `follow` keeps it up to date for some time. Where the journal is at hand, both do nothing.
    An instance's id selects the history; None stands for all of them.
    """

    codec: ValueCodec
    """Reads its values."""
    description: str
    """How a message names a journal that can't be read any more, such as "a closed file"."""
    after_kernel = "Start the kernel and run this cell again."
    """The advice of a view whose kernel is gone."""
    knows_keys = True
    """False if it has no keys of calls whose results are remembered: they are where the hub is."""

    is_live = True
    """True if an engine runs the hub, so that calls in queues begin without an event of the journal."""

    # -- reading ---------------------------------------------------------------------------------

    @abstractmethod
    def of(self, instance_id: str | None = None) -> JournalReader:
        """Return what reads a history."""

    @abstractmethod
    def connection(self, instance_id: str | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return a connection to the tables and views with a history, for a moment, in this thread."""

    @abstractmethod
    def open_connection(self, instance_id: str | None = None) -> duckdb.DuckDBPyConnection:
        """Return a new connection to the same, which the caller closes; it may outlast this thread."""

    @abstractmethod
    def now(self, instance_id: str | None = None) -> datetime:
        """Return the hub's time; that of the last event where no hub is running."""

    @abstractmethod
    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the log lines of an instance and of its sub-orchestrations, oldest first."""

    @abstractmethod
    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""

    @abstractmethod
    def unknown(self, instance_id: object) -> InstanceNotFoundError:
        """Return the error for an instance that there isn't."""

    @property
    def instance_counter(self) -> InstanceCounter:
        """The counter of the instances, which may keep counts between calls."""
        return InstanceCounter()

    def runtime_info(self, instance_id: str) -> RuntimeInfo:
        """Return what only a running engine knows of an instance or an entity."""
        return RuntimeInfo(imported_from=self.origins([instance_id]).get(instance_id))

    def noted_info(self, instance_id: str) -> RuntimeInfo:
        """Return the same as far as it is known without a request."""
        return self.runtime_info(instance_id)

    def without_code(self) -> Mapping[str, int]:
        """Return how many open instances wait for code, by the name of a function that isn't registered."""
        return {}

    def running(self, instance_id: str) -> tuple[RunningCall, ...]:
        """Return the running calls of an instance, and how far they are; none where no hub is running."""
        return ()

    def running_ids(self, instance_id: str) -> frozenset[int] | None:
        """Return the task ids of all running calls of an instance; None where no hub is running."""
        return None

    def running_key(self, instance_id: str, task_id: int) -> CacheKey | None:
        """Return the key of a call that runs now, if an engine here runs it and remembers its result."""
        return None

    def queues(self) -> list[QueueState]:
        """Return the state of each queue."""
        with self.connection() as connection:
            return queue_rows.read_states(connection)

    def origins(self, instance_ids: Iterable[str]) -> Mapping[str, str]:
        """Return where those of these instances that were imported came from."""
        return {}

    def blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob."""
        return self.of().blob(blob_hash)

    def source(self, source_hash: str) -> str | None:
        """Return the source text with this hash; None if the journal hasn't got it."""
        return self.of().source(source_hash)

    def related(self, instance_id: str, entity_ids: Sequence[str] = ()) -> RelatedHistories:
        """Return what other histories say of an instance."""
        with self.connection() as connection:
            return RelatedHistories(read_forks(connection, instance_id), read_queues(connection, entity_ids))

    def bundle(self, instance_id: str) -> HistoryBundle:
        """Return all that the journal has of an instance or an entity, and of its sub-orchestrations.

        The blobs are read when they are used.

        Raises
        ------
        InstanceNotFoundError
            If it doesn't exist.
        """
        with self.open_connection() as connection, snapshot(connection) as ask:
            ids = [instance_id, *(row[0] for row in ask(DESCENDANTS, [[instance_id]]))]
            found = bundles.read_without_blobs(ask, ids)
        if not found.records:
            raise self.unknown(instance_id)
        return found._replace(blobs=Blobs(blob_hashes(found), self._kept_blob))

    def _kept_blob(self, blob_hash: str) -> KeptBlob:
        with self.open_connection() as connection, snapshot(connection) as ask:
            return bundles.read_blob(ask, blob_hash)

    def close(self) -> None:  # noqa: B027  # the engine closes its own
        """Close the journal, with all connections to it; closing it twice does nothing."""

    # -- copies of a journal that is elsewhere ----------------------------------------------------

    def refresh(self, instance_id: str | None = None) -> None:  # noqa: B027  # the journal is at hand
        """Bring the copy of a history up to date."""

    def follow(self, instance_id: str | None = None) -> None:  # noqa: B027
        """Keep the copy of a history up to date, as long as this is called every now and then."""

    def trouble(self, instance_id: str | None = None) -> str:
        """Return what keeps the copy of a history from being up to date, in a line; empty if nothing does."""
        return ""

    # -- what is asked of all of them -------------------------------------------------------------

    def version(self, instance_id: str | None = None) -> tuple[int, int]:
        """Return a token of a history that changes when something is written or purged."""
        with self.connection(instance_id) as connection:
            last, count = connection.execute(_VERSION, [instance_id or ""]).fetchall()[0]
        return last, count

    def check_exists(self, instance_id: str) -> None:
        """Raise `InstanceNotFoundError` if there is no such instance."""
        if not self.of(instance_id).exists(instance_id):
            raise self.unknown(instance_id)

    def existing(self, instance_id: str) -> InstanceState:
        """Return the state of an instance.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        state = self.of(instance_id).state(instance_id)
        if state is None:
            raise self.unknown(instance_id)
        return state

    def status(self, instance_id: str, *, show_input: bool = True) -> DurableOrchestrationStatus:
        """Return the status of an instance; a false one if there is none."""
        state = self.of(instance_id).state(instance_id)
        if state is None:
            return DurableOrchestrationStatus()
        return self._statuses([state], show_input=show_input)[0]

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """Return the states of the instances that a query is about, oldest first."""
        return self.of().states(query)

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the history of each instance's current execution, since its last rewind."""
        return self.of().load(instance_ids)

    def statuses(self, query: InstanceQuery) -> list[DurableOrchestrationStatus]:
        """Return the statuses of the instances that a query is about, oldest first."""
        return self._statuses(self.states(query))

    def entities(
        self, name: str | None, since: datetime | None, *, with_states: bool
    ) -> list[EntityMetadata]:
        """Return the entities that exist, by their ids.

        Only those of this name, in lower case; or of which an operation was requested since that moment.
        """
        reader = self.of()
        entities = reader.entities(name, since)
        if not with_states:
            return entities
        states = reader.entity_states([str(entity.entity_id) for entity in entities])
        return [replace(entity, state=self.codec.shown(states[str(entity.entity_id)])) for entity in entities]

    def _statuses(
        self, states: Sequence[InstanceState], *, show_input: bool = True
    ) -> list[DurableOrchestrationStatus]:
        origins = self.origins([state.instance_id for state in states])
        return [
            client_status(
                state,
                self.codec.shown,
                show_input=show_input,
                imported_from=origins.get(state.instance_id),
            )
            for state in states
        ]
