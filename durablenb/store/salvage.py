"""Salvage of a damaged database before it is opened: copies are set aside, torn blocks are repaired."""

from __future__ import annotations

import filecmp
import glob
import os
import shutil
import warnings
from pathlib import Path
from typing import cast

import duckdb

from durablenb.model.errors import StoreError
from durablenb.store.blocks import seal, torn_blocks, write_checksums
from durablenb.store.lockfile import aside_name, durable_log_path, log_files


class SalvageWarning(UserWarning):
    """Damage to the hub's files was repaired; `copies` are the files as they were."""

    copies: tuple[Path, ...] = ()


class DamagedHubError(StoreError):
    """Database or log are damaged too much to be opened; `copies` were set aside."""

    reason: str = ""
    copies: tuple[Path, ...] = ()


def set_aside(path: Path) -> tuple[Path, ...]:
    """Copy database and logs under a new name, unless an earlier copy is the same; return the copies.

    Raises
    ------
    StoreError
        If the disk has no room for them.
    """
    sources = [path, *log_files(path), *filter(Path.is_file, [durable_log_path(path)])]
    suffixes = [source.name.removeprefix(path.name) for source in sources]
    for earlier in path.parent.glob(glob.escape(path.name) + ".damaged-*Z"):
        copies = tuple(earlier.with_name(earlier.name + suffix) for suffix in suffixes)
        if all(c.exists() and filecmp.cmp(s, c) for s, c in zip(sources, copies, strict=True)):
            return copies
    target = aside_name(path)
    copies = tuple(target.with_name(target.name + suffix) for suffix in suffixes)
    try:
        for source, copy in zip(sources, copies, strict=True):
            shutil.copy2(source, copy)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())
    except OSError as error:
        for copy in copies:
            copy.unlink(missing_ok=True)
        raise StoreError(
            f"{path} or its log is damaged, and there can be no copy of them: {error.strerror}. "
            "Nothing was changed. Make room beside the file, then open it again."
        ) from None
    return copies


def seal_torn_blocks(path: Path) -> None:
    """Repair blocks that a power cut left half-written in a checkpoint, if nothing is lost by that.

    Their checksums are computed again. That is tried on a copy first: the database itself is changed, with a
    `SalvageWarning`, only if every value in the copy can be read.

    Raises
    ------
    DamagedHubError
        If there are such blocks, and not every value can be read; nothing was changed.
    StoreError
        If there is no room for a copy.
    """
    torn = torn_blocks(path)
    if not torn:
        return
    copies = set_aside(path)
    blocks = ", ".join(map(str, torn))
    before = seal(copies[0], torn)
    try:
        read_error = _read_error(copies[0])
    finally:
        write_checksums(copies[0], before)
    kept = ", ".join(map(str, copies))
    if read_error is not None:
        damaged = DamagedHubError(
            f"{path} is damaged (metadata in block {blocks}: {read_error}). Copies are kept: {kept}. "
            f"Restore a backup, or run `durablenb repair {path}`, which saves what can be read."
        )
        damaged.reason, damaged.copies = f"metadata in block {blocks}: {read_error}", copies
        raise damaged
    seal(path, torn)
    warning = SalvageWarning(
        f"{path} was damaged in block {blocks}, as by a power cut in the middle of a checkpoint. The "
        f"checksum was recomputed, and every value can be read. The files as they were: {kept}."
    )
    warning.copies = copies
    warnings.warn(warning, stacklevel=5)


def _read_error(path: Path) -> str | None:
    """Return what can't be read of a database; None if everything can."""
    try:
        with duckdb.connect(str(path), read_only=True, config={"memory_limit": "1GB"}) as connection:
            _, unreadable = scan(connection)
    except duckdb.Error as error:
        wal = path.with_name(path.name + ".wal")
        # With a durable log, DuckDB's own log isn't needed, and may be damaged.
        if durable_log_path(path).is_file() and wal.exists():
            return _read_error_without(wal, path)
        return str(error).partition("\n")[0]
    return f"table {unreadable[0]} can't be read in full" if unreadable else None


def _read_error_without(log: Path, path: Path) -> str | None:
    """Return what can't be read of a database while a log is out of its way."""
    elsewhere = log.replace(log.with_name(log.name + ".elsewhere"))
    try:
        return _read_error(path)
    finally:
        elsewhere.replace(log)


def list_tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
    """Return the tables of a database by their readable names, each with its quoted name for SQL."""
    found = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name = ? AND NOT internal ORDER BY table_oid",
        [database],
    ).fetchall()
    return {
        table if schema == "main" else f"{schema}.{table}": f"{_quoted(schema)}.{_quoted(table)}"
        for schema, table in found
    }


def scan(connection: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], list[str]]:
    """Read every value of every table; return the row count of each, and the tables that can't be read."""
    (database,) = cast(tuple[str], connection.execute("SELECT current_database()").fetchone())
    rows, unreadable = {}, []
    for table, name in list_tables(connection, database).items():
        try:
            found = connection.execute(
                "SELECT count(*), bit_xor(hash(t)) FROM query_table(?) AS t", [name]
            ).fetchone()
            rows[table] = found[0] if found else 0
        except duckdb.Error:
            unreadable.append(table)
    return rows, unreadable


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
