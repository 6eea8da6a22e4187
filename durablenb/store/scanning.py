"""Reads every value of a database once, to find what can't be read."""

from __future__ import annotations

from typing import cast

import duckdb


def tables(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
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
    for table, name in tables(connection, database).items():
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
