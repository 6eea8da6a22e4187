"""The tables, views and macros of a hub's file: made when it is new, and again when they have changed."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256
from pathlib import Path

import duckdb

from durablenb.store.connections import parsed

_FILES = ("views.sql", "calls.sql", "entities.sql", "spans.sql")
_VIEW = re.compile(r"^create or replace view (\w+)", re.MULTILINE)


def are_current(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the tables and views are those that this durablenb makes."""
    found = dict(
        connection.execute("select view_name, comment from duckdb_views() where not internal").fetchall()
    )
    return found.keys() >= {"blob_contents", *_VIEW.findall(_text())} and found["instances"] == _version()


def make_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables that aren't there, in a transaction of the caller's."""
    _execute(connection, "schema.sql")


def make(connection: duckdb.DuckDBPyConnection) -> None:
    """Make all views and macros, in a transaction of the caller's.

    Raises
    ------
    duckdb.CatalogException
        If the file has a table of that name.
    """
    for name in _FILES:
        _execute(connection, name)
    connection.execute(f"comment on view instances is '{_version()}'")


@cache
def names() -> tuple[frozenset[str], frozenset[str]]:
    """The names of all tables and views that a hub has, and those of its macros."""
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
