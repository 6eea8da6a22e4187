"""A hub that another process serves, as a notebook holds it.

It is long because most of it is the reference of its methods.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from durablenb.analysis.entities import EntityQueue
from durablenb.analysis.figures import HubFigures
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.logs import Log
from durablenb.analysis.sandbox.fence import QUERY_KINDS, answer_relation
from durablenb.analysis.sql import Parameters, Relation
from durablenb.core.entity import NOTHING
from durablenb.core.registry import name_of
from durablenb.hub.remote.client import RemoteClient, known
from durablenb.hub.remote.entity import RemoteEntity
from durablenb.hub.remote.handle import RemoteHandle
from durablenb.hub.remote.link import ANSWER_LIMIT, Link
from durablenb.hub.remote.parts import Part
from durablenb.model.display import HubView
from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.model.errors import DurableError, InstanceNotFoundError
from durablenb.model.events import Event
from durablenb.model.ids import IfExists
from durablenb.model.status import DurableOrchestrationStatus, InstanceState, Statuses, status_of
from durablenb.store.portable import line_of
from durablenb.store.statements import ENTITY_STATES, PAYLOADS
from durablenb.values.codec import ValueCodec

if TYPE_CHECKING:
    from durablenb.analysis.replays.replay import Replay
    from durablenb.hub.journal_source import Standing
    from durablenb.notebook.live.hub import LiveHub

PARTS = 32
"""Histories of which copies are kept; the one that was looked at longest ago goes first."""


QUERY_SECONDS = 60.0
"""Within which a query is answered: it may have to wait for others, and for the copy that it is asked of."""


@dataclass(frozen=True)
class RelatedHistories:
    """What other histories say that an instance's picture needs."""

    forks: tuple[str, ...]
    queues: dict[str, EntityQueue]


class RemoteHub(HubFigures):
    """A hub that another process serves; `TaskHub.connect` gives it.

    Orchestrators and activities run there. What is looked at here is a copy: of an instance its history, of
    the hub all events without long payloads, of up to a million.

    Parameters
    ----------
    url, key, limit
        As for `TaskHub.connect`.
    """

    def __init__(self, url: str, key: str | None = None, limit: int = ANSWER_LIMIT) -> None:
        self._link = Link(url, key, limit)
        self._turn = threading.Lock()
        self._parts: OrderedDict[str | None, Part] = OrderedDict()
        self._codec = ValueCodec(self._blob)
        self.client = RemoteClient(self._link)
        """Azure's client methods, without ``await``."""
        self._hello()

    def _hello(self) -> None:
        """Make sure that it is a hub, and that this durablenb can read it."""
        try:
            self._part("@").look()  # nobody's history
        except InstanceNotFoundError:
            raise DurableError(
                f"What answers at {self.url} doesn't tell its journal: it isn't durablenb, or an older one. "
                "Install a newer durablenb there."
            ) from None

    @property
    def url(self) -> str:
        """Where it is."""
        return self._link.url

    # -- running ---------------------------------------------------------------------------------

    def start(
        self,
        orchestrator: Any,
        input_: Any = None,
        *,
        instance_id: str | None = None,
        version: str | None = None,
        if_exists: IfExists = "error",
    ) -> RemoteHandle:
        """Start an orchestration; the call returns once the start is on the server's disk.

        Parameters
        ----------
        orchestrator
            The name under which it is registered there, or a function of that name.
        input_
            What ``context.get_input()`` gives: what JSON has.
        instance_id, version, if_exists
            As for `TaskHub.start`.

        Raises
        ------
        InstanceExistsError
            If an instance of that id exists, and `if_exists` doesn't allow for it.
        FunctionNotFoundError
            If no such orchestrator is registered there.
        NotSerializableError
            If the input isn't JSON.
        HubUnreachableError
            If the server doesn't answer. With an id of your own and ``if_exists="attach"``, asking again is
            safe: the work is done once.
        """
        instance_id = self.client.start_new(orchestrator, instance_id, input_, version, if_exists=if_exists)
        return RemoteHandle(self, instance_id)

    def run(self, orchestrator: Any, input_: Any = None, **options: Any) -> Any:
        """Start an orchestration, wait for it, and return what it returned; see `start`."""
        return self.start(orchestrator, input_, **options).result()

    def handle(self, instance_id: str) -> RemoteHandle:
        """Return the handle of an instance.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        handle = RemoteHandle(self, instance_id)
        if not handle.status():
            handle._existing()
        return handle

    def entity(self, function: Any, key: str) -> RemoteEntity:
        """Return an entity, to signal and to look at.

        Parameters
        ----------
        function
            Its name, or a function or class of that name.
        key
            Which one.
        """
        return RemoteEntity(self, EntityId(name_of(function), key))

    def register_type(self, kind: Any, name: str | None = None) -> Any:
        """Register a class, so that its values come back as such in results; see `TaskHub.register_type`."""
        self._codec.register(kind, name)
        return kind

    # -- looking ---------------------------------------------------------------------------------

    def instances(
        self,
        status: Statuses = None,
        *,
        name: str | None = None,
        since: datetime | None = None,
        top: int | None = None,
    ) -> InstanceList:
        """Return where the instances stand that meet every condition given, oldest first.

        Parameters
        ----------
        status, name, since, top
            As for `TaskHub.instances`.

        Notes
        -----
        Times are in whole seconds, as in Azure, and values plain JSON; `RemoteHandle.status` has them as they
        are.
        """
        return InstanceList(self.client.get_status_by(since, None, status, name=name, top=top))

    def entities(self, name: str | None = None, *, since: datetime | None = None) -> list[EntityMetadata]:
        """Return the entities that exist, with their states as plain JSON, by their ids."""
        return self.client.list_entities(name, True, since)

    def sql(self, query_text: str, params: Parameters = None) -> Relation:
        """Return the answer to a query over the hub's tables and views, which the server runs.

        Parameters
        ----------
        query_text
            One SELECT of DuckDB's SQL over the hub's own tables, views and macros. It has ten seconds and
            1 GB of memory there, and its answer up to 10,000 rows.
        params
            Values for its ``?`` or ``$name``, as JSON has them.

        Returns
        -------
        duckdb.DuckDBPyRelation
            As of `TaskHub.sql`; the rows are here.

        Raises
        ------
        ValueError
            If it isn't one SELECT, reads something else, takes too long or too much memory, or has too many
            rows.
        duckdb.Error
            If the query is wrong.
        DurableError
            If the server doesn't answer queries: it has to be told to, ``hub.serve(sql=True)``.
        """
        body = {"sql": query_text, "params": params}
        answer = self._link.send("POST", "sql", body=body, seconds=QUERY_SECONDS, kinds=QUERY_KINDS)
        return answer_relation(answer.json())

    def watch(self) -> LiveHub:
        """Return a live view: all instances, how fast the hub works, and each instance in detail."""
        from durablenb.hub.remote.sights import hub_sight_of
        from durablenb.notebook.live.hub import LiveHub

        return LiveHub(hub_sight_of(self))

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the connection and of what was copied; the hub goes on. Twice does nothing."""
        self._link.is_closed = True
        with self._turn:
            parts = [*self._parts.values()]
            self._parts.clear()
        for part in parts:
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inside ----------------------------------------------------------------------------------

    def _part(self, instance_id: str | None) -> Part:
        """The copy of an instance's history, or of all of it."""
        with self._turn:
            part = self._parts.pop(instance_id, None) or Part(self._link, instance_id)
            self._parts[instance_id] = part
            while len(self._parts) > PARTS:
                self._parts.popitem(last=False)
            return part

    def _related(self, instance_id: str, entity_ids: Sequence[str] = ()) -> RelatedHistories:
        query = [("entity", one) for one in entity_ids]
        found = self._link.send("GET", "journal", known(instance_id), "beside", query=query, seconds=3).json()
        queues = {one: EntityQueue(one, length, owner) for one, (length, owner) in found["queues"].items()}
        return RelatedHistories(tuple(found["forks"]), queues)

    def _log(self, instance_id: str) -> Log:
        rows = self._link.get("journal", known(instance_id), "log").json()
        return Log(instance_id, map(line_of, rows))

    def _blob(self, blob_hash: str) -> bytes:
        return self._link.get("blobs", blob_hash).body

    def _source(self, source_hash: str) -> str | None:
        try:
            return str(self._link.get("sources", source_hash).json())
        except InstanceNotFoundError:
            return None

    def _status(self, state: InstanceState, standing: Standing) -> DurableOrchestrationStatus:
        return status_of(state, self._codec.shown, imported_from=standing.imported_from)

    def _entity_text(self, entity_id: EntityId) -> str:
        part = self._part(str(entity_id))
        part.look()
        places = [place for _, place in part.mirror.ask(ENTITY_STATES, [[str(entity_id)]])]
        return str(part.mirror.ask(PAYLOADS, [places])[0][1]) if places else NOTHING

    def _replay(
        self,
        instance_id: str,
        execution_id: str,
        name: str,
        events: Sequence[Event],
        orchestrator: Callable[..., Any],
    ) -> Replay:
        from durablenb.hub.recorded.fits import replay_of  # what only those need who replay

        ids = (instance_id, execution_id)
        return replay_of(ids, name, events, orchestrator, self._codec, self._source)

    def _reader(self) -> AbstractContextManager[Any]:
        self._part(None).look()
        return self._part(None).mirror.cursor()

    def _shown(self) -> HubView:
        part = self._part(None)
        part.look()
        return self._view_of(part)

    def _view_of(self, part: Part) -> HubView:
        """What there was to draw when the server was last asked."""
        from durablenb.analysis.fleet import read_fleet  # what only pictures need

        with part.mirror.cursor() as connection:
            return HubView(repr(self), read_fleet(connection, tally=part.mirror.tally))

    def __repr__(self) -> str:
        return f"<RemoteHub {self.url}{': closed' if self._link.is_closed else ''}>"
