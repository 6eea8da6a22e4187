"""Opening of a hub's database: every loss is reported, and nothing is ever deleted.

DuckDB alone starts an empty file where the database is gone, and refuses one to whose log a power cut added
zeros. Here each refusal says what to do. Where a hub has its durable log, DuckDB's own is only a faster way:
if that is damaged, it is set aside, since the durable log has all that was in it. Nothing opens the database
file by itself while a connection lives: that would drop DuckDB's own lock on it.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import duckdb

from durablenb.model.errors import HubLockedError, StoreError
from durablenb.store.lockfile import (
    check_files,
    durable_log_path,
    hub_lock_path,
    log_files,
    read_holder,
    resolve_place,
    sync_folder,
    way_in,
)
from durablenb.store.salvage import DamagedHubError, SalvageWarning, seal_torn_blocks, set_aside

NO_CHECKPOINT = "1TB"
"""The size of DuckDB's log at which a commit is a checkpoint: so large that none is."""

_BAD_DATABASE = re.compile("Corrupt database file|read enough bytes")


def open_database(path: Path, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a connection to the database at `path`, which is created if it doesn't exist.

    Take a `HubLock` first, unless you only read.

    Parameters
    ----------
    path
        The file. Symbolic links are followed.
    read_only
        Create, repair and change nothing, and let the database access no other file.

    Raises
    ------
    HubLockedError
        If another program, or another connection in this process, has the file open.
    DamagedHubError
        If database or log are damaged and can't be repaired here.
    StoreError
        If it can't be opened for another reason.

    Notes
    -----
    What a power cut damaged is repaired, after database and logs were copied aside: blocks that were torn in
    a checkpoint, and DuckDB's log if there is a durable one. A `SalvageWarning` says so. Before it is closed,
    the database makes a checkpoint only when it is told to.

    A new database has mode 0600 where there are modes;
    `FileGuard` does the same for its log, which DuckDB creates again after each checkpoint.
    """
    path = resolve_place(path)
    is_new = check_files(path, must_exist=read_only)
    if not is_new and not read_only and not os.access(path, os.W_OK):
        raise StoreError(f"{path} can't be written. Make it writable, or work on a copy.")

    def connect() -> duckdb.DuckDBPyConnection:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": "1GB",
            "threads": 1,  # most queries read little: a second thread costs more time to wake than it saves
            "checkpoint_threshold": NO_CHECKPOINT,
            "auto_checkpoint_skip_wal_threshold": "0",  # a commit that is a checkpoint writes no log
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # A file to be read may be somebody else's, with a view that reads files of yours.
            "enable_external_access": not read_only,
        }
        return duckdb.connect(str(path), read_only=read_only, config=settings)

    if is_new:
        _create(path)
    connection = _connect(path, connect, is_salvaged=not read_only)
    if is_new:
        return connection
    try:
        _check_format(path, connection)
    except duckdb.Error as error:  # After a fatal one, while a thread still lets go of its connection.
        connection.close()
        _refuse(path, error)
    return connection


def _create(path: Path) -> None:
    """Create an empty database in one step: if the disk is full or the process dies, there is none."""
    new = path.with_name(f"{path.name}.new-{os.getpid()}")
    try:
        duckdb.connect(str(new)).close()
        new.chmod(0o600)
        new.replace(path)
        sync_folder(path.parent)
    except (duckdb.Error, OSError) as error:
        new.unlink(missing_ok=True)  # a half-made file
        if isinstance(error, duckdb.Error):
            _refuse(path, error)
        raise StoreError(f"{path} can't be created: {error}. Choose another place.") from error


def _connect(
    path: Path, connect: Callable[[], duckdb.DuckDBPyConnection], *, is_salvaged: bool
) -> duckdb.DuckDBPyConnection:
    logs, has_durable_log = log_files(path), durable_log_path(path).is_file()
    if is_salvaged and (logs or has_durable_log):  # else it was closed
        seal_torn_blocks(path)
    try:
        return connect()
    except duckdb.Error as error:
        _check_place(path, error)
        if not (is_salvaged and logs and has_durable_log and _is_about_log(error)):
            _refuse(path, error)
        reason = _reason(error)
    _do_without(path, logs, reason)
    try:
        return connect()
    except duckdb.Error as error:
        _refuse(path, error)


def _is_about_log(error: duckdb.Error) -> bool:
    """Return True if it is damage to its log that DuckDB met."""
    return "WAL" in str(error) and not _BAD_DATABASE.search(str(error))


def _do_without(path: Path, logs: list[Path], reason: str) -> None:
    """Move DuckDB's logs aside: the durable log has all that is in them."""
    copies = set_aside(path)
    for log in logs:
        log.unlink()
    sync_folder(path.parent)
    warning = SalvageWarning(
        f"DuckDB's log of {path} is damaged ({reason}), as by a power cut. The hub's own log has all that "
        f"was in it, and nothing is lost. The files as they were: {', '.join(map(str, copies))}."
    )
    warning.copies = copies
    warnings.warn(warning, stacklevel=5)


def _reason(error: duckdb.Error) -> str:
    return re.sub('^.*WAL file ".*?": ', "", str(error).partition("\n")[0]).rstrip(".")


def _check_place(path: Path, error: duckdb.Error) -> None:
    """Raise a `StoreError` if the error is one of place, version or lock, and not of damage."""
    text, reason = str(error), _reason(error)
    if re.search("lock on file|different configuration|Unique file|used by another process", text):
        _refuse_locked(path, text)
    if re.search("has been invalidated|create checkpoint", text):
        raise StoreError(
            f"{path} can't be opened now: {reason}. Make room if the disk is full, then open it again."
        ) from None
    if "storage version" in text:
        raise StoreError(
            f"{path} can't be read by DuckDB {duckdb.__version__} ({reason}). Install a newer one; "
            "or, if the file is older than that, export it with the DuckDB that wrote it."
        ) from None
    if "not a valid DuckDB database file" in text or text.startswith("IO Error: Extension"):
        raise StoreError(f"{path} is not a DuckDB database. Give another path.") from None


def _refuse(path: Path, error: duckdb.Error) -> NoReturn:
    """Raise an error that says what is wrong, and what to do."""
    _check_place(path, error)
    reason = _reason(error)
    if _is_about_log(error):
        refusal = DamagedHubError(
            f"{path} can't be opened, because of DuckDB's log {path.name}.wal: {reason}. Nothing was "
            "changed. If that log belongs to another database, bring the right two together; else "
            f"`durablenb repair {path}` opens the database without the log, which it keeps."
        )
        refusal.reason = f"log {path.name}.wal: {reason}"
        raise refusal from None
    if not _BAD_DATABASE.search(str(error)) and isinstance(
        error, duckdb.IOException | duckdb.ProgrammingError
    ):
        raise StoreError(
            f"{path} can't be opened: {reason}. A hub needs a file and a folder that you may "
            "write to, on a local disk with room on it."
        ) from None
    damaged = DamagedHubError(
        f"{path} is damaged ({reason}). Nothing was changed. Restore a backup, or run "
        f"`durablenb repair {path}`, which saves what can be read."
    )
    damaged.reason = reason
    raise damaged from None


def _refuse_locked(path: Path, text: str) -> NoReturn:
    who = re.search(r"(?:held|open) in\s+(.+ \(PID \d+\))", text)
    here = "this very process, through durablenb.open_history or a DuckDB connection of its own"
    holder = who[1] if who else "another program" if "another process" in text else here
    raise HubLockedError(
        f"{path} is held by {holder}. A hub's file is opened once: {way_in(read_holder(hub_lock_path(path)))}"
        "close it there, or look into it there; then open it here again."
    ) from None


def _check_format(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse a file whose format doesn't tie a log to its database."""
    found = connection.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone()
    version = str(found and found[0])
    number = re.match(r"v(\d+)\.", version)
    if number and int(number[1]) >= 2:
        return
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")  # Leave the file as it is.
    connection.close()
    if not number:
        raise StoreError(f"{path} is not a DuckDB database. Give another path.")
    new = path.with_name(f"{path.stem}-v2{path.suffix}")
    raise StoreError(
        f"{path} has DuckDB's older storage format {version}; a hub needs v2.0.0, which ties a log "
        "to its database. Nothing was changed. Convert it into a new file:\n"
        f"con = duckdb.connect(); con.execute('ATTACH ? AS old (READ_ONLY)', [{str(path)!r}]); "
        f"con.execute('ATTACH ? AS new', [{str(new)!r}]); "
        "con.execute('COPY FROM DATABASE old TO new'); con.close()"
    )
