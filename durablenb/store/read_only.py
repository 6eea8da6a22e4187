"""Reading of a hub's file that was closed, or left by a process that died, without changing it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from durablenb.model.errors import HubLockedError, StoreError
from durablenb.store.connections import Connections
from durablenb.store.lockfile import durable_log_path, log_files
from durablenb.store.log_recovery import check_log, recover
from durablenb.store.opening import open_database
from durablenb.store.tables import JournalTables, log_state


def open_to_read(path: Path) -> tuple[duckdb.DuckDBPyConnection, TemporaryDirectory[str] | None]:
    """Return a connection that reads a hub's file, with all that is in its log; nothing is changed.

    Where the tables lack entries of the log, they are applied to a copy in a folder of its own, which is
    returned, too: remove it when the connection is closed.

    Raises
    ------
    HubLockedError
        If another process has the file open.
    StoreError
        If it can't be opened or copied.
    """
    database = open_database(path, read_only=True)
    try:
        lacking = check_log(path, log_state(database))
    except BaseException:
        database.close()
        raise
    if not lacking:
        return database, None
    database.close()
    folder = TemporaryDirectory(prefix="durablenb-", ignore_cleanup_errors=True)
    try:
        copy = _copy(path, Path(folder.name))
        connections = Connections(lambda: open_database(copy))
        recover(copy, JournalTables(connections, _translated))
        connections.close()
        return open_database(copy, read_only=True), folder
    except BaseException:
        folder.cleanup()
        raise


def _copy(path: Path, folder: Path) -> Path:
    """Copy a hub's file and its logs.

    No lock is taken, which would leave a file; if a process opened the hub meanwhile, the files have changed.
    """
    sources = [path, *log_files(path), durable_log_path(path)]
    try:
        before = [source.stat() for source in sources]
        for source in sources:
            shutil.copyfile(source, folder / source.name)
        after = [source.stat() for source in sources]
    except OSError as error:
        raise StoreError(
            f"{path} was not closed, so its log has to be applied to a copy, which can't be made in "
            f"{folder}: {error.strerror}. Make room there, or open the hub: "
            f"durablenb.TaskHub({str(path)!r})."
        ) from error
    if any(_written(one) != _written(other) for one, other in zip(before, after, strict=True)):
        raise HubLockedError(
            f"{path} is being opened by another process. Look at it again when that is done."
        )
    return folder / path.name


def _written(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise StoreError(f"Could not {doing} the copy of a hub's file: {error}.") from error
