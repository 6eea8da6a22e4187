"""Histories of other places: a hub's file is looked into, and nothing else; or they are taken into a hub."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from durablenb.hub.task_hub import TaskHub, open_hubs
from durablenb.model.errors import DurableError
from durablenb.store.lockfile import real_path

if TYPE_CHECKING:
    from durablenb.hub.hub_file import HubFile
    from durablenb.hub.instance import Handle


def open_history(path: str | os.PathLike[str]) -> HubFile:
    """Return the histories in a hub's file, for reading alone: nothing runs, and nothing is written.

    Parameters
    ----------
    path
        The file, which must be there. Where a hub of this process has it open, it is read through that hub;
        several processes may read one file at a time, and none while another one has a hub open on it.

    Raises
    ------
    HubLockedError
        If another process has it open; the message names the process.
    StoreError
        If it can't be opened, or isn't a hub's; the message says what to do.

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
    from durablenb.hub.hub_file import HubFile  # what only reading needs

    place = real_path(Path(path).expanduser())
    for hub in open_hubs():
        if hub.path == place:
            return HubFile(place, hub.connection)
    return HubFile(place)


def import_history(
    source: Any, into: TaskHub | None = None, *, prefix: str = "", key: str | None = None
) -> list[Handle]:
    """Take histories from elsewhere into a hub, to be looked at and replayed; return their handles.

    Parameters
    ----------
    source, prefix, key
        As for `TaskHub.import_history`.
    into
        The hub; without one, that which was opened last.

    Raises
    ------
    DurableError
        If no hub is open.

    Notes
    -----
    `TaskHub.import_history` has the others.

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
        hubs = open_hubs()
        if not hubs:
            raise DurableError(
                "No hub is open. Open one first, or say which: import_history(source, into=hub)."
            )
        into = hubs[-1]
    return into.import_history(source, prefix=prefix, key=key)
