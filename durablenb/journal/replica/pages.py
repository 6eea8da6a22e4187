"""Pages of a journal in the form in which they are sent over a network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from durablenb.model.payloads import is_too_deep
from durablenb.store.blobs import transaction
from durablenb.store.row_codec import COLUMNS
from durablenb.store.schema import FORMAT

PortableRow = list[Any]
"""A row of the journal as JSON values. Its times are microseconds since 1970, UTC."""

ROWS = 10_000
"""The largest number of rows of a page."""

BYTES = 4 << 20
"""The bytes of payloads after which a page ends."""

SHORT = 64
"""The bytes up to which a payload is sent with the journal of all instances."""

LEFT_OUT = '"…"'
"""The replacement of a longer one."""

_EPOCH = datetime(1970, 1, 1)
_TEXTS = [COLUMNS.index("payload"), COLUMNS.index("attributes")]
_TIMES = [COLUMNS.index("timestamp"), COLUMNS.index("started_at")]

_SHORTENED = f"case when strlen(payload) <= {SHORT} then payload else '{LEFT_OUT}' end"


def _columns(payload: str) -> str:
    forms = {"timestamp": "epoch_us(timestamp)", "started_at": "epoch_us(started_at)", "payload": payload}
    return ", ".join(forms.get(column, column) for column in COLUMNS)


_COUNT_OF_ALL = "select count(*) from journal where seq <= ?"
_COUNT_OF_ONE = "select count(*) from journal where instance_id = ? and seq <= ?"
_OF_ALL = f"select {_columns(_SHORTENED)} from journal where seq > ? order by seq limit {ROWS}"
_SIZES_OF_ONE = f"""
select seq, coalesce(strlen(payload), 0) from journal where instance_id = ? and seq > ?
order by seq limit {ROWS}
"""
_OF_ONE = f"""
select {_columns("payload")} from journal where instance_id = ? and seq > ? and seq <= ? order by seq
"""


@dataclass(frozen=True)
class JournalPage:
    """The rows after a position in a journal.

    Parameters
    ----------
    rows
        The rows, oldest first.
    held
        The number of rows up to that position. A copy with another number is out of date, because rows were
        purged, and is read again from the beginning.
    is_whole
        Whether no rows follow at present.
    format
        The format of the journal.
    """

    rows: list[PortableRow]
    held: int
    is_whole: bool
    format: int = FORMAT

    def as_json(self) -> dict[str, Any]:
        """Return the page as JSON values."""
        return asdict(self)


def read_page(connection: duckdb.DuckDBPyConnection, instance_id: str | None, after: int) -> JournalPage:
    """Return the rows after a position in the journal.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    instance_id
        The instance or entity; None for all of them, without long payloads.
    after
        The position; 0 for the beginning.
    """
    with transaction(connection):  # the engine writes meanwhile
        if instance_id is None:
            held = _ask(connection, _COUNT_OF_ALL, after)[0][0]
            rows = _ask(connection, _OF_ALL, after)
            return JournalPage([list(row) for row in rows], held, len(rows) < ROWS)
        held = _ask(connection, _COUNT_OF_ONE, instance_id, after)[0][0]
        sizes = _ask(connection, _SIZES_OF_ONE, instance_id, after)
        taken = _count_within(size for _, size in sizes)
        rows = _ask(connection, _OF_ONE, instance_id, after, sizes[taken - 1][0]) if taken else []
        return JournalPage([list(row) for row in rows], held, taken == len(sizes) < ROWS)


def journal_row(portable: PortableRow) -> tuple[Any, ...]:
    """Return the row of the journal.

    Raises
    ------
    ValueError
        If it has JSON that is nested more deeply than a journal's may be.
    """
    row = list(portable)
    if any(row[column] and is_too_deep(row[column]) for column in _TEXTS):
        raise ValueError("a value is nested too deeply")
    for column in _TIMES:
        if row[column] is not None:
            row[column] = _EPOCH + timedelta(microseconds=row[column])
    return tuple(row)


def _count_within(sizes: Iterable[int]) -> int:
    """Return the number of payloads that make up a page: at least one, if there is one."""
    count = total = 0
    for size in sizes:
        total += size
        if count and total > BYTES:
            break
        count += 1
    return count


def _ask(connection: duckdb.DuckDBPyConnection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    return connection.execute(sql, list(parameters)).fetchall()
