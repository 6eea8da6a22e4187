"""The store port: one append-only journal of events, and the few questions that are asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import datetime
from typing import NamedTuple, Protocol

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
from durablenb.model.plain import Plain, plain
from durablenb.model.source import Source
from durablenb.model.status import InstanceState, OrchestrationRuntimeStatus


class Record(NamedTuple):
    """One event at its place in the journal. `seq` counts all events of a hub from 1, without gaps."""

    seq: int
    instance_id: str
    execution_id: str
    event: Event


class HistoryBundle(NamedTuple):
    """Whole histories from elsewhere, with all that belongs to them.

    Parameters
    ----------
    records
        The events, oldest first; their `seq` counts from 1.
    blobs
        What their values refer to.
    sources
        Hash and text of the code that they began with.
    lines
        What was printed, oldest first.
    """

    records: Sequence[Record]
    blobs: Sequence[KeptBlob] = ()
    sources: Sequence[tuple[str, str]] = ()
    lines: Sequence[LogLine] = ()


@plain
class OpenInstance(Plain):
    """An instance that isn't ended, as recovery needs it: what is pending, and no history.

    `has_arrivals`: something has arrived that its orchestrator has not seen, or it waits for more code.
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
    """An entity that has something to do, as recovery needs it: what was asked of it and isn't done.

    `taken` has the event ids of those locks among `pending` that it has given.
    """

    instance_id: str
    execution_id: str
    next_event_id: int
    pending: list[OperationEnqueued | LockEnqueued] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)


@plain
class InstanceQuery(Plain):
    """Which instances: those that meet every condition given, oldest first."""

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
    """The error for a blob that a store doesn't have."""
    return StoreError(
        f"The payload {blob_hash[:12]} is not in the journal: it was purged with all that referred to it, "
        "or the file is damaged."
    )


class Store(Protocol):
    """A journal. Only the committer's thread writes; anybody may read, and reads what is on disk.

    Every method raises `StoreError` where the journal can't be read or written.
    """

    def append(self, records: Sequence[Record]) -> None:
        """Writes all of these, with their blobs, or none; they are on disk when it returns."""
        ...

    def keep(self, sources: Sequence[Source]) -> None:
        """Keeps the source texts that aren't kept already."""
        ...

    def append_lines(self, said: Sequence[LogLine]) -> None:
        """Writes all of these lines of logs, or none."""
        ...

    def take_in(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        """Writes all of a bundle or nothing, its events after a place in the journal; twice does it once."""
        ...

    def imports(self) -> list[Import]:
        """What was taken in and not purged since, by id."""
        ...

    def taken(self, instance_ids: Iterable[str], execution_ids: Iterable[str]) -> tuple[set[str], set[str]]:
        """Those of these ids of instances and entities that there are, and those of these of executions."""
        ...

    def purge(self, instance_ids: Sequence[str]) -> None:
        """Deletes all events and lines of these instances, and the blobs that no other one refers to."""
        ...

    def last_seq(self) -> int:
        """The last place taken in the journal, 0 if it is empty."""
        ...

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """The current execution's history of each instance, since its last rewind."""
        ...

    def starts(self, instance_id: str) -> list[ExecutionStarted]:
        """The first events of all executions of an instance, oldest first."""
        ...

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """The events of an instance after a place in the journal, of all its executions, oldest first."""
        ...

    def blob(self, blob_hash: str) -> bytes:
        """The bytes of a blob that a payload refers to."""
        ...

    def lines(self, instance_id: str) -> list[LogLine]:
        """The lines of the logs of an instance and of its sub-orchestrations, oldest first."""
        ...

    def source(self, source_hash: str) -> str | None:
        """The source text of that hash, or None."""
        ...

    def open_instances(self) -> list[OpenInstance]:
        """The instances that aren't ended, oldest first, without those that were taken in."""
        ...

    def open_entities(self) -> list[OpenEntity]:
        """The entities that have something to do, by their ids, without those that were taken in."""
        ...

    def entity_states(self, instance_ids: Sequence[str] | None) -> dict[str, str]:
        """The states as text of these entities, or of all; ``null`` for one that was deleted."""
        ...

    def entity_state_as_of(self, instance_id: str, moment: datetime) -> str:
        """The state as text that the entity had then; ``null`` if it didn't exist."""
        ...

    def entities(self, name: str | None, since: datetime | None) -> list[EntityMetadata]:
        """The entities that exist, without their states, by their ids.

        Of this name (in lower case) only, or those only of which something was asked since that moment.
        """
        ...

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """The states of the instances that the query is about."""
        ...

    def ids(self, query: InstanceQuery) -> list[str]:
        """The ids of the instances that the query is about."""
        ...

    def restarted(self, after: int) -> set[str]:
        """The instances of which an execution began after a place in the journal."""
        ...

    def links(self, instance_ids: Iterable[str]) -> list[tuple[str, str]]:
        """All sub-orchestrations of these instances, their own ones too, each with its parent.

        By the execution that was begun last: an instance that only once was a child is none.
        """
        ...

    def descendants(self, instance_ids: Iterable[str]) -> list[str]:
        """All sub-orchestrations of these instances, their own ones too, parents first."""
        ...

    def mark_replay(self, instance_id: str | None) -> None:
        """Notes which instance is about to be replayed, so that a crash can be laid at its door."""
        ...

    def crashes(self) -> dict[str, int]:
        """How often in a row the process died while it replayed an instance, by instance."""
        ...

    def close(self) -> None:
        """Lets go of everything; twice does nothing."""
        ...
