"""A hub of this process: it opens a file, recovers what is open, runs it, and releases the file.

The module is long because most of it is the reference of the methods.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, cast

from durablenb.analysis.sql import Parameters
from durablenb.core.context import HTTP_ACTIVITY
from durablenb.core.ports.clock import Clock
from durablenb.core.ports.executor import ExecutorSource
from durablenb.core.registry import Activity, Registry, check_limit
from durablenb.core.short_repr import plural
from durablenb.core.versions import VERSION_MATCHES, VersionMatch
from durablenb.engine import locks
from durablenb.engine.clocks import SystemClock
from durablenb.engine.engine import STOP_SECONDS, Engine
from durablenb.engine.executors import Executors
from durablenb.engine.health import Health
from durablenb.engine.hub_clock import HubClock
from durablenb.engine.interrupts import uninterrupted
from durablenb.engine.options import EngineOptions, EpisodeOptions, checked_keep
from durablenb.engine.waiting import step
from durablenb.hub import open_hubs
from durablenb.hub.async_client import DurableOrchestrationClient
from durablenb.hub.instance import Handle
from durablenb.hub.local import EngineControl, LocalJournal
from durablenb.hub.registration import Registering
from durablenb.model.display import use_views
from durablenb.model.errors import DurableError
from durablenb.store.duckdb_store import DuckStore
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
    """A hub of orchestrations in one DuckDB file. Opening it resumes unfinished orchestrations.

    Parameters
    ----------
    path
        The file, which is created if it doesn't exist; ``":memory:"`` for a hub that lasts as long as the
        object. If a hub of this process has the file open, that hub is returned, so that a notebook's cell
        can be run again. Its `redact`, and its `executor` if you give an object, are replaced.
    mode
        ``"threads"``: work is done in the background. ``"kernel"``: everything happens in the calling
        thread, and only inside `run`, `step` and a handle's `result`.
    clock
        A `VirtualClock` for tests and lessons; without one, the machine's.
    durability
        ``"strict"``: an activity starts when the request for it is on disk. ``"pipelined"``: it starts at
        once; after a crash, the work of the last few milliseconds may be done again.
    executor
        Where activities run: ``"threads"``, a number of threads, ``"inline"`` (in the engine's own
        thread), ``"processes"``, or any ``concurrent.futures.Executor``, which stays yours to shut down.
        Without one, 16 threads; in mode ``"kernel"`` inline. An ``async def`` activity runs in an event
        loop of its own thread.
    verify_replay
        Replay every episode from scratch and compare; slow, for tests.
    on_nondeterminism
        What happens to an instance whose code no longer fits its history. ``"hold"``: it waits until the code
        is fixed and registered again. ``"fail"``: it fails, as in Azure.
    max_concurrency
        The number of activities that may run at a time; None for as many as the executor runs.
    redact
        A function that replaces each value before it is stored. Its arguments are the kind of the value
        (``"input"``, ``"result"``, ``"event"``, ``"status"``, ``"state"`` of an entity, ``"failure"``,
        ``"checkpoint"`` of an activity, or ``"log"`` for a printed line and a note on progress) and the value
        in JSON. What it returns is stored, and all readers get that. It must always return the same for the
        same value, since replays compare values.
    version_match
        The code that runs an instance if its orchestrator is registered in several versions. ``"strict"``:
        the code of its own version; if that isn't registered, the instance waits for it.
        ``"current-or-older"``, Azure's default: the code of its own version, or else of the next newer one.
        Code that was registered without a version runs all other instances.
    allow_pickle
        Whether values that are given as `Pickled` may be stored as pickles. Reading a pickle runs code from
        the file.
    keep_generations
        How many past generations are kept of each orchestration that continues as new, beside the current
        one; of entities, how many earlier parts of the history. Older ones are deleted in portions, soon
        after they were left behind, with their ended sub-orchestrations. None keeps all of them. See
        `Handle.purge_past_generations`.

    Raises
    ------
    HubLockedError
        If another process holds the file; the message names it.
    StoreError
        If the file can't be opened; the message says what to do.
    ValueError
        If an option has another value than those above.

    Notes
    -----
    As long as a hub is open, ``sys.setswitchinterval`` is at most 0.5 ms, and the prints and logs of
    activities and orchestrators go to the log of their instance, see `Handle.logs`.

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
        """Return the hub of this process that has the file open, or a new one."""
        chosen = {**_default_options(), **options}
        chosen.pop("redact", None)  # its cell makes a new function each time, which replaces the old one
        open_hub = open_hubs.find(_file(path))
        if open_hub is not None and open_hub._is_closing:  # an interrupt ended its closing
            open_hub._close(wait=True)
            open_hub = None
        if open_hub is None:
            hub = super().__new__(cls)
            hub._options = chosen
            return hub
        if not isinstance(chosen["executor"], str | int | None):
            del chosen["executor"]  # a new pool replaces the old one, too
        differing = ", ".join(
            f"{name}={open_hub._options.get(name)!r}, not {value!r}"
            for name, value in chosen.items()
            if open_hub._options.get(name) != value
        )
        if differing:
            raise DurableError(
                f"{path} is open in this process with other options: {differing}. Use the same "
                "ones, or close it first: hub.close()."
            )
        return cast(Self, open_hub)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["threads", "kernel"] = "threads",
        clock: Clock | None = None,
        durability: Literal["strict", "pipelined"] = "strict",
        executor: Executor | ExecutorSource | str | int | None = None,
        verify_replay: bool = False,
        on_nondeterminism: Literal["hold", "fail"] = "hold",
        max_concurrency: int | None = None,
        redact: Redact | None = None,
        version_match: VersionMatch = "strict",
        allow_pickle: bool = False,
        keep_generations: int | None = None,
    ) -> None:
        if hasattr(self, "_engine"):  # the cell was run again
            self._codec.redact = redact
            self._engine.use_executor(executor)
            open_hubs.touch(self)
            return
        _check_choice("mode", mode, ("threads", "kernel"))
        _check_choice("durability", durability, ("strict", "pipelined"))
        _check_choice("on_nondeterminism", on_nondeterminism, ("hold", "fail"))
        _check_choice("version_match", version_match, VERSION_MATCHES)
        check_limit(max_concurrency)
        if keep_generations is not None:
            checked_keep(keep_generations, "keep_generations")
        is_threaded = mode == "threads"
        default = "threads" if is_threaded else "inline"
        executors = Executors(default if executor is None else executor)
        self._mode = mode
        self._path = _file(path)
        self._registry = Registry(version_match, _monitor_calls)
        self._registry.add_activity(Activity(HTTP_ACTIVITY, _send_request))
        episodes = EpisodeOptions(
            verify_replay=verify_replay,
            fails_on_nondeterminism=on_nondeterminism == "fail",
            interrupts=() if is_threaded else (KeyboardInterrupt,),
        )
        self._codec = ValueCodec(self._blob, redact=redact, allow_pickle=allow_pickle)
        options = EngineOptions(
            durability == "strict", max_concurrency, episodes, self._codec, keep_generations
        )
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
        open_hubs.add(self)
        self._engine.committer.start()
        if self._mode == "threads":
            self._engine.start()
        if self._engine.open_count:
            log.info("Opened %r", self)

    def _blob(self, blob_hash: str) -> bytes:
        return self._store.blob(blob_hash)

    @property
    def path(self) -> Path | None:
        """The file; None for a hub in memory.

        Examples
        --------
        >>> hub.path is None
        True
        """
        return self._path

    @property
    def clock(self) -> HubClock:
        """The hub's clock, by which a virtual clock can be moved.

        Examples
        --------
        >>> handle = hub.start("approval")
        >>> hub.clock.advance(days=3)
        >>> str(hub.clock.now())
        '2026-01-04 00:00:00+00:00'
        """
        return HubClock(self._engine)

    def health(self) -> Health:
        """Return the state of the hub's threads, requests and files, without waiting for any of them.

        Look at it if something takes longer than it should.

        Returns
        -------
        Health
            ``is_well`` says whether there are problems, ``problems`` which ones and what to do. A hub that
            has stopped or was closed has a health, too.

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
        """Register all functions of an app. Functions of the same kind and name are replaced.

        HTTP triggers are answered if the hub is served, and timers fire as long as it is open. Triggers of
        other kinds are reported in the log once.

        Parameters
        ----------
        app
            A `DFApp` or a `Blueprint`, of durablenb or of ``azure.durable_functions``; an
            ``azure.functions.FunctionApp``; or the folder of a function app, of model v2 or v1, in which
            ``azure.durable_functions`` is durablenb.

        Raises
        ------
        ValueError
            If a function has no trigger, or one that can't be understood. No function is registered then.
        TypeError
            If it isn't an app.
        DurableError
            If the app in a folder can't be loaded; the message names the line.
        StoreError
            If the hub is closed.

        Examples
        --------
        >>> app = df.DFApp()
        >>> @app.orchestration_trigger(context_name="context")
        ... def order(context):
        ...     return (yield context.call_activity("double", context.get_input()))
        >>> hub.add_app(app)
        >>> hub.run("order", 21)
        42
        """
        refusal = self._engine.refusal()
        if refusal is not None and self._is_closing:
            raise refusal
        self._hosting().add(app)

    def _hosting(self) -> Host:
        from durablenb.azure.host import Host  # only needed for apps and servers

        if self._host is None:
            self._host = Host(self, self._engine.clock, has_threads=self._mode == "threads")
            self._engine.use_alarms(self._host.timers)
        return self._host

    # -- running ---------------------------------------------------------------------------------

    def step(self) -> str | None:
        """Do one unit of work (an episode, an activity, a timer) and return what it was.

        It returns None if nothing can be done until something happens outside. If nothing else is to be done,
        a virtual clock jumps to the next deadline. What was done is on disk.

        Raises
        ------
        DurableError
            If the hub's mode isn't ``"kernel"``: its work is done in the background then.
        StoreError
            If the journal can't be written now.

        Examples
        --------
        >>> handle = hub.start("doubled", 21, instance_id="a")
        >>> while done := hub.step():
        ...     print(done)
        episode of a
        activity double of a
        episode of a
        """
        if self._mode != "kernel":
            raise DurableError('hub.step() is for mode="kernel"; this hub works in the background.')
        done = step(self._engine)
        self._engine.committer.drain()  # so that all readers see it
        return done

    # -- code that changes -----------------------------------------------------------------------

    def upgrade(
        self,
        target: str | Callable[..., Any] | Handle | Iterable[str | Handle],
        *,
        misfits: Literal["leave", "hold"] = "leave",
    ) -> UpgradeReport:
        """Move open instances from older code to the registered code, if it fits; report which ones.

        An instance in memory keeps the code that it began with until it is replayed, which happens at the
        latest when the hub is opened again. This method replays it now.

        Parameters
        ----------
        target
            As for `replay`.
        misfits
            What happens to instances that the new code doesn't fit. ``"leave"``: they continue with the code
            that they have, as long as they are in memory; when they are replayed, they are held. ``"hold"``:
            they are held now, until code that fits is registered. To keep old code for them for good,
            register it with a version.

        Raises
        ------
        InstanceNotFoundError
            If there is no such instance and no such orchestrator.
        StoreError
            If the journal can't be read now.

        Examples
        --------
        >>> handle = hub.start("approval", instance_id="a")
        >>> while hub.step():
        ...     pass
        >>> @hub.orchestrator
        ... def approval(context):
        ...     answer = yield context.wait_for_external_event("Approval")
        ...     return f"it is {answer}"
        >>> print(hub.upgrade("approval"))
        1 continuing with the new code.
        """
        from durablenb.hub.upgrade import upgrade

        _check_choice("misfits", misfits, ("leave", "hold"))
        return upgrade(self, target, holds=misfits == "hold")

    # -- looking ---------------------------------------------------------------------------------

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for reading, for tools such as Polars and jupysql; close it after use.

        Nothing keeps it from writing: DuckDB has no read-only connection to a database that is written.
        ``connection.execute("begin transaction read only")`` refuses writes until ``rollback``, and reads
        what was on disk when it began.

        The connection sees all that a call had returned before. For that, commits take longer while you hold
        it: close it, or use `sql`.

        Examples
        --------
        >>> hub.run("doubled", 21)
        42
        >>> with hub.connection() as connection:
        ...     connection.execute("select name, status from instances").fetchall()
        [('doubled', 'Completed')]
        """
        self._engine.settle_log()
        return self._store.live_connection()

    def _query(self, query_text: str, params: Parameters, frame: FrameType) -> duckdb.DuckDBPyRelation:
        self._engine.settle_log()
        with self._store.unless_closed():
            return super()._query(query_text, params, frame)

    # -- histories that come and go ---------------------------------------------------------------

    def import_history(
        self,
        source: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        prefix: str = "",
        key: str | None = None,
    ) -> list[Handle]:
        """Copy histories from elsewhere into the hub, to look at them and replay them; return their handles.

        They are in all views and queries. They are never run or changed here; `Handle.purge` deletes the
        copy. Importing the same history again changes nothing.

        Parameters
        ----------
        source
            An export; another hub's file; an answer of Azure's status endpoint with ``showHistory=true``,
            ``showHistoryOutput=true`` and ``showInput=true``, as a file, a dict or a list of dicts; or the
            URL of an instance, or of a list of instances, in Azure or at a served hub.
        prefix
            Text that is put before all ids, if the hub has instances with the same ids.
        key
            The key of a URL's server. It isn't stored.

        Raises
        ------
        ValueError
            If it is none of these, or something in it is wrong. Nothing was imported then.
        InstanceExistsError
            If one of the ids is taken.
        DurableError
            If a server can't be reached, or refuses.
        OSError
            If a file can't be read.

        Examples
        --------
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> hub.run("doubled", 21, instance_id="a")
        42
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.json")
        ...     hub.export("a", path)
        ...     hub.import_history(path, prefix="copy-")  # doctest: +ELLIPSIS
        1
        [<doubled copy-a: Completed, imported from ...a.json>]
        """
        from durablenb.hub.histories import import_into  # only needed for imports

        ids = import_into(self._engine, source, prefix=prefix, key=key)
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
        """Serve the hub over HTTP, with Azure's management API, in a thread of its own.

        Interrupting the kernel doesn't end the server; its `close` does, and the hub's. If it is called again
        with the same arguments, as when a cell is rerun, the running server is returned; with other arguments
        it is replaced.

        Parameters
        ----------
        port
            The port that it listens on; 0 for a free one.
        key
            The key that a request needs; by default a random one, ``server.key``. With ``""``, all requests
            from this machine are accepted, as with Azure's local tools.
        host
            The address that it listens on. On any other address than the default, requests can be read on the
            way, with the key: put a proxy with TLS in front.
        public_url
            The URL at which it is reached from outside, such as ``"https://hub.example.org"``.
        sql
            Whether requests with the key may run queries, as `RemoteHub.sql` does.
        body_limit
            The largest body of a request, in bytes; by default 100 MiB for functions of apps, as in Azure,
            and 1 MiB for all else.

        Raises
        ------
        DurableError
            If the port is taken; if Starlette and uvicorn aren't installed; if the hub's mode is
            ``"kernel"``, in which nothing happens between two cells.
        ValueError
            If an argument is wrong.

        Examples
        --------
        >>> import durablenb as df
        >>> with df.TaskHub(":memory:") as hub, hub.serve(port=0) as server:
        ...     server.url  # doctest: +ELLIPSIS
        'http://127.0.0.1:...'
        """
        from durablenb.notebook.page import HubPage

        server_class = self._server_class()
        if self._server is not None:
            if self._server.has_arguments(port, key, host, public_url, sql, body_limit):
                return self._server
            self._server.close()
        client, name = DurableOrchestrationClient(self), "memory" if self._path is None else self._path.stem
        functions = self._hosting()
        page, feed = HubPage(self), self._feed(takes_sql=sql)

        def begin() -> None:
            self._server = server_class(
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

    def _server_class(self) -> type[Server]:
        """Return the class of servers, if this hub can be served."""
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
        return Server

    def _feed(self, *, takes_sql: bool) -> JournalFeed:
        from durablenb.analysis.sandbox.queries import Queries
        from durablenb.hub.journal_feed import JournalFeed  # only needed for a server

        queries = Queries(self.connection) if takes_sql else None
        return JournalFeed(self._journal, queries, ticks=not self.clock.can_be_moved)

    @staticmethod
    def connect(url: str, key: str | None = None, *, limit: int = 64 << 20) -> RemoteHub:
        """Connect to a hub that another process serves over HTTP, and return it.

        Parameters
        ----------
        url
            The server's URL, ``server.url`` there.
        key
            The server's key, ``server.key`` there; None for a server without one.
        limit
            The largest answer of the server, in bytes after it is unpacked: an instance's values, a large
            value such as a data frame, the answer to a query. A longer answer raises a `DurableError`.

        Raises
        ------
        HubUnreachableError
            If no server answers there.
        DurableError
            If the key is wrong, or if a server that isn't a hub, or a newer one, answers there.
        ValueError
            If it isn't a URL.

        Examples
        --------
        >>> import durablenb as df
        >>> with df.TaskHub(":memory:") as hub, hub.serve(port=0) as server:
        ...     hub.add_orchestrator(lambda context: 2 * context.get_input(), name="double")
        ...     with df.TaskHub.connect(server.url, key=server.key) as remote:
        ...         remote.run("double", 21)
        42
        """
        from durablenb.hub.remote_hub import RemoteHub  # only needed for connections

        return RemoteHub(url, key, limit)

    def client_binding(self) -> str:
        """Return the JSON from which Azure's own clients are created. It contains the server's key.

        For example, ``azure.durable_functions.DurableOrchestrationClient(hub.client_binding())`` in any
        process of this machine.

        Raises
        ------
        DurableError
            If the hub isn't served.

        Examples
        --------
        >>> with df.TaskHub(":memory:") as hub, hub.serve(port=0):
        ...     hub.client_binding()  # doctest: +ELLIPSIS
        '{"taskHubName": "memory", ...}'
        """
        return self.client.served_at().binding()

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Wait for running activities, commit, and release the file; closing it twice does nothing.

        Open orchestrations resume when the file is opened again.

        Raises
        ------
        StoreError
            If the last records could not be written. No call that had returned depends on them.
        DurableError
            If an activity of this hub calls it: it would wait for itself.

        Examples
        --------
        >>> hub.close()
        >>> hub
        <TaskHub in memory: closed>
        """
        if self._engine.is_running_here:
            if self._is_closing:
                return  # another thread closes it, and waits for this activity
            raise DurableError(
                "An activity can't close the hub that runs it: it would wait for itself. Close the hub where "
                "it was opened."
            )
        self._close(wait=True)

    def _close(self, *, wait: bool) -> None:
        """Close it. A second thread that calls this waits until the first one is done."""
        if wait:
            with self._closing:
                self._close_once(wait=True)
            return
        with contextlib.suppress(locks.NotTakenError), locks.Within(self._closing, STOP_SECONDS):
            self._close_once(wait=False)  # the process ends

    def _close_once(self, *, wait: bool) -> None:
        """Close it; after an interrupt in the middle, again from the start."""
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
        except BaseException:  # an interrupt ends the wait for running activities
            wait = False
            raise
        finally:
            self._stop(wait=wait)

    def _stop(self, *, wait: bool) -> None:
        try:
            self._engine.stop(wait=wait)
            _refresh_views()
        finally:
            uninterrupted(self._release)

    def _release(self) -> None:
        try:
            self._store.close()
        finally:
            open_hubs.remove(self)
            self._is_closed = True

    def __repr__(self) -> str:
        where = "in memory" if self._path is None else self._path.name
        if self._is_closing:
            return f"<TaskHub {where}: closed>"
        count = self._engine.open_count
        opened = plural(count, "open instance") + _without_code(self._engine, count)
        return f"<TaskHub {where}: {opened}, mode {self._mode!r}>"


def _monitor_calls(
    function: Callable[..., object], warn: Callable[[str, str], None]
) -> AbstractContextManager[object]:
    from durablenb.checks.call_monitor import monitor_calls  # slow to import

    return monitor_calls(function, warn)


def _without_code(engine: Engine, open_count: int) -> str:
    """Return the code that open instances wait for, as the end of a sentence; empty if none does."""
    waiting = engine.without_code
    if not waiting:
        return ""
    names = ", ".join(repr(name) for name in sorted(waiting)[:3]) + (", ..." if len(waiting) > 3 else "")
    count = sum(waiting.values())
    which = f"{count:,} of them " if count < open_count else "all " if open_count > 1 else ""
    return f", {which}waiting for the code of {names}"


def _views() -> Views:
    from durablenb.notebook import display  # loaded when something is first shown

    return display


use_views(_views)


def _refresh_views() -> None:
    """Draw live views for the last time, if there are any."""
    live = sys.modules.get("durablenb.notebook.live.refresh_loop")
    if live is not None:
        live.refresh_loop.refresh_finally()


def _send_request(request: dict[str, Any]) -> dict[str, Any]:
    from durablenb.engine.http import send_request  # urllib is slow to import

    return send_request(request)


def _file(path: str | os.PathLike[str]) -> Path | None:
    """Return the absolute path of the file; None for a hub in memory."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"Expected a path or ':memory:', not a {type(path).__name__}.")
    if path == ":memory:":
        return None
    if not str(path) or str(path).startswith(":"):
        raise ValueError(f"{str(path)!r} isn't a path. Give a file such as 'flows.duckdb', or ':memory:'.")
    return real_path(Path(path).expanduser())


@cache
def _default_options() -> dict[str, Any]:
    parameters = inspect.signature(TaskHub.__init__).parameters.values()
    return {option.name: option.default for option in parameters if option.kind is option.KEYWORD_ONLY}


def _check_choice(option: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{option} is {value!r}; expected one of {', '.join(map(repr, known))}.")
