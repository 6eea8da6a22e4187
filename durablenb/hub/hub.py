"""The common part of an open hub, a file and a served hub, over the two ports."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Self, overload

from durablenb.analysis.figures import HubFigures
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.sql import Parameters, Relation, frame_variables, query
from durablenb.core.registry import target_name
from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.hub.control import Control
from durablenb.hub.entity import EntityHandle
from durablenb.hub.handles import Handles
from durablenb.hub.instance import Handle
from durablenb.journal.port import Journal
from durablenb.model.budgets import Budget
from durablenb.model.display import HubView
from durablenb.model.entities import EntityId, EntityMetadata
from durablenb.model.ids import IfExists, asked_instance_id
from durablenb.model.queues import QueueList
from durablenb.model.status import DurableOrchestrationStatus, Statuses

if TYPE_CHECKING:
    import duckdb
    import pyarrow

    from durablenb.analysis.history import History
    from durablenb.analysis.replays.fit_report import FitReport
    from durablenb.hub.cache import HubCache
    from durablenb.notebook.live.hub import LiveHub


class Hub(HubFigures):
    """Instances and entities, as a journal has them and a control changes them.

    `TaskHub` is one that runs in this process, `HubFile` one in a file that is only read, and `RemoteHub` one
    that another process serves. What a file can't do raises a `DurableError` that says why.

    Parameters
    ----------
    journal
        What happened.
    control
        What should happen.
    """

    client: SyncDurableOrchestrationClient
    """Azure's client methods, without ``await``."""

    def __init__(self, journal: Journal, control: Control) -> None:
        self._use(journal, control)

    def _use(self, journal: Journal, control: Control) -> None:
        self._journal = journal
        self._control = control
        self.client = SyncDurableOrchestrationClient(journal, control)

    # -- running ---------------------------------------------------------------------------------

    def start(
        self,
        orchestrator: str | Callable[..., Any],
        input_: Any = None,
        *,
        instance_id: str | None = None,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        version: str | None = None,
        if_exists: IfExists = "error",
        priority: int = 0,
    ) -> Handle:
        """Start an orchestration; the call returns once the start is on disk.

        Parameters
        ----------
        orchestrator
            The function, or its name.
        input_
            What ``context.get_input()`` returns.
        instance_id, start_at, tags, budget, version
            As for `SyncDurableOrchestrationClient.start_new`.
        if_exists
            What happens if an instance of that id exists. ``"error"``, as in Azure: an open instance raises
            `InstanceExistsError`, an ended one is replaced, and its work is done again. ``"attach"``: nothing
            is started, and the handle of the existing instance is returned, open or ended; the start is
            idempotent, so a cell or a script can be run again without repeating its work. ``"restart"``: the
            instance is replaced; an open one is terminated first, with its sub-orchestrations.
        priority
            The default of its calls, and of those of its sub-orchestrations: among calls that wait for a
            place in a `Queue`, those with a higher priority begin first.

        Raises
        ------
        InstanceExistsError
            If an instance of that id is open; with ``if_exists="attach"``, if it has another orchestrator or
            another input.
        FunctionNotFoundError
            If no such orchestrator is registered.
        NotSerializableError
            If the input can't be stored.
        StoreError
            If the journal can't be written now, or the hub is closed.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:", mode="kernel")
        >>> hub.add_activity(lambda number: print("paying", number), name="pay")
        >>> @hub.orchestrator
        ... def order(context):
        ...     yield context.call_activity("pay", context.get_input())
        ...     return "paid"
        >>> for _ in range(2):
        ...     hub.start(order, 7, instance_id="order-7", if_exists="attach").result()
        paying 7
        'paid'
        'paid'
        >>> hub.close()
        """
        instance_id = self.client.start_new(
            orchestrator,
            instance_id,
            input_,
            version,
            start_at=start_at,
            tags=tags,
            budget=budget,
            if_exists=if_exists,
            priority=priority,
        )
        return Handle(self, instance_id)

    def run(self, orchestrator: str | Callable[..., Any], input_: Any = None, **options: Any) -> Any:
        """Start an orchestration, wait for it, and return what it returned.

        Parameters
        ----------
        orchestrator, input_, **options
            As for `start`.

        Raises
        ------
        TaskFailedError
            If it failed; see `Handle.result` for the others.

        Examples
        --------
        >>> hub.run("doubled", 21, instance_id="a")
        42
        """
        return self.start(orchestrator, input_, **options).result()

    def map(
        self,
        orchestrator: str | Callable[..., Any],
        inputs: Iterable[Any],
        *,
        instance_ids: Iterable[str] | None = None,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        version: str | None = None,
        if_exists: IfExists = "error",
        priority: int = 0,
    ) -> Handles:
        """Start an orchestration for each input, all in one commit, and return their handles.

        It takes as long as a few starts: a loop of `start` waits for the disk each time.

        Parameters
        ----------
        orchestrator
            The function, or its name.
        inputs
            The inputs, one for each orchestration: a list, a range, the rows of a table.
        instance_ids
            The ids, one for each input; by default 32 hexadecimal digits each.
        start_at, tags, budget, version, if_exists, priority
            As for `start`, for all of them. With ids of your own and ``if_exists="attach"``, a cell or a
            script can be run again: only inputs whose instances don't exist are started.

        Raises
        ------
        InstanceExistsError, FunctionNotFoundError, NotSerializableError, StoreError
            As for `start`. No orchestration is started then.
        ValueError
            If the ids aren't as many as the inputs, or one of them is given twice.

        Examples
        --------
        >>> import durablenb as df
        >>> hub = df.TaskHub(":memory:")
        >>> hub.add_activity(lambda number: 100 // number, name="divide")
        >>> @hub.orchestrator
        ... def share(context):
        ...     return (yield context.call_activity("divide", context.get_input()))
        >>> handles = hub.map(share, range(1, 5), instance_ids=[f"share-{n}" for n in range(1, 5)])
        >>> handles.results()
        [100, 50, 33, 25]
        >>> handles
        <4 instances: 4 Completed>
        >>> handles[1].status().output
        50
        >>> results = hub.map(share, [5, 0]).results(return_exceptions=True)
        >>> results[0], isinstance(results[1], ZeroDivisionError)
        (20, True)
        >>> hub.close()
        """
        ids = self.client.start_many(
            orchestrator,
            inputs,
            instance_ids,
            version,
            start_at=start_at,
            tags=tags,
            budget=budget,
            if_exists=if_exists,
            priority=priority,
        )
        return Handles(self, ids)

    def handle(self, instance_id: str) -> Handle:
        """Return the handle of an instance.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.

        Examples
        --------
        >>> hub.run("doubled", 21, instance_id="a")
        42
        >>> hub.handle("a").status().output
        42
        """
        return Handle(self, self.client.existing_id(instance_id))

    def cancel(self, instance_id: str, reason: str | None = None) -> bool:
        """Request that an orchestration cancels itself; return False if it has ended, and nothing happens.

        What happens then is described at `SyncDurableOrchestrationClient.cancel`.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.

        Examples
        --------
        >>> handle = hub.start("approval", instance_id="a")
        >>> hub.cancel("a", "no longer needed")
        True
        >>> handle.wait().runtime_status.name
        'Canceled'
        """
        return self.client.cancel(instance_id, reason)

    # -- code that changes -----------------------------------------------------------------------

    def replay(
        self,
        target: str | Callable[..., Any] | Handle | History | Iterable[str | Handle | History],
        orchestrator: Callable[..., Any] | None = None,
        *,
        status: Statuses = None,
    ) -> FitReport:
        """Replay code against the histories of instances, and return whether it fits.

        No activity runs, nothing is written, and prints are discarded. A notebook shows the report as a
        picture and a table; in a test, write ``assert hub.replay("fulfil", new).fits``.

        Parameters
        ----------
        target
            An orchestrator, or its name, for all of its open instances; or a handle, an id, a `History`, or
            several of these, which may be of another hub or file.
        orchestrator
            The code; by default the registered code.
        status
            With an orchestrator: its instances of these statuses, such as ``"Completed"``, instead of the
            open ones.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance and no such orchestrator.
        FunctionNotFoundError
            If no code is given, and none is registered.
        ValueError
            If a text is both the name of an orchestrator and the id of an instance.

        Examples
        --------
        >>> handle = hub.start("doubled", 21)
        >>> handle.result()
        42
        >>> def tripled(context):
        ...     return (yield context.call_activity("triple", context.get_input()))
        >>> hub.replay(handle).fits, hub.replay(handle, tripled).fits
        (True, False)
        """
        from durablenb.hub.upgrade import fit_report  # only needed for replays

        return fit_report(self, target, orchestrator, status)

    # -- remembered results ----------------------------------------------------------------------

    @property
    def cache(self) -> HubCache:
        """The remembered results of activities that are registered with ``cache=``.

        Examples
        --------
        >>> @hub.activity(cache=True)
        ... def load(year):
        ...     return year
        >>> @hub.orchestrator
        ... def report(context):
        ...     for _ in range(2):
        ...         yield context.call_activity(load, 2026)
        >>> hub.run(report)
        >>> hub.cache
        <cache: 1 result, 1 hit>
        """
        from durablenb.hub.cache import HubCache  # only needed by hubs that remember results

        return HubCache(self)

    # -- looking ---------------------------------------------------------------------------------

    def instances(
        self,
        status: Statuses = None,
        *,
        name: str | None = None,
        since: datetime | None = None,
        top: int | None = None,
    ) -> InstanceList:
        """Return the statuses of the instances that meet all conditions, oldest first.

        Parameters
        ----------
        status
            A status, or several, such as ``"Failed"``.
        name
            The orchestrator's name.
        since
            Only instances started at this time or later; a naive time is UTC.
        top
            The largest number of instances.

        Examples
        --------
        >>> for number in 1, 2, 3:
        ...     handle = hub.start("doubled", number)
        >>> handle.result()
        6
        >>> len(hub.instances("Completed", name="doubled"))
        3
        """
        found = self.client.get_status_by(since, None, status, name=name, top=top)
        return InstanceList(found, partial(Handle, self))

    @property
    def queues(self) -> QueueList:
        """The queues of the hub by name, each with the number of calls that wait and that run.

        These are the places that calls hold now. The end of a call that has just freed one may not be on disk
        yet.

        Examples
        --------
        >>> hub.add_queue(df.Queue("gpu", concurrency=1))
        >>> hub.queues
        [<queue gpu: 0 waiting, 0 of 1 running>]
        """
        self._journal.refresh()
        return QueueList(self._journal.queues())

    def entities(self, name: str | None = None, *, since: datetime | None = None) -> list[EntityMetadata]:
        """Return the entities that exist, with their states, by their ids.

        Parameters
        ----------
        name
            The name of the entities, compared without case; without it, all are returned.
        since
            Only those of which an operation was requested since that moment; a naive time is UTC.

        Examples
        --------
        >>> for key in "a", "b":
        ...     hub.entity("Counter", key).add(5)
        >>> while hub.step():
        ...     pass
        >>> [entity.entity_id.key for entity in hub.entities("Counter")]
        ['a', 'b']
        """
        return self.client.list_entities(name, True, since)

    @overload
    def entity(self, function: EntityId) -> EntityHandle: ...
    @overload
    def entity(self, function: str | Callable[..., Any], key: str) -> EntityHandle: ...
    def entity(self, function: EntityId | str | Callable[..., Any], key: str | None = None) -> EntityHandle:
        """Return an entity, to signal it and to look at it.

        Parameters
        ----------
        function
            The `EntityId`; or the entity's name, or a function or class of that name, together with a key.
        key
            The entity's key.

        Examples
        --------
        >>> counter = hub.entity("Counter", "a")
        >>> counter.add(5)
        >>> while hub.step():
        ...     pass
        >>> counter.state()
        {'value': 5}
        """
        return EntityHandle(self, parse_entity_id(function, key))

    def entity_state(
        self, entity_id: EntityId, expected_type: Any = None, *, as_of: datetime | None = None
    ) -> Any:
        """Return the state of an entity; None if it doesn't exist.

        Parameters
        ----------
        entity_id
            The entity's id.
        expected_type
            The type that the state is rebuilt as: a class, or an annotation such as ``list[Order]``.
        as_of
            The time of the state; a naive time is UTC. By default, the state on disk now.

        Examples
        --------
        >>> counter = df.EntityId("Counter", "a")
        >>> hub.entity(counter).add(5)
        >>> while hub.step():
        ...     pass
        >>> hub.entity_state(counter)
        {'value': 5}
        """
        return self.client.entity_state(entity_id, expected_type, as_of=as_of)

    def table(self, instance: Handle | str, task: int | str | None = None) -> pyarrow.Table:
        """Return a data frame that an orchestration or an activity returned, as a table of Arrow's.

        It is read from the file without pandas or Polars. In `sql`, the table is known by the id of the
        instance, and that of a call by id and task: ``from "monthly"``, ``from "monthly#0"``.

        Parameters
        ----------
        instance
            The handle or the id of the instance; the id may have the task at its end, ``"monthly#0"``.
        task
            The call whose result it is, by its task id in the history: ``0`` or ``"#0"``. Without one, it is
            the result of the orchestration.

        Returns
        -------
        pyarrow.Table
            The levels of an index of pandas come first, as columns, except for an unnamed range. NaN of
            pandas is null, categories are their values, and cells with Python objects are their JSON.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        ValueError
            If there is no such result, or if it hasn't got exactly one data frame.

        Examples
        --------
        >>> import durablenb as df
        >>> import pandas as pd
        >>> hub = df.TaskHub(":memory:", mode="kernel")
        >>> hub.add_activity(lambda: pd.DataFrame({"shop": ["a", "b", "a"], "sold": [1, 2, 3]}), name="load")
        >>> @hub.orchestrator
        ... def monthly(context):
        ...     sales = yield context.call_activity("load")
        ...     return len(sales)
        >>> hub.run(monthly, instance_id="monthly")
        3
        >>> hub.sql('select shop, sum(sold)::int from "monthly#0" group by all order by all').fetchall()
        [('a', 4), ('b', 2)]
        >>> hub.table("monthly", 0).num_rows
        3
        >>> hub.close()
        """
        from durablenb.hub.stored_tables import read_table  # few need it

        instance_id = instance.id if isinstance(instance, Handle) else instance
        return read_table(self._journal, asked_instance_id(instance_id), task)

    def sql(self, query_text: str, params: Parameters = None) -> duckdb.DuckDBPyRelation:
        """Return the answer to a query over the hub's tables and views, and your data frames.

        Parameters
        ----------
        query_text
            A query in DuckDB's SQL. A name that is no table or view of the hub is a variable of the caller: a
            data frame of pandas or Polars, an Arrow table, NumPy arrays, or the answer to another query. If
            there is no such variable either, it is the id of an instance that returned a data frame; see
            `table`.
        params
            The values of its ``?`` or ``$name``.

        Returns
        -------
        duckdb.DuckDBPyRelation
            It has ``.show()``, ``.df()``, ``.pl()``, ``.arrow()`` and ``.fetchall()``. Each of them runs the
            query again. It sees everything that was on disk when you called `sql`; of later events, it may
            lack those of the last 0.1 seconds. Polars can't read columns of type ``INTERVAL``: use
            ``epoch(duration)``, the seconds.

        Raises
        ------
        ValueError
            If it isn't one query. Only the hub writes to the journal.
        duckdb.Error
            If the query is wrong; for example `duckdb.CatalogException` if a name is neither a table nor a
            variable.

        Examples
        --------
        >>> import durablenb as df
        >>> import pandas as pd
        >>> hub = df.TaskHub(":memory:", mode="kernel")
        >>> hub.add_orchestrator(lambda context: 2 * context.get_input(), name="double")
        >>> hub.run("double", 21, instance_id="a")
        42
        >>> labels = pd.DataFrame({"instance_id": ["a"], "label": ["the answer"]})
        >>> query = "select label, output::int from labels join instances using (instance_id) where name = $n"
        >>> hub.sql(query, {"n": "double"}).fetchall()
        [('the answer', 42)]
        >>> hub.close()
        """
        return self._query(query_text, params, sys._getframe(1))

    def _query(self, query_text: str, params: Parameters, frame: FrameType) -> duckdb.DuckDBPyRelation:
        self._journal.refresh()
        variables = frame_variables(frame)
        return query(self._journal.open_connection(), query_text, params, variables, self.table)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for reading, for tools such as Polars and jupysql; close it after use.

        Examples
        --------
        >>> with hub.connection() as connection:
        ...     connection.execute("select count(*) from instances").fetchall()
        [(0,)]
        """
        self._journal.refresh()
        return self._journal.open_connection()

    def export(
        self,
        what: str
        | Handle
        | DurableOrchestrationStatus
        | duckdb.DuckDBPyRelation
        | Iterable[str | Handle | DurableOrchestrationStatus]
        | None,
        path: str | os.PathLike[str],
    ) -> int:
        """Write instances and entities to a JSON or Parquet file; return their number.

        The file has all that the journal has of them: events, large values such as data frames, the code that
        they began with, their logs and their outputs. Values in a payload folder are references in it.

        Parameters
        ----------
        what
            A handle, an id, a status, or several of these; a query that returns ids, as text or as its
            answer; or None for all instances and entities. Sub-orchestrations are exported with their
            parents.
        path
            A file with the suffix ``.json`` or ``.parquet``. An existing file is replaced.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance or entity.
        ValueError
            If the file has another suffix, or the query returns no ids.
        OSError
            If the file can't be written.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> hub.run("doubled", 21, instance_id="a")
        42
        >>> with TemporaryDirectory() as folder:
        ...     hub.export("a", Path(folder, "a.json"))
        1
        """
        from durablenb.journal.bundle.export import export  # only needed for exports

        with self.connection() as connection:
            return export(connection, what, path, partial(query, connection, parameters=None, variables={}))

    def watch(self) -> LiveHub:
        """Return a live view of all instances and entities, with the hub's pace and details on a click.

        `watch().sql` is the query for the instances shown, and `watch().df()` returns them as a data frame. A
        notebook without a kernel shows the still picture.

        Examples
        --------
        >>> view = hub.watch()  # the last line of a cell shows it
        >>> print(view.sql)  # doctest: +ELLIPSIS
        select instance_id, name, status, ...
        >>> view.freeze()
        """
        from durablenb.notebook.live.hub import LiveHub

        return LiveHub(self)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the file or the connection, and everything opened through it; closing it twice does nothing.

        A hub that another process serves goes on.
        """
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- how it shows ----------------------------------------------------------------------------

    def _relation(self, sql: str, instance_id: str | None = None) -> Relation:
        """Return the answer to a view's query over one history, or over all of them."""
        return query(self._journal.open_connection(instance_id), sql, None, {})

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._journal.refresh()
        with self._journal.connection() as connection:
            yield connection

    def _shown(self) -> HubView:
        self._journal.refresh()
        return self._view()

    def _view(self, latest: int = 10) -> HubView:
        """Return what there was to draw when the journal was last read; `latest` instances are listed."""
        from durablenb.analysis.fleet import read_fleet  # only needed for pictures

        with self._journal.connection() as connection:
            fleet = read_fleet(connection, latest, self._journal.instance_counter)
        missing = tuple(sorted(self._journal.without_code().items()))
        return HubView(repr(self), fleet, tuple(QueueList(self._journal.queues())), missing)


def parse_entity_id(entity: Any, key: str | None) -> EntityId:
    """Return the id of an entity that is given by its id, or by a name or a function and a key.

    Raises
    ------
    TypeError
        If the key is missing.
    """
    if isinstance(entity, EntityId) and key is None:
        return entity
    if key is None:
        raise TypeError("An entity has a name and a key: hub.entity('Counter', 'a'), or give its EntityId.")
    return EntityId(target_name(entity), key)
