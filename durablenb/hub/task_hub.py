"""The task hub: what a notebook holds; it opens a file, recovers, runs, and lets go.

It is long because it is what users hold: most of it is the reference of its methods.
"""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

from durablenb.analysis.sql import Parameters
from durablenb.core.context import HTTP_ACTIVITY
from durablenb.core.ports.clock import Clock
from durablenb.core.registry import Activity, Registry, check_limit
from durablenb.core.versions import VERSION_MATCHES, VersionMatch
from durablenb.engine import locks
from durablenb.engine.clocks import SystemClock
from durablenb.engine.engine import STOP_SECONDS, Engine
from durablenb.engine.executors import Executors
from durablenb.engine.health import Health
from durablenb.engine.interrupts import uninterrupted
from durablenb.engine.options import EngineOptions, EpisodeOptions
from durablenb.engine.timekeeping import HubClock
from durablenb.engine.waiting import step
from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.instance import Handle
from durablenb.hub.local import EngineControl, LocalJournal
from durablenb.hub.open_hubs import asked, closed, hub_of, hubs, opened
from durablenb.hub.registration import Registering
from durablenb.model.display import use_views
from durablenb.model.errors import DurableError
from durablenb.store.duck import DuckStore
from durablenb.store.lockfile import real_path
from durablenb.values.codec import Redact, ValueCodec

if TYPE_CHECKING:
    import duckdb

    from durablenb.analysis.replays.fit_report import UpgradeReport
    from durablenb.azure.host import Host
    from durablenb.hub.journal_feed import JournalFeed
    from durablenb.hub.remote_hub import RemoteHub
    from durablenb.model.display import Views
    from durablenb.server.server import Server

log = logging.getLogger("durablenb")

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type[Any])


class TaskHub(Registering):
    """Orchestrations in one DuckDB file: opened or created, recovered, and gone on with.

    Parameters
    ----------
    path
        The file; ``":memory:"`` for a hub that lasts as long as the object. Opening the file of a hub
        that is open in this process gives that very hub, so that a notebook's cell can be run again; its
        executor, if it is an object of yours, and `redact` take the place of those of before.
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
        if not isinstance(chosen["executor"], str | int | None):
            del chosen["executor"]  # and so it does with a pool
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
            self._engine.use_executor(executor)
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
        self._registry = Registry(version_match, _monitor_calls)
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
        self._host: Host | None = None
        self._is_closing = self._is_closed = False
        self._closing = locks.RLock()
        try:
            self._engine = Engine(self._store, clock, self._registry, executors, options)
        except BaseException:
            self._store.close()
            raise
        journal = LocalJournal(self._engine)
        self._use(journal, EngineControl(self._engine, journal))
        opened(self)
        self._engine.committer.start()
        if self._mode == "threads":
            self._engine.start()
        if self._engine.open_count:
            log.info("Opened %r", self)

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

    def health(self) -> Health:
        """Return the state of the hub's threads, requests and files; it waits for none of them.

        Look at it when something takes longer than it should.

        Returns
        -------
        Health
            ``is_well`` says whether all is as it should be, ``problems`` what isn't and what to do. It is
            also given by a hub that has stopped or was closed.

        Examples
        --------
        >>> import durablenb as df
        >>> with df.TaskHub(":memory:") as hub:
        ...     hub.health().is_well
        True
        >>> hub.health()
        <health of a hub: The hub is closed. Open it again: durablenb.TaskHub(path).>
        """
        return self._engine.health(self._store.file_problem())

    def add_app(self, app: Any) -> None:
        """Register all functions of an app, each in place of one of the same kind and name.

        Its HTTP triggers are answered where the hub is served, its timers are fired as long as it is open. A
        trigger of another kind is said in a warning of the log, once.

        Parameters
        ----------
        app
            A `DFApp` or a `Blueprint`, of durablenb or of ``azure.durable_functions``; an
            ``azure.functions.FunctionApp``; or the folder of a function app, of model v2 or v1, in which
            ``azure.durable_functions`` is durablenb.

        Raises
        ------
        ValueError
            If one of the functions has no trigger, or one that can't be understood; then none is registered.
        TypeError
            If it is no app.
        DurableError
            If the app in a folder can't be loaded; the message names the line.
        StoreError
            If the hub is closed.
        """
        refusal = self._engine.refusal()
        if refusal is not None and self._is_closing:
            raise refusal
        self._hosting().add(app)

    def _hosting(self) -> Host:
        from durablenb.azure.host import Host  # what only apps and servers need

        if self._host is None:
            self._host = Host(self, self._engine.clock, has_threads=self._mode == "threads")
            self._engine.alarms = self._host.timers
        return self._host

    # -- running ---------------------------------------------------------------------------------

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

    # -- code that changes -----------------------------------------------------------------------

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
        from durablenb.hub.upgrade import upgrade

        _one_of("misfits", misfits, ("leave", "hold"))
        return upgrade(self, target, holds=misfits == "hold")

    # -- looking ---------------------------------------------------------------------------------

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, for tools that want one: Polars, jupysql; close it after use.

        It is for reading, which nothing enforces: DuckDB has no connection that may only read to a database
        that is written. ``connection.execute("begin transaction read only")`` refuses writes until
        ``rollback``, and sees what was on disk when it began.
        """
        self._engine.settle_log()
        return self._journal.open_connection()

    def _query(self, query_text: str, params: Parameters, frame: FrameType) -> duckdb.DuckDBPyRelation:
        with self._store.unless_closed():
            return super()._query(query_text, params, frame)

    # -- histories that come and go ---------------------------------------------------------------

    def import_history(self, source: Any, *, prefix: str = "", key: str | None = None) -> list[Handle]:
        """Take histories from elsewhere into the hub, to be looked at and replayed; return their handles.

        They are in all views and queries. Nothing of them is ever run or changed here; `Handle.purge` deletes
        the copy. What is imported already, and is the same, is left as it is.

        Parameters
        ----------
        source
            An export; another hub's file; what Azure's status endpoint answers with ``showHistory=true``,
            ``showHistoryOutput=true`` and ``showInput=true``, as a file, a dict or a list of dicts; or the
            URL of one instance, or of a list of instances, there or at a hub that is served.
        prefix
            Put before all ids, where the hub has some of its own that are the same.
        key
            What lets a request in, with a URL; it is kept nowhere.

        Raises
        ------
        ValueError
            If it isn't one of these, or something in it can't be so. Then nothing was imported.
        InstanceExistsError
            If one of the ids is taken.
        DurableError
            If a server can't be reached, or refuses.
        OSError
            If a file can't be read.
        """
        from durablenb.hub.importing import import_into  # what only those need who import

        ids = import_into(self._engine, source, _connected, prefix=prefix, key=key)
        return [Handle(self, instance_id) for instance_id in ids if not instance_id.startswith("@")]

    # -- over HTTP -------------------------------------------------------------------------------

    def serve(
        self,
        port: int = 7071,
        key: str | None = None,
        host: str = "127.0.0.1",
        *,
        public_url: str | None = None,
        sql: bool = False,
        body_limit: int | None = None,
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
        sql
            Whether whoever has the key may ask queries, as `TaskHub.connect` gives them.
        body_limit
            How many bytes a request's body may have. Without it, 100 MiB for functions of apps, as in
            Azure, and 1 MiB for all else.

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
            from durablenb.server.server import Server
        except ModuleNotFoundError:
            raise DurableError(
                "Serving needs Starlette and uvicorn: pip install 'durablenb[http]'."
            ) from None
        from durablenb.notebook.page import HubPage

        if self._server is not None:
            if self._server.was_asked_for(port, key, host, public_url, sql, body_limit):
                return self._server
            self._server.close()
        client, name = DurableOrchestrationClient(self), "memory" if self._path is None else self._path.stem
        functions = self._hosting()
        page, feed = HubPage(self), self._feed(takes_sql=sql)

        def begin() -> None:
            self._server = Server(
                client,
                functions,
                name,
                page,
                feed,
                self._store.announce,
                port=port,
                key=key,
                host=host,
                public_url=public_url,
                body_limit=body_limit,
            )

        uninterrupted(begin)
        assert self._server is not None
        return self._server

    def _feed(self, *, takes_sql: bool) -> JournalFeed:
        from durablenb.analysis.sandbox.queries import Queries
        from durablenb.hub.journal_feed import JournalFeed  # only needed for a server

        queries = Queries(self.connection) if takes_sql else None
        return JournalFeed(self._journal, queries, ticks=not self.clock.can_be_moved)

    @staticmethod
    def connect(url: str, key: str | None = None, *, limit: int = 64 << 20) -> RemoteHub:
        """Return a hub that another process serves, over HTTP: to start, to steer, and to look.

        Parameters
        ----------
        url
            Where it is served: ``server.url`` there.
        key
            What lets a request in: ``server.key`` there. Without one, only a server without one lets you in.
        limit
            Bytes that an answer of the server may have, once it is unpacked: an instance's values, a large
            value such as a data frame, the answer to a query. A longer answer raises a `DurableError`.

        Raises
        ------
        HubUnreachableError
            If nobody answers there.
        DurableError
            If the key is wrong, or what answers there isn't a hub, or is a newer one.
        ValueError
            If it is no URL.

        Examples
        --------
        >>> import durablenb as df
        >>> with df.TaskHub(":memory:") as hub, hub.serve(port=0) as server:
        ...     hub.add_orchestrator(lambda context: 2 * context.get_input(), name="double")
        ...     with df.TaskHub.connect(server.url, key=server.key) as remote:
        ...         remote.run("double", 21)
        42
        """
        from durablenb.hub.remote_hub import RemoteHub  # what only those need who connect

        return RemoteHub(url, key, limit)

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
        if self._engine.is_running_here:
            if self._is_closing:
                return  # somebody does it already, and waits for this activity
            raise DurableError(
                "An activity can't close the hub that runs it: it would wait for itself. Close the hub where "
                "it was opened."
            )
        self._close(wait=True)

    def _close(self, *, wait: bool) -> None:
        """Closes; a second thread that asks for it waits until it is done."""
        if wait:
            with self._closing:
                self._close_once(wait=True)
        elif self._closing.acquire(timeout=STOP_SECONDS):  # the process ends: it waits for nobody else
            try:
                self._close_once(wait=False)
            finally:
                self._closing.release()

    def _close_once(self, *, wait: bool) -> None:
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
            if self._host is not None:
                self._host.close(wait=wait)
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

    def __repr__(self) -> str:
        where = "in memory" if self._path is None else self._path.name
        if self._is_closing:
            return f"<TaskHub {where}: closed>"
        count = self._engine.open_count
        opened = f"{count:,} open instance{'' if count == 1 else 's'}{_without_code(self._engine, count)}"
        return f"<TaskHub {where}: {opened}, mode {self._mode!r}>"


def _monitor_calls(
    function: Callable[..., object], warn: Callable[[str, str], None]
) -> AbstractContextManager[object]:
    from durablenb.checks.running import monitor_calls  # which takes its time to import

    return monitor_calls(function, warn)


def _without_code(engine: Engine, opened: int) -> str:
    """Name the code that open instances wait for, as the end of a sentence; empty if none does."""
    waiting = engine.without_code
    if not waiting:
        return ""
    names = ", ".join(repr(name) for name in sorted(waiting)[:3]) + (", ..." if len(waiting) > 3 else "")
    count = sum(waiting.values())
    who = f"{count:,} of them " if count < opened else "all " if opened > 1 else ""
    return f", {who}waiting for the code of {names}"


def _views() -> Views:
    from durablenb.notebook import display  # when something is first shown

    return display


use_views(_views)


def _look_again() -> None:
    """Let live views see how it ended, if there are any."""
    live = sys.modules.get("durablenb.notebook.live.refresh_loop")
    if live is not None:
        live.refresh_loop.refresh_finally()


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
    return real_path(Path(path).expanduser())


@contextmanager
def _connected(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a hub's file, which may be open here."""
    from durablenb.hub.hub_file import HubFile

    found = cast(TaskHub | None, hub_of(real_path(path)))
    if found is not None:
        with found.connection() as connection:
            yield connection
        return
    with HubFile(path) as file, file.connection() as connection:
        yield connection


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
