"""Log lines in DuckDB: a row for each line, in the order in which they were printed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from operator import itemgetter
from typing import Any

import duckdb

from durablenb.model.logs import LogLine
from durablenb.store.connections import append_rows
from durablenb.store.statements import ASKED_CHILDREN, CHILDREN
from durablenb.store.states import Ask

LAST = "select coalesce(max(seq), 0) from log_lines"

_COLUMNS = "instance_id, execution_id, task_id, name, attempt, timestamp, stream, level, logger, message"
_OF_ONE = f"select seq, {_COLUMNS} from log_lines where instance_id = ?"
_OF_MANY = f"select seq, {_COLUMNS} from log_lines where list_contains(?, instance_id)"


def append(connection: duckdb.DuckDBPyConnection, lines: Sequence[LogLine], last: int) -> None:
    """Write all of these lines or none, after the line with the number `last`."""
    append_rows(connection, "log_lines", [_row(seq, line) for seq, line in enumerate(lines, last + 1)])


def load(ask: Ask, instance_ids: list[str]) -> list[LogLine]:
    """Return the lines of these instances, oldest first."""
    return [_line(row) for row in sorted(ask(_OF_MANY, [instance_ids]), key=itemgetter(0))]


def load_family(ask: Ask, instance_id: str) -> list[LogLine]:
    """Return the lines of an instance and of its sub-orchestrations, oldest first."""
    ids = family(ask, instance_id)
    rows = ask(_OF_MANY, [ids]) if len(ids) > 1 else ask(_OF_ONE, [instance_id])
    return [_line(row) for row in sorted(rows, key=itemgetter(0))]


def family(ask: Ask, instance_id: str) -> list[str]:
    """Return the ids of an instance and its sub-orchestrations; reads few rows, however many the hub has."""
    found = [instance_id]
    parents = found[:]
    while parents:
        requested = [child for (child,) in ask(ASKED_CHILDREN, [parents])]
        parents = (
            [child for (child,) in ask(CHILDREN, [requested, parents]) if child not in found]
            if requested
            else []
        )
        found += parents
    return found


def _line(row: tuple[Any, ...]) -> LogLine:
    line = LogLine(*row[1:])
    return line._replace(timestamp=line.timestamp.replace(tzinfo=UTC))


def _row(seq: int, line: LogLine) -> tuple[Any, ...]:
    return (seq, *line._replace(timestamp=line.timestamp.replace(tzinfo=None)))
