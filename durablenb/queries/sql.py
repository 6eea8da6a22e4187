"""Users' own SQL over the journal."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

_READS = {"SELECT", "EXPLAIN", "MULTI", "CALL"}


def query(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | dict[str, object] | None
) -> duckdb.DuckDBPyRelation:
    """Return the answer to a query.

    Raises
    ------
    ValueError
        If it isn't one query: the journal is written by the hub alone.
    duckdb.Error
        If the query is wrong.
    """
    statements = connection.extract_statements(sql)
    kinds = [statement.type.name for statement in statements]
    if len(kinds) != 1 or kinds[0] not in _READS:
        raise ValueError(
            f"hub.sql answers one query, not {' and '.join(kinds) or 'nothing'}. "
            "For other statements over your own tables use hub.connection()."
        )
    return connection.sql(sql, params=parameters)
