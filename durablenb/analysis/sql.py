"""SQL queries of users over the journal and over their data frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import duckdb

from durablenb.core.ports.store import Store
from durablenb.model.errors import InstanceNotFoundError
from durablenb.store.duckdb_store import DuckStore

Parameters = Sequence[object] | dict[str, object] | None
"""The values of a query's ``?`` or ``$name`` parameters."""

Relation = duckdb.DuckDBPyRelation
"""The result of a query."""

QUERY_ERRORS: tuple[type[Exception], ...] = (duckdb.Error, ValueError)
"""The errors of queries that can't be answered."""

_READS = {"SELECT", "EXPLAIN", "MULTI"}
_WRITES = {"insert", "update", "delete", "merge", "copy"}

_ASK = compile("__ask__(__sql__, params=__parameters__)", "<query>", "eval")
_NO_TABLE = re.compile(r'Catalog Error: Table with name "?(.+?)"? does not exist!')
_NO_FRAME = re.compile(r'Invalid Input Error: Python Object "(.+?)" of type "(\w+)" .*not suitable')


def journal_connection(store: Store) -> duckdb.DuckDBPyConnection:
    """Return a connection with which the calling thread reads a hub's journal."""
    assert isinstance(store, DuckStore)
    return store.cursor()


def _nothing_stored(name: str) -> object:
    raise InstanceNotFoundError(name)


def query(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Parameters,
    variables: Mapping[str, object],
    stored: Callable[[str], object] = _nothing_stored,
) -> duckdb.DuckDBPyRelation:
    """Return the result of a query.

    Parameters
    ----------
    connection
        The connection whose tables and views are queried.
    sql
        One statement of SQL.
    parameters
        The values of its parameters.
    variables
        Data frames and the like, by name. Names that are neither tables nor views are looked up here.
    stored
        Returns the data frame in the journal of a name that is none of these either.

    Raises
    ------
    ValueError
        If it isn't one query. Only the hub writes to the journal.
    duckdb.Error
        If the query is wrong.
    """
    _check(connection, sql)
    # DuckDB looks up an unknown name in the variables of the Python frame that calls it, and of no other one.
    # So the call is made from a frame that has the variables.
    scope = {**variables, "__ask__": connection.sql, "__sql__": sql, "__parameters__": parameters}
    registered: set[str] = set()
    try:
        while True:
            try:
                relation: duckdb.DuckDBPyRelation = eval(_ASK, {"__builtins__": {}}, scope)
                break
            except duckdb.CatalogException as error:
                # A database without access to files doesn't look up variables. They can be registered.
                match = _NO_TABLE.match(str(error))
                if match is None or match[1] in registered:
                    raise
                name = match[1]
                try:
                    connection.register(name, variables[name] if name in variables else stored(name))
                except InstanceNotFoundError:
                    raise error from None
                registered.add(name)
    except (duckdb.CatalogException, duckdb.InvalidInputException) as error:
        message = _unknown_name_text(str(error), connection, variables)
        if message is None:
            raise
        raise type(error)(message) from None
    return relation


def parameter_names(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """Return the names of a query's parameters: ``id`` for ``$id``, ``1`` for a ``?``.

    Raises
    ------
    duckdb.Error
        If the query can't be parsed.
    """
    return set().union(*(statement.named_parameters for statement in connection.extract_statements(sql)))


def frame_variables(frame: FrameType) -> dict[str, Any]:
    """Return the variables of a frame, its own before those of its module."""
    return {**frame.f_globals, **frame.f_locals}


def _unknown_name_text(
    error: str, connection: duckdb.DuckDBPyConnection, variables: Mapping[str, object]
) -> str | None:
    """Return the message for a name that is neither a table nor a data frame; None for other errors."""
    if (match := _NO_TABLE.match(error)) is not None:
        from difflib import get_close_matches  # only needed for mistakes

        tables = [row[0] for row in connection.execute("show tables").fetchall()]
        frames = [name for name, value in variables.items() if hasattr(type(value), "__arrow_c_stream__")]
        close = get_close_matches(match[1], [*tables, *frames], 1)
        more = f'Did you mean "{close[0]}"?' if close else f"The hub has {', '.join(tables)}."
        return (
            f'There is no table or view "{match[1]}" in the hub, and no variable of that name where you ask. '
            + more
        )
    if (match := _NO_FRAME.match(error)) is not None:
        reason = error.partition("\n")[2].partition("\n")[0]
        todo = (
            f"{reason} Take its rows, {match[1]}.df(), or ask its query again."
            if match[2] == "DuckDBPyRelation"
            else "Expected a data frame of pandas or Polars, an Arrow table, NumPy arrays or a relation."
        )
        return (
            f'"{match[1]}" is no table or view of the hub, and your variable of that name can\'t be queried: '
            f"it is of type {match[2]}. {todo}"
        )
    return None


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
            if kinds[0] == "EXPLAIN":  # with ANALYZE the statement is executed
                _check(connection, sql.encode()[_after_explain(tokens) :].decode())
            return
    raise ValueError(
        f"Expected one query, not {found}: the journal is written by the hub alone. "
        "For other statements over your own tables use hub.connection()."
    )


def _after_explain(tokens: list[tuple[int, str]]) -> int:
    """Return the position of the statement after EXPLAIN and its options."""
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
    """Return the start of each token, and its text in lower case up to the next one, without comments."""
    tokens = duckdb.tokenize(sql)
    ends = [start for start, _ in tokens[1:]] + [len(sql.encode())]
    data = sql.encode()
    return [
        (start, data[start:end].decode().strip().lower())
        for (start, kind), end in zip(tokens, ends, strict=True)
        if kind.name != "comment"
    ]
