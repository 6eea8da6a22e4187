"""The tables, views and macros of a hub's file: created with the file, and replaced when they change."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path

import duckdb

from durablenb.model.errors import StoreError
from durablenb.store import blobs, statements
from durablenb.store.connections import parsed

FORMAT = 2
"""Version of the tables; a file of a newer version is refused.

Version 2 has the durable log. An older durablenb would open a file without it, and miss the last entries.
"""

_FILES = ("views.sql", "calls.sql", "entities.sql", "agents.sql", "macros.sql", "spans.sql")
_VIEW = re.compile(r"^create or replace view (\w+)", re.MULTILINE)


def are_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return True if the tables and views are those of this durablenb."""
    found = dict(
        connection.execute("select view_name, comment from duckdb_views() where not internal").fetchall()
    )
    return found.keys() >= {"blob_contents", *_VIEW.findall(_text())} and found["instances"] == _version()


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the missing tables, in a transaction of the caller's."""
    _execute(connection, "schema.sql")


def make_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace all views, and the macros that they use, in a transaction of the caller's.

    Raises
    ------
    duckdb.CatalogException
        If the file has a table of that name.
    """
    for name in _FILES:
        if name != "macros.sql":
            _execute(connection, name)
    connection.execute(f"comment on view instances is '{_version()}'")


def make_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace the macros that only users use, in a transaction of the caller's.

    They take as long as all views, which have to be there already.
    """
    _execute(connection, "macros.sql")
    _execute(connection, "spans.sql")


def in_memory(settings: dict[str, str | bool | int | float | list[str]]) -> duckdb.DuckDBPyConnection:
    """Return an empty journal in memory, with all tables and views; DuckDB's settings are locked."""
    connection = duckdb.connect(":memory:", config=settings)
    prepare(connection, None, is_new=True)
    connection.execute("set lock_configuration = true")
    return connection


def fenced(
    path: Path, settings: dict[str, str | bool | int | float | list[str]]
) -> duckdb.DuckDBPyConnection:
    """Return a journal in a file that can access its folder only; DuckDB's settings are locked."""
    connection = duckdb.connect(str(path), config=settings)
    prepare(connection, path)
    folder = str(path.parent).replace("'", "''")
    connection.execute(f"set allowed_directories = ['{folder}']")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def prepare(
    connection: duckdb.DuckDBPyConnection, path: Path | None, *, is_new: bool = False, has_views: bool = True
) -> None:
    """Create the tables and views of a new file, and check or complete those of an existing one."""
    try:
        version = None if is_new else _format(connection)
        if version is not None and version > FORMAT:
            raise StoreError(
                f"{path} has format {version} of the journal; this durablenb knows up to {FORMAT}. "
                "Nothing was changed. Open it with a newer durablenb."
            )
        is_whole = version == FORMAT and are_current(connection)
        if is_whole:
            connection.execute(statements.CHECK)
        else:
            with blobs.transaction(connection):  # so that a refused file stays unchanged
                _complete(connection, version, is_new=is_new, has_views=has_views)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise StoreError(
            f"{path} can't be a hub, because of a table of its own: {error}. Give another path."
        ) from error
    except duckdb.Error as error:
        raise StoreError(
            f"{path} can't be opened: {error}. Make room if the disk is full, then open it again."
        ) from error


def _complete(
    connection: duckdb.DuckDBPyConnection, version: int | None, *, is_new: bool, has_views: bool
) -> None:
    """Create the missing tables, and replace the views."""
    make_tables(connection)
    connection.execute(statements.CHECK)
    blobs.show_contents(connection, has_segments=not is_new)
    if has_views:
        make_views(connection)
        make_macros(connection)
    if version != FORMAT:
        connection.execute("insert into durablenb_format values (?)", [FORMAT])


def _format(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Return the version of the file's tables, or None if it has none."""
    try:
        found = connection.execute("select max(version) from durablenb_format").fetchall()[0][0]
    except duckdb.CatalogException:
        return None
    return None if found is None else int(found)


@cache
def names() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of all tables and views of a hub, and those of its macros."""
    tables = re.findall(r"^create table if not exists (\w+)", _read("schema.sql"), re.MULTILINE)
    macros = re.findall(r"^create or replace macro (\w+)", _text(), re.MULTILINE)
    return frozenset([*tables, "blob_contents", *_VIEW.findall(_text())]), frozenset(macros)


def _execute(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    for statement in parsed(connection, _read(name)):
        connection.execute(statement)


@cache
def _text() -> str:
    return "\n".join(_read(name) for name in _FILES)


@cache
def _version() -> str:
    return sha256((_read("schema.sql") + _text()).encode()).hexdigest()[:16]


@cache
def _read(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")
