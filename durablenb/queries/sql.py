"""Users' own SQL over the journal."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

_READS = {"SELECT", "EXPLAIN", "MULTI"}
_WRITES = {"insert", "update", "delete", "merge", "copy"}


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
    _check(connection, sql)
    return connection.sql(sql, params=parameters)


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    kinds = [statement.type.name for statement in connection.extract_statements(sql)]
    found = " and ".join(kinds) or "nothing"
    if len(kinds) == 1 and kinds[0] in _READS:
        tokens = _tokens(sql)
        # A part of a query can write: `with x as (delete from journal returning *) select * from x`.
        words = [word for _, word in tokens]
        found = " and ".join(
            word.upper()
            for before, word, after in zip(words, words[1:], words[2:], strict=False)
            if before == "(" and word in _WRITES and after not in (")", ",", ".")
        )
        if not found:
            if kinds[0] == "EXPLAIN":  # with ANALYZE it is done, too
                _check(connection, sql.encode()[_after_explain(tokens) :].decode())
            return
    raise ValueError(
        f"hub.sql answers one query, not {found}. "
        "For other statements over your own tables use hub.connection()."
    )


def _after_explain(tokens: list[tuple[int, str]]) -> int:
    """Where the statement begins that is to be explained."""
    words = iter(tokens[1:])
    start, word = next(words)
    if word == "analyze":
        start, word = next(words)
    if word == "(" and next(words)[1] in ("analyze", "format"):
        while word != ")":
            _, word = next(words)
        start, _ = next(words)
    return start


def _tokens(sql: str) -> list[tuple[int, str]]:
    """Where each token begins, and its text in lower case up to the next one; without comments."""
    tokens = duckdb.tokenize(sql)
    ends = [start for start, _ in tokens[1:]] + [len(sql.encode())]
    data = sql.encode()
    return [
        (start, data[start:end].decode().strip().lower())
        for (start, kind), end in zip(tokens, ends, strict=True)
        if kind.name != "comment"
    ]
