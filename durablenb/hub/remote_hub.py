"""A hub that another process serves, as a notebook holds it."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from durablenb.analysis.sandbox.fence import QUERY_KINDS, answer_relation
from durablenb.analysis.sql import Parameters, Relation
from durablenb.hub.http_control import HttpControl
from durablenb.hub.hub import Hub
from durablenb.journal.replica.link import ANSWER_LIMIT, Link
from durablenb.journal.replica.served import ServedJournal
from durablenb.model.errors import DurableError, InstanceNotFoundError
from durablenb.model.queues import Queue

QUERY_SECONDS = 60.0
"""The time limit for a query, which may wait for other queries and for the copy that is queried."""


class RemoteHub(Hub):
    """A hub that another process serves; `TaskHub.connect` gives it.

    Orchestrators and activities run there. All else is called as in a `TaskHub`; each call asks the server
    for what is new. Of an instance the whole history is copied, of the hub all events without long payloads,
    up to a million. Values that are sent go as JSON. The statuses of a list have times in whole seconds and
    values in plain JSON, as in Azure; `Handle.status` has them as they are.

    Parameters
    ----------
    url, key, limit
        As for `TaskHub.connect`.
    """

    def __init__(self, url: str, key: str | None = None, limit: int = ANSWER_LIMIT) -> None:
        self._link = Link(url, key, limit)
        self._served = ServedJournal(self._link)
        super().__init__(self._served, HttpControl(self._served))
        try:
            self._served.refresh("@")  # nobody's history
        except InstanceNotFoundError:
            raise DurableError(
                f"What answers at {self.url} doesn't serve its journal: it isn't durablenb, or an older one. "
                "Install a newer durablenb there."
            ) from None

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._link.url

    def register_type(self, kind: Any, name: str | None = None) -> Any:
        """Register a class, so that its values come back as such in results; see `TaskHub.register_type`."""
        self._served.codec.register(kind, name)
        return kind

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

    @property
    def cache(self) -> NoReturn:
        """Raise `DurableError`: results are remembered where the hub is."""
        raise DurableError(
            "The cache of a served hub is where the hub is: hub.cache. If the hub is served with sql=True, a "
            "query reads it from here: remote.sql('from cached_results')."
        )

    def add_queue(self, queue: Queue) -> NoReturn:
        """Raise `DurableError`: queues and functions are registered where the hub is."""
        raise DurableError(
            "Queues are registered where the hub is. Call hub.add_queue(queue) in the process that serves "
            "it; remote.queues lists those that it has."
        )

    def export(self, what: Any, path: str | os.PathLike[str]) -> NoReturn:
        """Raise `DurableError`: histories are exported where the hub is.

        A copy of instances of a served hub comes into a hub of yours by `TaskHub.import_history`.
        """
        raise DurableError(
            "A served hub is exported where it is: hub.export(...). To copy instances into a hub of yours: "
            f"hub.import_history('{self.url}/runtime/webhooks/durabletask/instances/ID', key=...)."
        )

    def __repr__(self) -> str:
        return f"<RemoteHub {self.url}{': closed' if self._link.is_closed else ''}>"
