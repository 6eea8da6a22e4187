"""The journal of a hub that another process serves: copies of its histories, and what the server lists."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from durablenb.core.ports.store import HistoryBundle, InstanceQuery, Record
from durablenb.journal.bundle.values import Blobs, blob_hashes
from durablenb.journal.instance_counts import InstanceCounter
from durablenb.journal.port import Journal, RelatedHistories
from durablenb.journal.related import EntityQueue
from durablenb.journal.replica.history import ReplicatedHistory
from durablenb.journal.replica.link import Link
from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.model.errors import HubUnreachableError, InstanceNotFoundError
from durablenb.model.events import Event, ExecutionStarted, SubOrchestrationInstanceCreated
from durablenb.model.ids import asked_instance_id
from durablenb.model.imports import KeptBlob
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.queues import QueueState
from durablenb.model.runtime import RunningCall, RuntimeInfo
from durablenb.model.status import DurableOrchestrationStatus, InstanceState, OrchestrationRuntimeStatus
from durablenb.store.json_rows import log_line_from_json, output_from_json
from durablenb.store.reader import JournalReader
from durablenb.values.codec import ValueCodec

HISTORIES = 32
"""The number of histories of which copies are kept. The one used longest ago is dropped first."""

PAGE = 1_000
"""The number of items of a list that are requested at a time."""

FRESH = 2.0
"""Seconds for which a view doesn't ask again about other histories."""

_TOKEN = "x-ms-continuation-token"


@dataclass
class _Asked:
    """The last answer about the histories that are related to one."""

    related: RelatedHistories
    entity_ids: tuple[str, ...]
    at: float


class ServedJournal(Journal):
    """The journal of a served hub.

    Parameters
    ----------
    link
        Sends requests to the server.
    """

    after_kernel = "The hub runs elsewhere, and goes on. Start the kernel, connect, and run this cell again."
    knows_keys = False

    def __init__(self, link: Link) -> None:
        self.link = link
        self.description = f"{link.url}, which doesn't answer"
        self.codec = ValueCodec(self._blob)
        self._lock = threading.Lock()
        self._histories: OrderedDict[str | None, ReplicatedHistory] = OrderedDict()
        self._related: dict[str, _Asked] = {}

    # -- copies ----------------------------------------------------------------------------------

    def history(self, instance_id: str | None = None) -> ReplicatedHistory:
        """Return the copy of a history."""
        if instance_id is not None:
            checked_path_id(instance_id)
        with self._lock:
            history = self._histories.pop(instance_id, None) or ReplicatedHistory(self.link, instance_id)
            self._histories[instance_id] = history
            unused = [key for key, copy in self._histories.items() if not copy.is_followed]
            for key in unused[: max(len(self._histories) - HISTORIES, 0)]:
                if key != instance_id:
                    del self._histories[key]
            return history

    def of(self, instance_id: str | None = None) -> JournalReader:
        """Return what reads the copy of a history."""
        return self.history(instance_id).replica

    def connection(self, instance_id: str | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return a connection to the copy of a history, for a moment."""
        return self.open_connection(instance_id)

    def open_connection(self, instance_id: str | None = None) -> duckdb.DuckDBPyConnection:
        """Return a connection to the copy of a history, which the caller closes."""
        return self.history(instance_id).replica.cursor()

    def refresh(self, instance_id: str | None = None, wait: float = 0.0) -> None:
        """Bring the copy of a history up to date; the server may wait for news for so many seconds."""
        self.history(instance_id).refresh(wait)

    def follow(self, instance_id: str | None = None) -> None:
        """Keep the copy of a history up to date; the first call waits until there is one."""
        history = self.history(instance_id)
        if not history.was_read:
            history.refresh()
        history.follow()

    def trouble(self, instance_id: str | None = None) -> str:
        """Return that the server doesn't answer; empty if it does."""
        return self.history(instance_id).trouble()

    def now(self, instance_id: str | None = None) -> datetime:
        """Return the hub's time."""
        return self.history(instance_id).now()

    def queues(self) -> list[QueueState]:
        """Return the state of each queue, as the server had it when the journal was last read."""
        return self.history().queues

    def runtime_info(self, instance_id: str) -> RuntimeInfo:
        """Return what the hub's engine knew at the last request."""
        return self.history(instance_id).runtime_info

    def noted_info(self, instance_id: str) -> RuntimeInfo:
        """Return nothing: the engine is elsewhere."""
        return RuntimeInfo()

    def running(self, instance_id: str) -> tuple[RunningCall, ...]:
        """Return the running calls of an instance, and how far they were at the last request."""
        return self.runtime_info(instance_id).running

    def running_ids(self, instance_id: str) -> frozenset[int] | None:
        """Return the task ids of its running calls at the last request."""
        return self.runtime_info(instance_id).running_ids

    def origins(self, instance_ids: Iterable[str]) -> Mapping[str, str]:
        """Return where imported instances came from."""
        origins = ((one, self.runtime_info(one).imported_from) for one in instance_ids)
        return {instance_id: origin for instance_id, origin in origins if origin is not None}

    @property
    def instance_counter(self) -> InstanceCounter:
        """The counter of the instances."""
        return self.history().replica.instance_counter

    def unknown(self, instance_id: object) -> InstanceNotFoundError:
        """Return the error for an instance that the hub hasn't got."""
        return InstanceNotFoundError(
            f"{self.link.url} has no instance {instance_id!r}. remote.instances() lists the existing ones."
        )

    def states(self, query: InstanceQuery) -> list[InstanceState]:
        """Return the states of the instances that a query is about; their histories are copied."""
        ids = query.instance_ids
        if ids is None:
            ids = tuple(str(status.instance_id) for status in self.statuses(query))
        states = []
        for instance_id in ids:
            self.refresh(instance_id)
            state = self.of(instance_id).state(instance_id)
            if state is not None:
                states.append(state)
        return states

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the history of each instance's current execution, since its last rewind."""
        histories: dict[str, list[Event]] = {}
        for instance_id in instance_ids:
            self.refresh(instance_id)
            histories |= self.of(instance_id).load([instance_id])
        return histories

    # -- answers of the server --------------------------------------------------------------------

    def statuses(self, query: InstanceQuery) -> list[DurableOrchestrationStatus]:
        """Return the statuses of the instances that a query is about, oldest first.

        Without ids in the query, times are in whole seconds, and values plain JSON, as in Azure.
        """
        if query.instance_ids is not None:
            return super().statuses(query)
        if query.statuses == ():
            return []
        parameters = {
            "createdTimeFrom": _iso(query.created_from),
            "createdTimeTo": _iso(query.created_to),
            "runtimeStatus": None if query.statuses is None else ",".join(query.statuses),
            "instanceIdPrefix": query.prefix,
        }
        end = None if query.limit is None else query.offset + query.limit
        statuses: list[DurableOrchestrationStatus] = []
        for item in self._listed("instances", query=parameters, top=end if query.name is None else None):
            if end is not None and len(statuses) >= end:
                break
            if query.name is None or item["name"] == query.name:
                statuses.append(_status(item))
        return statuses[query.offset :]

    def entities(
        self, name: str | None, since: datetime | None, *, with_states: bool
    ) -> list[EntityMetadata]:
        """Return the entities that exist, by their ids; their states are plain JSON."""
        path = ("entities",) if name is None else ("entities", name)
        query = {"fetchState": str(with_states).lower(), "lastOperationTimeFrom": _iso(since)}
        return [
            EntityMetadata(
                EntityId(item["entityId"]["name"], item["entityId"]["key"]),
                datetime.fromisoformat(item["lastOperationTime"]),
                state=item["state"],
            )
            for item in self._listed(*path, query=query, top=None)
        ]

    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the log lines of an instance and of its sub-orchestrations, oldest first."""
        rows = self.link.get("journal", checked_path_id(instance_id), "log").json()
        return [log_line_from_json(row) for row in rows]

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""
        rows = self.link.get("journal", checked_path_id(instance_id), "outputs").json()
        return [output_from_json(row) for row in rows]

    def blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob, which the server sends."""
        return self._blob(blob_hash)

    def source(self, source_hash: str) -> str | None:
        """Return the source text with this hash; None if the hub hasn't got it."""
        try:
            return str(self.link.get("sources", source_hash).json())
        except InstanceNotFoundError:
            return None

    def bundle(self, instance_id: str) -> HistoryBundle:
        """Return all that the hub has of an instance and of its sub-orchestrations.

        The blobs are requested when they are used; they come without their kinds.
        """
        records: dict[str, list[Record]] = {}
        wanted = [instance_id]
        while wanted:
            chosen = wanted.pop()
            self.refresh(chosen)
            records[chosen] = own = self.of(chosen).records(chosen)
            wanted += [
                record.event.instance_id
                for record in own
                if isinstance(record.event, SubOrchestrationInstanceCreated)
                and record.event.instance_id not in records
            ]
        if not records[instance_id]:
            raise self.unknown(instance_id)
        every = sorted((record for own in records.values() for record in own), key=lambda record: record.seq)
        lines = [line for line in self.lines(instance_id) if records.get(line.instance_id)]
        outputs = [state for state in self.outputs(instance_id) if records.get(state.instance_id)]
        events = [record.event for record in every]
        hashes = {event.source for event in events if isinstance(event, ExecutionStarted) and event.source}
        sources = [(hash_, text) for hash_ in sorted(hashes) if (text := self.source(hash_)) is not None]
        bundle = HistoryBundle(
            [record._replace(seq=seq) for seq, record in enumerate(every, 1)], (), sources, lines, outputs
        )
        created = every[0].event.timestamp
        return bundle._replace(
            blobs=Blobs(blob_hashes(bundle), lambda hash_: KeptBlob(hash_, "", self.blob(hash_), created))
        )

    def related(self, instance_id: str, entity_ids: Sequence[str] = ()) -> RelatedHistories:
        """Return what other histories say of an instance.

        A view that follows the instance gets the last answer for two seconds, and while the server doesn't
        answer.
        """
        if not self.history(instance_id).is_followed:
            return self._ask_related(instance_id, entity_ids)
        last = self._related.get(instance_id)
        is_known = last is not None and set(entity_ids) <= set(last.entity_ids)
        if last is None or not is_known or time.monotonic() - last.at > FRESH:
            wanted = tuple(entity_ids) or (() if last is None else last.entity_ids)
            now = time.monotonic()
            with suppress(HubUnreachableError):
                last = _Asked(self._ask_related(instance_id, wanted), wanted, now)
            last = last or _Asked(RelatedHistories(), wanted, now)
            last.at = now
            self._related[instance_id] = last
        return last.related

    def _ask_related(self, instance_id: str, entity_ids: Sequence[str]) -> RelatedHistories:
        query = [("entity", entity_id) for entity_id in entity_ids]
        path = ("journal", checked_path_id(instance_id), "beside")
        answer = self.link.send("GET", *path, query=query, seconds=3).json()
        queues = {
            entity_id: EntityQueue(entity_id, length, owner)
            for entity_id, (length, owner) in answer["queues"].items()
        }
        return RelatedHistories(tuple(answer["forks"]), queues)

    def _listed(self, *path: str, query: Mapping[str, Any], top: int | None) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page by page."""
        token = ""
        size = PAGE if top is None else max(min(top, PAGE), 1)
        while True:
            reply = self.link.get(*path, query={**query, "top": size}, headers={_TOKEN: token})
            yield from reply.json()
            token = reply.headers.get(_TOKEN, "")
            if not token:
                return

    def _blob(self, blob_hash: str) -> bytes:
        return self.link.get("blobs", blob_hash).body

    # -- the end ---------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """True if the connection was closed."""
        return self.link.is_closed

    def close(self) -> None:
        """Close the connection, and release the copies; closing it twice does nothing."""
        self.link.close()
        with self._lock:
            histories = [*self._histories.values()]
            self._histories.clear()
        for history in histories:
            history.close()


def checked_path_id(instance_id: str) -> str:
    """Return the id, if there can be an instance of it.

    Raises
    ------
    InstanceNotFoundError
        If a request with it would lead to another path.
    """
    if not asked_instance_id(instance_id) or "/" in instance_id:
        raise InstanceNotFoundError(f"No instance with ID {instance_id!r} found: there can be none.")
    return instance_id


def _status(item: dict[str, Any]) -> DurableOrchestrationStatus:
    return DurableOrchestrationStatus(
        name=item["name"],
        instance_id=item["instanceId"],
        created_time=datetime.fromisoformat(item["createdTime"]),
        last_updated_time=datetime.fromisoformat(item["lastUpdatedTime"]),
        input_=item["input"],
        output=item["output"],
        runtime_status=OrchestrationRuntimeStatus(item["runtimeStatus"]),
        custom_status=item["customStatus"],
        history=item.get("historyEvents"),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
