"""Histories read without an engine: a hub's file is looked into, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from durablenb.hub import open_hubs

if TYPE_CHECKING:
    from durablenb.queries.file.file import HubFile


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
    from durablenb.queries.file.file import HubFile  # what only reading needs

    place = Path(path).expanduser().resolve()
    for hub in open_hubs():
        if hub.path == place:
            return HubFile(place, hub.connection)
    return HubFile(place)
