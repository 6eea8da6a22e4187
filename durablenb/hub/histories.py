"""Histories: a hub's file is opened to be read, histories are copied into a hub, two of them are compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from durablenb.core.ports.store import HistoryBundle
from durablenb.engine.engine import Engine
from durablenb.engine.messages import ImportHistory
from durablenb.hub import open_hubs
from durablenb.hub.task_hub import TaskHub
from durablenb.model.errors import DurableError
from durablenb.store import bundles
from durablenb.store.blobs import transaction
from durablenb.store.lockfile import real_path
from durablenb.store.schema import in_memory

if TYPE_CHECKING:
    from durablenb.analysis.compare import Comparison
    from durablenb.hub.hub_file import HubFile
    from durablenb.hub.instance import Handle


def open_history(path: str | os.PathLike[str]) -> HubFile:
    """Open a hub's file, or a page that was saved, to read its histories. Nothing runs, nothing is written.

    Parameters
    ----------
    path
        The file, which must exist: a hub's, or a page that `Handle.save` or `EntityHandle.save` wrote. If a
        hub of this process has it open, it is read through that hub. Several processes may read one file at
        the same time, but not while another one has a hub open on it.

    Raises
    ------
    HubLockedError
        If another process has it open; the message names the process.
    StoreError
        If it can't be opened, or isn't a hub's; the message says what to do.
    ValueError
        If it is a page without a history, or one that was truncated or changed.

    Notes
    -----
    A page that was saved with ``values=False`` has no values: to read one raises a `DurableError`.

    Examples
    --------
    >>> import durablenb as df
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> path = Path(folder.name, "flows.duckdb")
    >>> with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
    ...     hub.add_orchestrator(lambda context: 2 * context.get_input(), name="double")
    ...     hub.run("double", 21, instance_id="a")
    42
    >>> with df.open_history(path) as file:
    ...     file
    ...     file.handle("a").status().output
    ...     file.sql("select name, count(*) from instances group by name").fetchall()
    <HubFile flows.duckdb: 1 instance, read-only>
    42
    [('double', 1)]
    >>> folder.cleanup()
    """
    from durablenb.hub.hub_file import HubFile  # only needed for reading

    file = real_path(Path(path).expanduser())
    if _is_page(file):
        return HubFile(file, _page_database(file))
    hub = open_hubs.find(file)
    return HubFile(file, None if hub is None else hub.connection)


def compare(a: Any, b: Any) -> Comparison:
    """Compare two instances: their requests, durations and results, side by side.

    Parameters
    ----------
    a, b
        Handles or histories, which need not be of one hub. The last execution of each is compared.

    Returns
    -------
    Comparison
        A notebook shows it as a picture and a table. Its `first_difference` is the first step that differs.

    Raises
    ------
    TypeError
        If one is something else.
    InstanceNotFoundError
        If one was purged.

    Notes
    -----
    Steps are aligned by the called functions, so that the steps after a detour are still side by side. Times,
    ids of instances and generated ids of sub-orchestrations don't count as differences; the duration of a
    timer does.
    """
    from durablenb.analysis.compare import compare_histories  # only needed for comparisons

    return compare_histories(a, b)


def _is_page(file: Path) -> bool:
    if not file.is_file() or file.suffix.lower() not in (".html", ".htm"):
        return False
    from durablenb.journal.bundle.html_page import is_page

    with file.open("rb") as opened:
        return is_page(opened.read(100))


def _page_database(file: Path) -> Callable[[], duckdb.DuckDBPyConnection]:
    """Return what connects to a database in memory with the histories of a saved page."""
    from durablenb.journal.bundle.loading import load_page

    bundle = load_page(file).bundle
    database = in_memory({"enable_external_access": False})
    with transaction(database):
        bundles.write(database, bundle, (), 0, 0)
    return database.cursor


def import_history(
    source: Any, into: TaskHub | None = None, *, prefix: str = "", key: str | None = None
) -> list[Handle]:
    """Copy histories from elsewhere into a hub, to look at them and replay them; return their handles.

    Parameters
    ----------
    source, prefix, key
        As for `TaskHub.import_history`.
    into
        The hub; by default the one that was opened last.

    Raises
    ------
    DurableError
        If no hub is open.

    Notes
    -----
    `TaskHub.import_history` has the other errors.

    Examples
    --------
    >>> import durablenb as df
    >>> told = {
    ...     "name": "greet", "instanceId": "a", "runtimeStatus": "Completed", "input": "Tokyo",
    ...     "output": "Hello Tokyo!", "createdTime": "2026-01-01T00:00:00Z",
    ...     "historyEvents": [
    ...         {"EventType": "ExecutionStarted", "Timestamp": "2026-01-01T00:00:00.1234567Z"},
    ...         {"EventType": "TaskCompleted", "FunctionName": "hello", "Input": '["Tokyo"]',
    ...          "Result": "Hello Tokyo!", "ScheduledTime": "2026-01-01T00:00:01Z",
    ...          "Timestamp": "2026-01-01T00:00:02Z"},
    ...         {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed",
    ...          "Result": "Hello Tokyo!", "Timestamp": "2026-01-01T00:00:03Z"},
    ...     ],
    ... }
    >>> def greet(context):
    ...     return (yield context.call_activity("hello", context.get_input()))
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     (handle,) = df.import_history(told)
    ...     handle.replay(greet).fits
    True
    """
    if into is None:
        hubs = open_hubs.all_open()
        if not hubs:
            raise DurableError(
                "No hub is open. Open one first, or say which: import_history(source, into=hub)."
            )
        into = hubs[-1]
    return into.import_history(source, prefix=prefix, key=key)


def import_into(engine: Engine, source: Any, *, prefix: str, key: str | None) -> list[str]:
    """Import the histories of a source; return the ids of their instances and entities.

    Parameters
    ----------
    engine
        The engine of the hub.
    source, prefix, key
        As for `TaskHub.import_history`.
    """
    from durablenb.journal.bundle.export import read_everything, snapshot
    from durablenb.journal.bundle.loading import load_bundle

    def read_hub(path: Path) -> HistoryBundle:
        with _connection_to(path) as connection, snapshot(connection) as ask:
            return read_everything(ask)

    refusal = engine.refusal()
    if refusal is not None:
        raise refusal
    path = getattr(source, "path", None)
    chosen = path if isinstance(path, Path) else source
    loaded = load_bundle(chosen, engine.options.codec.encode, read_hub, key).with_prefix(prefix)
    if not loaded.bundle.records:
        return []
    ids: list[str] = engine.request(ImportHistory(loaded.bundle, loaded.origin, loaded.made_by))
    return ids


@contextmanager
def _connection_to(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a hub's file, which a hub of this process may have open."""
    with open_history(path) as file, file.connection() as connection:
        yield connection
