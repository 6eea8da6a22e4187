"""Queries over a network: a single SELECT over the hub's tables, and an answer of limited size.

A user's own `hub.sql` may read files and data frames: it is their kernel. A query over a network is answered
in a process of its own, which can't read files and has limits of memory and time. This module is the check
inside that process: DuckDB's own parser has to show that the query reads only the hub's tables, views and
macros, and a few functions that make rows of their arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from durablenb.analysis.sql import Parameters, query
from durablenb.store import schema

SECONDS = 10.0
"""The time limit of a query. Then its process is killed."""

MEMORY = 1 << 30
"""The memory limit of a query in bytes."""

SPILL = 1 << 30
"""The limit of a query's temporary files in bytes."""

ROWS = 10_000
"""The largest number of rows in an answer."""

CHARACTERS = 16 << 20
"""The largest number of characters in an answer."""

QUERY = 50_000
"""The largest number of characters in a query."""

_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_ROW_FUNCTIONS = {"generate_series", "json_each", "json_tree", "range", "unnest"}
_FORBIDDEN_FUNCTIONS = {
    "current_setting",
    "getvariable",
    "setseed",
    "setval",
    "nextval",
    "currval",
    "sleep_ms",
    "write_log",
}
_CATALOG = """
select lower(view_name) from duckdb_views() where internal and schema_name in ('main', 'pg_catalog')
"""
"""DuckDB's own views that are found without a schema."""

_BYTES = frozenset({"blobs"})
"""Clients fetch large values one by one, by hash; ``payloads`` lists them."""

_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class QueryRefusedError(ValueError):
    """A query is not allowed over a network."""


QUERY_KINDS: dict[str, type[Exception]] = {
    "QueryRefusedError": QueryRefusedError,
    **{
        name: kind
        for name, kind in vars(duckdb).items()
        if isinstance(kind, type) and issubclass(kind, duckdb.Error)
    },
}
"""The errors of queries that can't be answered, by name."""


def answer_query(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters) -> dict[str, Any]:
    """Return the answer to a query over a network as JSON values; `answer_relation` reads them.

    Parameters
    ----------
    connection
        A connection to a copy of the journal that nothing else uses meanwhile.
    sql, parameters
        The query and its values.

    Raises
    ------
    QueryRefusedError
        If it isn't one query over the hub's tables, or has too large an answer.
    ValueError, duckdb.Error
        If the query is wrong.
    """
    _check(connection, sql)
    connection.execute("begin transaction read only")
    return _read(connection, sql, parameters)


def answer_relation(answer: dict[str, Any]) -> duckdb.DuckDBPyRelation:
    """Return an answer from a network as a relation, whose rows are in memory.

    Parameters
    ----------
    answer
        The result of `answer_query`.
    """
    names, types, rows = answer["columns"], answer["types"], answer["rows"]
    connection = duckdb.connect(":memory:", config={"enable_external_access": False, "threads": 1})
    columns = [f"c{number}" for number in range(len(names))]
    connection.execute(f"create temp table answer ({', '.join(f'{column} varchar' for column in columns)})")
    appender = connection.appender("answer")
    appender.append_rows([tuple(row) for row in rows])
    appender.flush()
    return connection.table("answer").select(
        *(
            duckdb.ColumnExpression(column).cast(connection.type(kind)).alias(name)
            for column, kind, name in zip(columns, types, names, strict=True)
        )
    )


def _read(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Parameters) -> dict[str, Any]:
    """Return the rows with each value as DuckDB's text, from which DuckDB reads the value again."""
    relation = query(connection, sql, parameters, {})
    names, types = list(relation.columns), list(map(str, relation.types))
    forms = ", ".join(f"#{position}::varchar" for position in range(1, len(names) + 1))
    whole = connection.extract_statements(sql)[0].query.rstrip().removesuffix(";")
    connection.execute(f"select {forms} from (\n{whole}\n) limit {ROWS + 1}", parameters)
    rows: list[tuple[str | None, ...]] = []
    size = 0
    while some := connection.fetchmany(1_000):
        rows += some
        size += sum(len(value) for row in some for value in row if value is not None)
        if len(rows) > ROWS:
            raise QueryRefusedError(
                f"The answer has more than {ROWS:,} rows. Ask for fewer: with a limit, or a group by."
            )
        if size > CHARACTERS:
            raise QueryRefusedError(
                f"The answer has more than {CHARACTERS:,} characters. Leave out columns such as payload, or "
                "ask for fewer rows."
            )
    return {"columns": names, "types": types, "rows": [list(row) for row in rows]}


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    if len(sql) > QUERY:
        raise QueryRefusedError(f"A query has up to {QUERY:,} characters; this one has {len(sql):,}.")
    kinds = [statement.type.name for statement in connection.extract_statements(sql)]
    if kinds != ["SELECT"]:
        found = " and ".join(kinds) or "nothing"
        raise QueryRefusedError(f"Expected one SELECT, not {found}: over a network a hub is only looked at.")
    try:
        tree = json.loads(connection.execute("select json_serialize_sql(?)", [sql]).fetchall()[0][0])
    except RecursionError:
        raise QueryRefusedError("The query is nested too deeply.") from None
    if tree["error"]:
        raise QueryRefusedError(f"Expected one SELECT: {tree['error_message']}")
    nodes = list(_all_nodes(tree["statements"]))
    tables, macros = schema.names()
    named = {name for node in nodes for name in _with_names(node)}
    taken = sorted(named.intersection(name for (name,) in connection.execute(_CATALOG).fetchall()))
    if taken:
        raise QueryRefusedError(
            f'WITH "{taken[0]}" can\'t be used over a network: DuckDB has a view of that name.'
        )
    known = (tables - _BYTES) | named
    for node in nodes:
        refused = _refused_part(node, known, macros | _ROW_FUNCTIONS)
        if refused:
            raise QueryRefusedError(
                f"{refused} can't be used over a network. There are the hub's tables and views, its macros, "
                f"and {', '.join(sorted(_ROW_FUNCTIONS))}."
            )


def _with_names(node: dict[str, Any]) -> list[str]:
    """Return the names that a WITH defines, except names that could be files."""
    entries = node.get("cte_map", {}).get("map", []) if isinstance(node.get("cte_map"), dict) else []
    return [entry["key"].lower() for entry in entries if _NAME.fullmatch(entry["key"])]


def _refused_part(node: dict[str, Any], tables: frozenset[str], row_functions: frozenset[str]) -> str | None:
    """Return the forbidden thing that a part of a query uses; None if there is none."""
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in _NODES:
        return kind.removesuffix("_NODE").removesuffix("_QUERY")
    if kind == "BASE_TABLE":
        name, schema = node["table_name"], node["catalog_name"] or node["schema_name"]
        if schema or name.lower() not in tables:
            return f'"{f"{schema}." if schema else ""}{name}"'
    elif kind == "TABLE_FUNCTION":
        function = node["function"]
        if function["class"] != "FUNCTION" or function["schema"] or function["catalog"]:
            return "That function"
        if function["function_name"].lower() not in row_functions:
            return f"{function['function_name']}()"
    elif kind == "SHOW_REF":
        return "DESCRIBE, SHOW and SUMMARIZE"
    elif (
        node.get("class") == "FUNCTION" and str(node.get("function_name", "")).lower() in _FORBIDDEN_FUNCTIONS
    ):
        return f"{node['function_name']}()"
    return None


def _all_nodes(tree: Any) -> Iterator[dict[str, Any]]:
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            yield node
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
