"""The task hub: what a notebook holds; it opens a file, recovers, runs, and lets go.

It is long because it is what users hold: most of it is the reference of its methods.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast, overload

from durablenb.app import Blueprint, Entity
from durablenb.azure import DurableOrchestrationClient
from durablenb.client import SyncDurableOrchestrationClient
from durablenb.core.context import HTTP_ACTIVITY
from durablenb.core.entity_class import EntityClass
from durablenb.core.registry import Activity, Registry, check_limit, mark, name_of
from durablenb.core.versions import VERSION_MATCHES, VersionMatch
from durablenb.engine.clocks import SystemClock
from durablenb.engine.engine import Engine
from durablenb.engine.episodes import EpisodeOptions
from durablenb.engine.executors import Executors, check_executor
from durablenb.engine.interrupts import uninterrupted
from durablenb.engine.machine import EngineOptions
from durablenb.engine.messages import Registered
from durablenb.engine.timekeeping import HubClock
from durablenb.engine.waiting import step
from durablenb.entities import EntityHandle
from durablenb.handle import Handle
from durablenb.model.display import HubView, use_views
from durablenb.model.entities import EntityId
from durablenb.model.errors import DurableError
from durablenb.model.ids import checked_version
from durablenb.model.source import source_of
from durablenb.model.status import Statuses
from durablenb.opened import asked, closed, hub_of, hubs, opened
from durablenb.ports.clock import Clock
from durablenb.queries.drawn import DrawnHub
from durablenb.queries.hub.instances import InstanceList
from durablenb.queries.sql import Parameters, query, variables_of
from durablenb.store.duck import DuckStore
from durablenb.values.codec import Redact, ValueCodec

if TYPE_CHECKING:
    import duckdb

    from durablenb.http.server import Server
    from durablenb.model.display import Views
    from durablenb.queries.changes.fits import FitReport
    from durablenb.queries.changes.upgrades import UpgradeReport
    from durablenb.views.live.hub import LiveHub

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type[Any])


class TaskHub(DrawnHub):
    """Orchestrations in one DuckDB file: opened or created, recovered, and gone on with.

    Parameters
    ----------
    path
        The file; ``":memory:"`` for a hub that lasts as long as the object. Opening the file of a hub
        that is open in this process gives that very hub, so that a notebook's cell can be run again.
    mode
        ``"threads"``: work goes on in the background. ``"kernel"``: everything happens in the calling
        thread, and only inside `run`, `step` and a handle's `result`.
    clock
        A `VirtualClock` for tests and lessons; without one, the machine's.
    durability
        ``"strict"``: an activity starts when its being asked for is on disk. ``"pipelined"``: it starts
        at once; after a crash the work of the last few milliseconds may be done again.
    executor
        Where activities run: ``"threads"``, a number of threads, ``"inline"`` (in the engine's own
        thread), ``"processes"``, or any ``concurrent.futures.Executor``, which stays yours to shut down.
        Without one, 16 threads; in mode ``"kernel"`` inline. An ``async def`` activity runs in an event
        loop of its own thread.
    verify_replay
        Replay every episode from scratch and compare; slow, for tests.
    on_nondeterminism
        What becomes of an instance whose code no longer fits its history: ``"hold"``, until the code
        is mended and registered again, or ``"fail"``, as in Azure.
    max_concurrency
        How many activities may run at a time; None for as many as the executor takes.
    redact
        A function that sees every value and failure before it is kept: it is called with what it is
        (``"input"``, ``"result"``, ``"event"``, ``"status"``, ``"state"`` of an entity, ``"failure"``, or
        ``"log"`` for a line that was printed) and the value as JSON has it, and returns what is kept in
        its place. Everybody gets what was kept. It has to return the same for the same value, always:
        replays compare.
    version_match
        Which code runs an instance, where an orchestrator is registered in several versions. ``"strict"``:
        its own version's; where that isn't registered, the instance waits for it. ``"current-or-older"``, as
        in Azure by default: its own version's, else the next newer one's. Code that was registered without a
        version runs what is left.
    allow_pickle
        Whether values may be kept by pickle, where they are given as `Pickled`. Reading one runs code from
        the file.

    Raises
    ------
    HubLockedError
        If another process holds the file; the message names it.
    StoreError
        If the file can't be opened; the message says what to do.
    ValueError
        If an option isn't one of those above.

    Notes
    -----
    While a hub is open, ``sys.setswitchinterval`` is at most 0.5 ms, and what activities and orchestrators
    print and log goes to their instance's log, see `Handle.logs`; both end on closing.

    Examples
    --------
    >>> import durablenb as df
    >>> with df.TaskHub(":memory:") as hub:
    ...     @hub.activity
    ...     def say_hello(city):
    ...         return f"Hello {city}!"
    ...     @hub.orchestrator
    ...     def greet(context):
    ...         cities = context.get_input()
    ...         return (yield context.task_all([context.call_activity(say_hello, c) for c in cities]))
    ...     hub.run(greet, ["Tokyo", "London"])
    ['Hello Tokyo!', 'Hello London!']
    """

    _options: dict[str, Any]
    _codec: ValueCodec

    def __new__(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """Return the hub of that file which is open in this process, or a new one."""
        chosen = {**_default_options(), **options}
        chosen.pop("redact", None)  # its cell makes a new function each time, which replaces the old one
        found = cast(TaskHub | None, hub_of(_place_of(path)))
        if found is not None and found._is_closing:  # and an interrupt kept it from its end
            found._close(wait=True)
            found = None
        if found is None:
            made = super().__new__(cls)
            made._options = chosen
            return made
        differing = ", ".join(
            f"{name}={found._options.get(name)!r}, not {value!r}"
            for name, value in chosen.items()
            if found._options.get(name) != value
        )
        if differing:
            raise DurableError(
                f"{path} is open in this process with other options: {differing}. Use the same "
                "ones, or close it first: hub.close()."
            )
        return cast(Self, found)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["threads", "kernel"] = "threads",
        clock: Clock | None = None,
        durability: Literal["strict", "pipelined"] = "strict",
        executor: Any = None,
        verify_replay: bool = False,
        on_nondeterminism: Literal["hold", "fail"] = "hold",
        max_concurrency: int | None = None,
        redact: Redact | None = None,
        version_match: VersionMatch = "strict",
        allow_pickle: bool = False,
    ) -> None:
        if hasattr(self, "_engine"):  # the same hub again: its cell was run once more
            self._codec.redact = redact
            asked(self)
            return
        _one_of("mode", mode, ("threads", "kernel"))
        _one_of("durability", durability, ("strict", "pipelined"))
        _one_of("on_nondeterminism", on_nondeterminism, ("hold", "fail"))
        _one_of("version_match", version_match, VERSION_MATCHES)
        check_limit(max_concurrency)
        is_threaded = mode == "threads"
        default = "threads" if is_threaded else "inline"
        executors = Executors(default if executor is None else executor)
        self._mode = mode
        self._path = _place_of(path)
        self._registry = Registry()
        self._registry.match = version_match
        self._registry.add_activity(Activity(HTTP_ACTIVITY, _send_request))
        episodes = EpisodeOptions(
            verify_replay=verify_replay,
            fails_on_nondeterminism=on_nondeterminism == "fail",
            interrupts=() if is_threaded else (KeyboardInterrupt,),
        )
        self._codec = ValueCodec(self._blob, redact=redact, allow_pickle=allow_pickle)
        options = EngineOptions(durability == "strict", max_concurrency, episodes, self._codec)
        uninterrupted(lambda: self._open(clock or SystemClock(), executors, options))

    def _open(self, clock: Clock, executors: Executors, options: EngineOptions) -> None:
        self._store = DuckStore(self._path)
        self._server: Server | None = None
        self._is_closing = self._is_closed = False
        try:
            self._engine = Engine(self._store, clock, self._registry, executors, options)
        except BaseException:
            self._store.close()
            raise
        self.client = SyncDurableOrchestrationClient(self._engine)
        """Azure's client methods, without ``await``."""
        opened(self)
        self._engine.committer.start()
        if self._mode == "threads":
            self._engine.start()

    def _blob(self, blob_hash: str) -> bytes:
        return self._store.blob(blob_hash)

    @property
    def path(self) -> Path | None:
        """The file; None for a hub in memory."""
        return self._path

    @property
    def clock(self) -> HubClock:
        """What time it is for the hub; a virtual clock can be moved by it."""
        return HubClock(self._engine)

    # -- functions -------------------------------------------------------------------------------

    @overload
    def activity(self, function: F) -> F: ...
    @overload
    def activity(
        self, *, name: str | None = None, max_concurrency: int | None = None, executor: Any = None
    ) -> Callable[[F], F]: ...
    def activity(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        max_concurrency: int | None = None,
        executor: Any = None,
    ) -> Any:
        """Register an activity, ``def`` or ``async def``, as a decorator; see `add_activity`."""

        def decorate(decorated: F) -> F:
            self.add_activity(decorated, name, max_concurrency=max_concurrency, executor=executor)
            return decorated

        return decorate if function is None else decorate(function)

    @overload
    def orchestrator(self, function: F) -> F: ...
    @overload
    def orchestrator(self, *, name: str | None = None, version: str | None = None) -> Callable[[F], F]: ...
    def orchestrator(
        self,
        function: Callable[..., Any] | None = None,
        *,
        name: str | None = None,
        version: str | None = None,
    ) -> Any:
        """Register an orchestrator, a generator or ``async def``, as a decorator; see `add_orchestrator`."""

        def decorate(decorated: F) -> F:
            self.add_orchestrator(decorated, name, version=version)
            return decorated

        return decorate if function is None else decorate(function)

    def add_activity(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        *,
        max_concurrency: int | None = None,
        executor: Any = None,
    ) -> None:
        """Register an activity, in place of one of the same name.

        Parameters
        ----------
        function
            A function of one argument, or of none.
        name
            By which it is called; without one, the function's own.
        max_concurrency
            How many of its calls may run at a time.
        executor
            Where it runs, as for the hub.

        Raises
        ------
        ValueError, TypeError
            If one of these isn't what it should be.
        """
        if executor is not None:
            check_executor(executor)
        activity = Activity(_chosen_name(function, name), function, max_concurrency, executor)
        self._registry.add_activity(activity)
        self._engine.post(Registered("activity", activity.name))

    def add_orchestrator(
        self, function: Callable[..., Any], name: str | None = None, *, version: str | None = None
    ) -> None:
        """Register an orchestrator, in place of one of the same name and version.

        What `check` finds in it is said in a warning of the log, once for each source text: at once, or when
        it first runs, if it names what no cell has defined yet. If other code was registered before and
        instances run it, another warning says whether the new code fits them; see `upgrade`.

        Parameters
        ----------
        function
            A generator function, an ``async def`` or a plain function of the context; or what
            `Orchestrator.create` made of one.
        name
            By which it is started; without one, the function's own.
        version
            Beside others of the same name: an instance runs the code of the version that it was started with.
            Without one, it runs all that have no code of their own.
        """
        from durablenb.checks.telling import tell  # which takes its time to import

        chosen = _chosen_name(function, name)
        source = source_of(function)
        before = self._registry.registered(chosen, checked_version(version))
        self._registry.add_orchestrator(function, chosen, source, version)
        if before is not None and before.is_other(function, source):
            self._tell_of_change(chosen, version)
        self._registry.at_first_run.pop(chosen, None)
        if tell(function, chosen, source) == "later":
            self._registry.at_first_run[chosen] = partial(tell, function, chosen, source)
        self._engine.post(Registered("orchestrator", chosen))

    def _tell_of_change(self, name: str, version: str | None) -> None:
        if any(one.name == name for one in list(self._engine.machine.lifecycle.open.values())):
            from durablenb.upgrading import tell_of_change  # which few cells need

            tell_of_change(self.client, name, version)

    @overload
    def entity(self, function: F) -> F: ...
    @overload
    def entity(self, *, name: str | None = None, executor: Any = None) -> Callable[[F], F]: ...
    @overload
    def entity(self, function: Any, key: str) -> EntityHandle: ...
    def entity(
        self, function: Any = None, key: str | None = None, *, name: str | None = None, executor: Any = None
    ) -> Any:
        """Register an entity, as a decorator, see `add_entity`; with a `key`, return an entity to signal.

        ``@hub.entity`` above a function or a class registers it. ``hub.entity(Counter, "a").add(5)`` signals
        the operation ``add`` of ``EntityId("Counter", "a")``, see `EntityHandle`.
        """
        if key is not None:
            return EntityHandle(self.client, EntityId(name_of(function), key))

        def decorate(decorated: F) -> F:
            self.add_entity(decorated, name, executor=executor)
            return decorated

        return decorate if function is None else decorate(function)

    def add_entity(
        self, function: Callable[..., Any], name: str | None = None, *, executor: Any = None
    ) -> None:
        """Register an entity, in place of one of the same name.

        Parameters
        ----------
        function
            A function of the `DurableEntityContext`, ``def`` or ``async def``; or a class whose public
            methods are the operations and whose attributes are the state.
        name
            By which it is addressed, compared without case; without one, the function's own.
        executor
            Where its operations run, as for the hub.

        Raises
        ------
        ValueError, TypeError
            If one of these isn't what it should be.
        """
        if executor is not None:
            check_executor(executor)
        chosen = _chosen_name(function, name)
        plain = function.entity_function if isinstance(function, Entity) else function
        does = EntityClass(plain) if isinstance(plain, type) else plain
        added = self._registry.add_entity(does, chosen, executor)
        mark(plain, chosen)
        self._engine.post(Registered("entity", added))

    def entity_state(
        self, entity_id: EntityId, expected_type: Any = None, *, as_of: datetime | None = None
    ) -> Any:
        """Return the state of an entity, None if it doesn't exist.

        Parameters
        ----------
        entity_id
            Which one.
        expected_type
            What the state is rebuilt as: a class, or an annotation such as ``list[Order]``.
        as_of
            Give the state that it had at that moment; a naive time is UTC. Without it, that on disk now.
        """
        return self.client.entity_state(entity_id, expected_type, as_of=as_of)

    @overload
    def register_type(self, kind: C, name: str | None = None) -> C: ...
    @overload
    def register_type(self, *, name: str | None = None) -> Callable[[C], C]: ...
    def register_type(self, kind: Any = None, name: str | None = None) -> Any:
        """Register a class, in place of one of the same name, so that its values come back by themselves.

        Without that they are kept as plain JSON, and come back where an annotation says what they are. It is
        also a decorator.

        Parameters
        ----------
        kind
            A dataclass, an enum, a named tuple, a pydantic model, or a class with Azure's ``to_json`` and
            ``from_json``.
        name
            What stands in the journal; without one, the class's own name.

        Raises
        ------
        TypeError
            If it is another kind of class.
        ValueError
            If the name is taken by a type that needs no registration.

        Examples
        --------
        >>> import durablenb as df
        >>> from dataclasses import dataclass
        >>> with df.TaskHub(":memory:", mode="kernel") as hub:
        ...     @hub.register_type
        ...     @dataclass
        ...     class Order:
        ...         number: int
        ...     @hub.orchestrator
        ...     def echo(context):
        ...         return [context.get_input()]
        ...     hub.run(echo, Order(7))  # doctest: +ELLIPSIS
        [...Order(number=7)]
        """

        def decorate(decorated: C) -> C:
            self._engine.post(Registered("type", self._codec.register(decorated, name)))
            return decorated

        return decorate if kind is None else decorate(kind)

    def add_app(self, app: Blueprint) -> None:
        """Register all functions of a `DFApp` or a `Blueprint`.

        Raises
        ------
        ValueError
            If one of them has no trigger.
        """
        for builder in app.get_functions():
            if builder.kind == "activity":
                self.add_activity(builder.function, builder.name)
            elif builder.kind == "entity":
                self.add_entity(builder.function, builder.name)
            else:
                self.add_orchestrator(builder.function, builder.name)

    # -- running ---------------------------------------------------------------------------------

    def start(
        self,
        orchestrator: Any,
        input_: Any = None,
        *,
        instance_id: str | None = None,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> Handle:
        """Start an orchestration; the call returns once the start is on disk.

        Parameters
        ----------
        orchestrator
            The function, or its name.
        input_
            What ``context.get_input()`` gives.
        instance_id, start_at, tags, version
            As for `SyncDurableOrchestrationClient.start_new`.

        Raises
        ------
        InstanceExistsError
            If an instance of that id is open.
        FunctionNotFoundError
            If no such orchestrator is registered.
        NotSerializableError
            If the input can't be kept.
        StoreError
            If the journal can't be written now, or the hub is closed.
        """
        instance_id = self.client.start_new(
            orchestrator, instance_id, input_, version, start_at=start_at, tags=tags
        )
        return Handle(self.client, instance_id)

    def run(self, orchestrator: Any, input_: Any = None, **options: Any) -> Any:
        """Start an orchestration, wait for it, and return what it returned.

        Parameters
        ----------
        orchestrator, input_, **options
            As for `start`.

        Raises
        ------
        TaskFailedError
            If it failed; see `Handle.result` for the others.
        """
        return self.start(orchestrator, input_, **options).result()

    def step(self) -> str | None:
        """Do one unit of work (an episode, an activity, a timer) and return what it was.

        None: nothing can be done until something happens outside. A virtual clock jumps to the next
        deadline. What was done is on disk.

        Raises
        ------
        DurableError
            If the hub's mode isn't ``"kernel"``: then its work goes on by itself.
        StoreError
            If the journal can't be written now.
        """
        if self._mode != "kernel":
            raise DurableError('hub.step() is for mode="kernel"; this hub works by itself.')
        done = step(self._engine)
        self._engine.committer.drain()  # so that whoever looks now sees it
        return done

    def handle(self, instance_id: str) -> Handle:
        """Return the handle of an instance.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance.
        """
        return Handle(self.client, self.client.existing(instance_id).instance_id)

    # -- code that changes -----------------------------------------------------------------------

    def replay(
        self,
        target: Any,
        orchestrator: Callable[..., Any] | None = None,
        *,
        status: Statuses = None,
    ) -> FitReport:
        """Return whether code still fits instances: it goes through their histories, and nothing is run.

        Nothing is written either, and what the code prints goes nowhere. In a notebook the answer shows as a
        picture and a table; a test says ``assert hub.replay("fulfil", new).fits``.

        Parameters
        ----------
        target
            An orchestrator, or its name, for all of its instances that are open; a handle, an id, a `History`
            or several of these, also of a file that `open_history` reads.
        orchestrator
            The code; without it, what is registered.
        status
            Of an orchestrator's instances those of these statuses, such as ``"Completed"``, in place of the
            open ones.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance and no such orchestrator.
        FunctionNotFoundError
            If the code is to be what is registered, and there is none.
        ValueError
            If a text is the name of an orchestrator and the id of an instance.
        """
        from durablenb.upgrading import report_of

        return report_of(self.client, target, orchestrator, status)

    def upgrade(self, target: Any, *, misfits: Literal["leave", "hold"] = "leave") -> UpgradeReport:
        """Let open instances that run older code go on with what is registered now, if that fits; say which.

        An instance that is in memory keeps the code that it began with until it is replayed, when the hub is
        opened again at the latest. This replays it now.

        Parameters
        ----------
        target
            As for `replay`.
        misfits
            What becomes of those that the new code doesn't fit. ``"leave"``: they go on with the code that
            they have in memory, as long as they are in memory; replayed, they would be held. ``"hold"``: they
            are held now, until code is registered that fits. To keep old code for them for good, register it
            with a version.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance and no such orchestrator.
        StoreError
            If the journal can't be read now.
        """
        from durablenb.upgrading import upgrade

        _one_of("misfits", misfits, ("leave", "hold"))
        return upgrade(self.client, target, holds=misfits == "hold")

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
        status
            One or several, such as ``"Failed"``.
        name
            Their orchestrator.
        since
            Started at this moment or later; a naive one is UTC.
        top
            How many at the most.
        """
        return InstanceList(self.client.get_status_by(since, None, status, name=name, top=top))

    def sql(self, query_text: str, params: Parameters = None) -> duckdb.DuckDBPyRelation:
        """Return the answer to a query over the hub's tables and views, and your data frames.

        Parameters
        ----------
        query_text
            DuckDB's SQL. A name that is no table or view of the hub is a variable of yours, where you ask: a
            data frame of pandas or Polars, an Arrow table, NumPy arrays, or the answer to another query.
        params
            Values for its ``?`` or ``$name``.

        Returns
        -------
        duckdb.DuckDBPyRelation
            With ``.show()``, ``.df()``, ``.pl()``, ``.arrow()``, ``.fetchall()``; each of them asks anew, and
            gets what is on disk then. Polars can't read columns of type ``INTERVAL``: take
            ``epoch(duration)``, the seconds.

        Raises
        ------
        ValueError
            If it isn't one query: the journal is written by the hub alone.
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
        return query(self.connection(), query_text, params, variables_of(sys._getframe(1)))

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, for tools that want one: Polars, jupysql; close it after use.

        It is for reading, which nothing enforces: DuckDB has no connection that may only read to a database
        that is written. ``connection.execute("begin transaction read only")`` refuses writes until
        ``rollback``, and sees what was on disk when it began.
        """
        self._engine.settle_log()
        return self._store.connection()

    # -- over HTTP -------------------------------------------------------------------------------

    def serve(
        self,
        port: int = 7071,
        key: str | None = None,
        host: str = "127.0.0.1",
        *,
        public_url: str | None = None,
    ) -> Server:
        """Serve the hub over HTTP, beside whatever runs here: Azure's management API.

        The kernel's interrupt doesn't end it; its `close` does, and the hub's. With the same arguments, as
        when a cell is run again, the server that answers already is returned; with others it is replaced.

        Parameters
        ----------
        port
            Where it listens; 0 for one that is free.
        key
            What lets a request in; without one, a random one of this server, ``server.key``. ``""``:
            everybody on this machine is let in, as with Azure's local tools.
        host
            On which of the machine's addresses. With another one than this, what is sent can be read on
            the way, the key too: put a proxy with TLS in front.
        public_url
            How it is reached from outside, if not by host and port, as ``"https://hub.example.org"``.

        Raises
        ------
        DurableError
            If the port is taken; if Starlette and uvicorn aren't installed; if the hub's mode is
            ``"kernel"``, in which nothing happens between two cells.
        ValueError
            If an argument isn't what it should be.

        Examples
        --------
        >>> import durablenb as df
        >>> with df.TaskHub(":memory:") as hub, hub.serve(port=0) as server:
        ...     server.url  # doctest: +ELLIPSIS
        'http://127.0.0.1:...'
        """
        refusal = self._engine.refusal()
        if refusal is not None:
            raise refusal
        if self._mode == "kernel":
            raise DurableError(
                'A hub of mode="kernel" works only while a cell runs, so it can\'t be served. Open it '
                'with mode="threads".'
            )
        try:
            from durablenb.http.server import Server
        except ModuleNotFoundError:
            raise DurableError(
                "Serving needs Starlette and uvicorn: pip install 'durablenb[http]'."
            ) from None
        if self._server is not None:
            if self._server.was_asked_for(port, key, host, public_url):
                return self._server
            self._server.close()
        client, name = DurableOrchestrationClient(self), "memory" if self._path is None else self._path.stem

        def begin() -> None:
            self._server = Server(client, name, port=port, key=key, host=host, public_url=public_url)

        uninterrupted(begin)
        assert self._server is not None
        return self._server

    def client_binding(self) -> str:
        """Return the JSON from which Azure's own clients are made; the server's key is in it.

        ``azure.durable_functions.DurableOrchestrationClient(hub.client_binding())`` in any process of this
        machine, for one.

        Raises
        ------
        DurableError
            If the hub isn't served.
        """
        return self.client.served_at().binding()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Wait for the activities that run, commit, and release the file; twice does nothing.

        Open orchestrations go on when the file is opened again.

        Raises
        ------
        StoreError
            If the last records could not be written; nobody was told of them.
        DurableError
            If it is an activity of this hub that asks for it: it would wait for itself.
        """
        if not self._is_closing and self._engine.machine.dispatcher.is_running_here:
            raise DurableError(
                "An activity can't close the hub that runs it: it would wait for itself. Close the hub where "
                "it was opened."
            )
        self._close(wait=True)

    def _close(self, *, wait: bool) -> None:
        """Closes; after an interrupt in the middle, once more from the start."""
        if self._is_closed:
            return
        self._is_closing = True
        if self._engine.is_foreign:
            self._is_closed = True
            return
        try:
            if self._server is not None:
                self._server.close()
        except BaseException:  # an interrupt: what runs is not waited for any more
            wait = False
            raise
        finally:
            self._stop(wait=wait)

    def _stop(self, *, wait: bool) -> None:
        try:
            self._engine.stop(wait=wait)
            _look_again()
        finally:
            uninterrupted(self._let_go)

    def _let_go(self) -> None:
        try:
            self._store.close()
        finally:
            closed(self)
            self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def watch(self) -> LiveHub:
        """Return a live view: all instances, how fast the hub works, and each instance in detail.

        `watch().sql` is the query for the instances that are shown, and `watch().df()` gives them as a data
        frame. In a notebook that is opened without a kernel the still picture stands in its place.
        """
        from durablenb.queries.hub.pace import pace_of
        from durablenb.views.live.hub import HubSight, LiveHub

        store = self._store
        sight = HubSight(
            last_seq=store.last_seq,
            shown=self._shown,
            pace=lambda: pace_of(store.cursor()),
            ask=lambda sql: query(store.cursor(), sql, None, {}),
            instance=lambda instance_id: self.handle(instance_id)._sight(),
        )
        return LiveHub(sight)

    def _reader(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return nullcontext(self._store.cursor())

    def _shown(self) -> HubView:
        from durablenb.queries.hub.fleet import fleet_of  # what only pictures need

        return HubView(repr(self), fleet_of(self._store.cursor()))

    def __repr__(self) -> str:
        where = ":memory:" if self._path is None else self._path.name
        if self._is_closing:
            return f"<TaskHub {where}: closed>"
        count = self._engine.open_count
        return f"<TaskHub {where}: {count} open instance{'' if count == 1 else 's'}, mode {self._mode!r}>"


def _views() -> Views:
    from durablenb.views import display  # when something is first shown

    return display


use_views(_views)


def _look_again() -> None:
    """Let live views see how it ended, if there are any."""
    live = sys.modules.get("durablenb.views.live.beat")
    if live is not None:
        live.beat.look_again()


def _send_request(request: dict[str, Any]) -> dict[str, Any]:
    from durablenb.engine.http import send_request  # urllib takes its time to import

    return send_request(request)


def _place_of(path: str | os.PathLike[str]) -> Path | None:
    """The file's place, or None for a hub in memory."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"Expected a path or ':memory:', not a {type(path).__name__}.")
    if path == ":memory:":
        return None
    if not str(path) or str(path).startswith(":"):
        raise ValueError(f"{str(path)!r} is no path. Give a file such as 'flows.duckdb', or ':memory:'.")
    return Path(path).expanduser().resolve()


def _chosen_name(function: object, name: str | None) -> str:
    if not callable(function):
        raise TypeError(f"Expected a function, not a {type(function).__name__}.")
    if name is not None:
        return name_of(name)
    chosen = getattr(function, "__name__", None)
    if not isinstance(chosen, str):
        raise TypeError(f"{function!r} has no name of its own; give it one: name='...'.")
    if chosen == "<lambda>":
        raise ValueError("A lambda has no name of its own; give it one: name='...'.")
    return chosen


@cache
def _default_options() -> dict[str, Any]:
    parameters = inspect.signature(TaskHub.__init__).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def _one_of(option: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{option} is {value!r}; expected one of {', '.join(map(repr, known))}.")


def open_hubs() -> list[TaskHub]:
    """Return the hubs that are open in this process; the one that was asked for last is the last one."""
    return cast(list[TaskHub], hubs())
