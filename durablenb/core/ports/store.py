"""The store port: one append-only journal of events, and the queries that the engine needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import datetime
from typing import NamedTuple, Protocol

from durablenb.model.activities import ActivityAttempt
from durablenb.model.caching import CachedCall, CachedResult, CodePart
from durablenb.model.entities import EntityMetadata
from durablenb.model.errors import StoreError
from durablenb.model.events import (
    Event,
    ExecutionStarted,
    LockEnqueued,
    OperationEnqueued,
    PendingRequest,
)
from durablenb.model.imports import Import, KeptBlob
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.payloads import Blob
from durablenb.model.plain import Plain, plain
from durablenb.model.queues import QueueMembers, QueueStart
from durablenb.model.source import Source
from durablenb.model.status import InstanceState, OrchestrationRuntimeStatus


class Record(NamedTuple):
    """One event and its position in the journal. `seq` counts all events of a hub from 1, without gaps."""

    seq: int
    instance_id: str
    execution_id: str
    event: Event


class HistoryBundle(NamedTuple):
    """Whole histories from elsewhere, with their blobs, sources and log lines.

    Parameters
    ----------
    records
        The events, oldest first; their `seq` counts from 1.
    blobs
        The blobs to which their values refer.
    sources
        The hash and the text of the code with which they began.
    lines
        The log lines, oldest first.
    outputs
        The rich outputs, oldest first.
    """

    records: Sequence[Record]
    blobs: Sequence[KeptBlob] = ()
    sources: Sequence[tuple[str, str]] = ()
    lines: Sequence[LogLine] = ()
    outputs: Sequence[OutputState] = ()


@plain
class OpenInstance(Plain):
    """An open instance as recovery needs it: its pending requests, without its history.

    `has_arrivals`: events have arrived that its orchestrator has not seen, or it waits for more code.
    """

    instance_id: str
    execution_id: str
    started: ExecutionStarted
    next_event_id: int
    has_begun: bool
    is_suspended: bool
    has_arrivals: bool
    pending: list[PendingRequest] = field(default_factory=list)


@plain
class OpenEntity(Plain):
    """A busy entity as recovery needs it: its pending operations and lock requests.

    `granted` has the event ids of those lock requests among `pending` that were granted.
    """

    instance_id: str
    execution_id: str
    next_event_id: int
    pending: list[OperationEnqueued | LockEnqueued] = field(default_factory=list)
    granted: set[int] = field(default_factory=set)


class PastGeneration(NamedTuple):
    """A generation that an instance has left behind, or a part of an entity's history.

    Parameters
    ----------
    instance_id, execution_id
        Its ids.
    needed
        The positions of those of its events that the journal needs even so. Of an orchestration: the first
        event of generation 0, which says when and with which input the instance was started. Of an entity:
        the last operation that changed the state, and the first operation without the state that it made.
    has_children
        True if it called sub-orchestrations.
    """

    instance_id: str
    execution_id: str
    needed: tuple[int, ...] = ()
    has_children: bool = False


class BegunExecution(NamedTuple):
    """An execution of a sub-orchestration, and the execution that called it.

    `is_last`: the instance has begun no other one since. `is_forked`: the journal has a fork of it.
    """

    instance_id: str
    execution_id: str
    parent_execution_id: str
    is_last: bool
    is_forked: bool


@plain
class InstanceQuery(Plain):
    """A query for the instances that meet all given conditions, oldest first."""

    instance_ids: tuple[str, ...] | None = None
    prefix: str | None = None
    name: str | None = None
    statuses: tuple[OrchestrationRuntimeStatus, ...] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    limit: int | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        for name, value in (("top", self.limit), ("skip", self.offset)):
            if value is not None and value < 0:
                raise ValueError(f"{name} is {value}; expected at least 0.")


def blob_is_gone(blob_hash: str) -> StoreError:
    """Return the error for a blob that a store doesn't have."""
    return StoreError(
        f"The payload {blob_hash[:12]} is not in the journal: it was purged with all that referred to it, "
        "or the file is damaged."
    )


class Store(Protocol):
    """A journal. One thread at a time writes; any thread may read, and reads what is on disk.

    Every method raises `StoreError` if the journal can't be read or written.
    """

    @property
    def hub_id(self) -> str:
        """The id of the hub: the same whenever the journal is opened, and another one for each hub."""
        ...

    def append(
        self, records: Sequence[Record], calls: Sequence[CachedCall] = (), code_parts: Sequence[CodePart] = ()
    ) -> None:
        """Write all of these events, with their blobs, or none; they are on disk when it returns.

        With them, the calls among them whose results are remembered, and the new parts of their code.
        """
        ...

    def cached_results(self, longest: int) -> list[CachedResult]:
        """Return the remembered results, oldest first; without texts of more than `longest` characters."""
        ...

    def cached_text(self, key: str) -> str | None:
        """Return the last remembered result of a key; None if there is none."""
        ...

    def forget_calls(self, name: str | None) -> None:
        """Forget the cached calls of an activity (in lower case), or all, with the blobs of them alone."""
        ...

    def keep(self, sources: Sequence[Source]) -> None:
        """Write the source texts that aren't in the journal already."""
        ...

    def append_lines(self, lines: Sequence[LogLine]) -> None:
        """Write all of these log lines, or none."""
        ...

    def put_attempts(self, attempts: Sequence[ActivityAttempt]) -> None:
        """Write all of these tries of activities, or none, in place of what is there of the same tries."""
        ...

    def append_outputs(self, states: Sequence[OutputState], carried: Sequence[Blob]) -> None:
        """Set all of these states of outputs, or none; with the blobs that the journal may not have yet."""
        ...

    def write_queues(self, queues: Sequence[QueueMembers], starts: Sequence[QueueStart]) -> None:
        """Write these queues, in place of those of the same names, and these starts of calls, or nothing.

        Starts that the rate of their queue doesn't count any more are deleted.
        """
        ...

    def queue_starts(self, queue: str) -> list[QueueStart]:
        """Return the starts of a queue, by its folded name, each once."""
        ...

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        """Write a whole bundle or nothing, its events after a position of the journal; idempotent."""
        ...

    def imports(self) -> list[Import]:
        """Return the imports that were not purged since, by id."""
        ...

    def existing_ids(
        self, instance_ids: Iterable[str], execution_ids: Iterable[str]
    ) -> tuple[set[str], set[str]]:
        """Return those of these ids of instances and entities that exist, and those of executions."""
        ...

    def has_event(self, execution_id: str, event_id: int) -> bool:
        """Return True if the journal has an event of an execution."""
        ...

    def purge(
        self, instance_ids: Sequence[str], execution_ids: Sequence[str] = (), needed: Sequence[int] = ()
    ) -> None:
        """Delete all of these instances but their blobs to which others refer.

        Of the executions, delete all but the events at the positions `needed`. Remembered results stay.
        """
        ...

    def past_generations(self, instance_ids: Sequence[str], keep: int, limit: int) -> list[PastGeneration]:
        """Return the generations of these instances before the last `keep` and the current one.

        At most `limit` generations of orchestrations, oldest first, and all parts of entities. Those of which
        there is nothing left to delete and those that have a fork are left out.
        """
        ...

    def begun_by(self, execution_ids: Sequence[str]) -> list[BegunExecution]:
        """Return the executions of all sub-orchestrations below these executions, at any depth."""
        ...

    def last_seq(self) -> int:
        """Return the last position in the journal, 0 if it is empty."""
        ...

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the current execution's history of each instance, since its last rewind."""
        ...

    def starts(self, instance_id: str) -> list[ExecutionStarted]:
        """Return the first events of all executions of an instance, oldest first."""
        ...

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return an instance's events after a position of the journal, in all executions, oldest first."""
        ...

    def blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob to which a payload refers."""
        ...

    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the log lines of an instance and of its sub-orchestrations, oldest first."""
        ...

    def attempts(self, instance_ids: Sequence[str]) -> list[ActivityAttempt]:
        """Return the tries of activities of these instances that are known, oldest first."""
        ...

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""
        ...

    def source(self, source_hash: str) -> str | None:
        """Return the source text of a hash, or None."""
        ...

    def open_instances(self) -> list[OpenInstance]:
        """Return the open instances, oldest first, without imported ones."""
        ...

    def open_entities(self) -> list[OpenEntity]:
        """Return the busy entities by id, without imported ones."""
        ...

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        """Return the states as text of these entities, or of all; ``null`` for a deleted one."""
        ...

    def entity_state_at(self, instance_id: str, moment: datetime) -> str:
        """Return the state as text that an entity had at a time; ``null`` if it didn't exist."""
        ...

    def entities(self, name: str | None, since: datetime | None) -> list[EntityMetadata]:
        """Return the existing entities by id, without their states.

        Only those of a name (in lower case), or with operations since a time.
        """
        ...

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """Return the states of a query's instances."""
        ...

    def ids(self, query: InstanceQuery) -> list[str]:
        """Return the ids of a query's instances."""
        ...

    def restarted(self, after: int) -> set[str]:
        """Return the instances of which an execution began after a position of the journal."""
        ...

    def links(self, instance_ids: Iterable[str]) -> list[tuple[str, str]]:
        """Return all sub-orchestrations of these instances, at any depth, each with its parent.

        The last execution counts: an instance that only was a child earlier is none.
        """
        ...

    def descendants(self, instance_ids: Iterable[str]) -> list[str]:
        """Return all sub-orchestrations of these instances, at any depth, parents first."""
        ...

    def mark_replay(self, instance_id: str | None) -> None:
        """Record which instance is about to be replayed, so that a crash can be attributed to it."""
        ...

    def crashes(self) -> dict[str, int]:
        """Return how often in a row the process died while replaying an instance, by instance."""
        ...

    def close(self) -> None:
        """Release all resources; again has no effect."""
        ...
