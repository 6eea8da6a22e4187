"""Opening of a hub's database: every loss is reported, and nothing is ever deleted.

DuckDB alone starts an empty file where the database is gone (and deletes its log), drops the
rest of a log in silence where a length in it is damaged, and refuses one whose tail a power cut
left as zeros. Here the log is looked through first, copies are set aside before anything is cut,
and every refusal says what to do. Nothing opens the database file by itself while a connection
lives: that would drop DuckDB's own lock on it.
"""

from __future__ import annotations

import os
import re
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import duckdb

from durablenb.model.errors import HubLockedError, StoreError
from durablenb.model.plain import Plain, plain
from durablenb.store.lockfile import (
    check_files,
    lock_path_of,
    log_files,
    read_holder,
    resolve_place,
    sync_folder,
    way_in,
)
from durablenb.store.salvage import DamagedHubError, SalvageWarning, seal_torn_blocks, set_aside

_MOST_CUTS = 3

# A log (DuckDB 2.0's) is a header, then frames of length (8 bytes), checksum (8) and content.
# Each transaction ends with a flush frame, known here by all but its length.
_HEADER = re.compile(
    rb"d\x00be\x00[\x01\x02]"
    rb"(?:f\x00\x10(?:[\x80-\xff]*[\x00-\x7f]){16}g\x00[\x80-\xff]*[\x00-\x7f])?\xff\xff",
    re.DOTALL,
)
FLUSH = bytes.fromhex("e7fe7d722fed3d5e 640064ffff")
_KNOWS_LAYOUT = duckdb.__version__.startswith("2.0.")  # A later DuckDB's log is left to DuckDB.


@plain
class _Damage(Plain):
    """Damage to a log; without a position, the log can't be cut there."""

    log: Path
    position: int | None
    reason: str


def open_database(
    path: Path,
    *,
    read_only: bool = False,
    salvage: bool = True,
    memory_limit: str = "1GB",
    threads: int = 2,
    checkpoint_threshold: str = "16MB",
) -> duckdb.DuckDBPyConnection:
    """Return a connection to the database at `path`, which is created if it doesn't exist.

    Take a `HubLock` first, unless you only read.

    Parameters
    ----------
    path
        The file. Symbolic links are followed.
    read_only
        Create and change nothing, and let the database access no other file.
    salvage
        Repair what a power cut damaged, after database and log were copied aside: cut the log where it is
        damaged, repair blocks that were torn in a checkpoint.
    memory_limit, threads, checkpoint_threshold
        DuckDB's settings.

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
    Warns with a `SalvageWarning` of what was repaired. A new database has mode 0600 where there are modes;
    `FileGuard` does the same for its log, which DuckDB creates again after each checkpoint.
    """
    path = resolve_place(path)
    is_new = check_files(path, must_exist=read_only)
    if not is_new and not read_only and not os.access(path, os.W_OK):
        raise StoreError(f"{path} can't be written. Make it writable, or work on a copy.")

    def connect(read_only: bool = read_only) -> duckdb.DuckDBPyConnection:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "checkpoint_threshold": checkpoint_threshold,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # A file to be read may be somebody else's, with a view that reads files of yours.
            "enable_external_access": not read_only,
        }
        return duckdb.connect(str(path), read_only=read_only, config=settings)

    if is_new:
        _create(path)
    connection = _connect(path, connect, _MOST_CUTS if salvage and not read_only else 0)
    try:
        _check_format(path, connection)
    except duckdb.Error as error:  # After a fatal one, while a thread still lets go of its connection.
        connection.close()
        _explain(path, error, None)
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
            _explain(path, error, None)
        raise StoreError(f"{path} can't be made: {error}. Choose another place.") from error


def _connect(
    path: Path, connect: Callable[..., duckdb.DuckDBPyConnection], cuts_left: int
) -> duckdb.DuckDBPyConnection:
    copies: tuple[Path, ...] = ()
    if cuts_left and log_files(path):  # else it was closed
        seal_torn_blocks(path)
    while True:
        damage = _find_damage(path)
        try:
            if damage is None:
                return connect()
            connect(read_only=True).close()  # Does nobody else have it open?
        except duckdb.Error as error:
            damage = _explain(path, error, damage)
        if cuts_left and not copies:
            copies = set_aside(path)
        if damage.position is None or not cuts_left:
            _refuse(path, damage, copies)
        _cut(damage, damage.position, copies)
        cuts_left -= 1


def _find_damage(path: Path) -> _Damage | None:
    """Return damage to the logs that DuckDB would ignore without an error."""
    logs = log_files(path) if _KNOWS_LAYOUT else []
    for damage in filter(None, map(_damage_in, logs)):
        return damage
    if logs and logs[0].suffix != ".wal" and FLUSH in logs[0].read_bytes():
        return _Damage(logs[0], None, "the main log, to which it belongs, is missing")
    return None


def _damage_in(log: Path) -> _Damage | None:
    content = log.read_bytes()
    header = _HEADER.match(content)
    if header is None:
        if FLUSH in content:
            return _Damage(log, None, "its first bytes are damaged")
        return _Damage(log, 0, "it has no readable beginning")
    position, size = header.end(), len(content)
    while position + 16 <= size:
        (length,) = struct.unpack_from("<Q", content, position)
        if length == 0 or position + 16 + length > size:
            break
        position += 16 + length
    rest = content[position:]
    if FLUSH in rest:
        return _Damage(log, position, "the length of an entry is damaged")
    if rest and not rest.strip(b"\0"):
        return _Damage(log, position, "only zeros follow, as after a power cut")
    return None  # Sound, or ending in a write that was under way when the process died.


def _explain(path: Path, error: duckdb.Error, known: _Damage | None) -> _Damage:
    """Return the damage to the log that stopped DuckDB, or raise the error if it was another one."""
    text = str(error)
    reason = re.sub('^.*WAL file ".*?": ', "", text.partition("\n")[0]).rstrip(".")
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
    if not re.search("Corrupt database file|read enough bytes", text):
        if "WAL" in text:
            return known or _damage_named_by_duckdb(path, text, reason)
        if isinstance(error, duckdb.IOException | duckdb.ProgrammingError):
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


def _damage_named_by_duckdb(path: Path, text: str, reason: str) -> _Damage:
    name = re.search(r'WAL file "(.+?)":', text)
    place = re.search(r"at byte position (\d+)", text)
    logs = {str(log): log for log in log_files(path)}
    log = logs.get(name[1]) if name else None
    if log is None or place is None or int(place[1]) >= log.stat().st_size:
        return _Damage(log or path.with_name(path.name + ".wal"), None, reason)
    return _Damage(log, int(place[1]), "an entry's checksum is wrong")


def _refuse_locked(path: Path, text: str) -> NoReturn:
    who = re.search(r"(?:held|open) in\s+(.+ \(PID \d+\))", text)
    here = "this very process, through durablenb.open_history or a DuckDB connection of its own"
    holder = who[1] if who else "another program" if "another process" in text else here
    raise HubLockedError(
        f"{path} is held by {holder}. A hub's file is opened once: {way_in(read_holder(lock_path_of(path)))}"
        "close it there, or look into it there; then open it here again."
    ) from None


def _cut(damage: _Damage, position: int, copies: tuple[Path, ...]) -> None:
    with damage.log.open("rb+") as file:
        file.seek(position)
        rest = file.read()
        file.truncate(position)
        os.fsync(file.fileno())
    lost = rest.count(FLUSH)
    loss = f"complete transactions, now lost: {lost}" if lost else "no complete transaction was there"
    warning = SalvageWarning(
        f"The log {damage.log} was damaged at byte {position} ({damage.reason}). The {len(rest)} "
        f"bytes from there on were cut off ({loss}). The files as they were: "
        f"{', '.join(map(str, copies))}."
    )
    warning.copies = copies
    warnings.warn(warning, stacklevel=4)


def _refuse(path: Path, damage: _Damage, copies: tuple[Path, ...]) -> NoReturn:
    kept = f"Copies are kept: {', '.join(map(str, copies))}" if copies else "Nothing was changed"
    refusal = DamagedHubError(
        f"{path} can't be opened, because of its log {damage.log.name}: {damage.reason}. {kept}. "
        "If that log belongs to another database, bring the right two together; else "
        f"`durablenb repair {path}` opens the database without the log, which it keeps."
    )
    refusal.reason, refusal.copies = f"log {damage.log.name}: {damage.reason}", copies
    raise refusal


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
