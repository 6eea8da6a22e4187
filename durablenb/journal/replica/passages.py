"""Passages of the journal in a form that goes over a network, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import duckdb

from durablenb.model.payloads import is_too_deep
from durablenb.store.blobs import transaction
from durablenb.store.duck import FORMAT
from durablenb.store.wire import COLUMNS

Portable = list[Any]
"""A row of the journal, as JSON has it: its times are microseconds since 1970, UTC."""

ROWS = 10_000
"""Rows that a passage has at the most."""

BYTES = 4 << 20
"""Bytes of payloads after which a passage ends."""

SHORT = 64
"""Bytes that a payload may have to go along where all instances are told of."""

LEFT_OUT = '"…"'
"""What stands in the place of a longer one."""

_EPOCH = datetime(1970, 1, 1)
_TEXTS = [COLUMNS.index("payload"), COLUMNS.index("attributes")]
_TIMES = [COLUMNS.index("timestamp"), COLUMNS.index("started_at")]

_SHORTENED = f"case when strlen(payload) <= {SHORT} then payload else '{LEFT_OUT}' end"


def _columns(payload: str) -> str:
    forms = {"timestamp": "epoch_us(timestamp)", "started_at": "epoch_us(started_at)", "payload": payload}
    return ", ".join(forms.get(column, column) for column in COLUMNS)


_HELD_OF_ALL = "select count(*) from journal where seq <= ?"
_HELD_OF_ONE = "select count(*) from journal where instance_id = ? and seq <= ?"
_OF_ALL = f"select {_columns(_SHORTENED)} from journal where seq > ? order by seq limit {ROWS}"
_PLACES_OF_ONE = f"""
select seq, coalesce(strlen(payload), 0) from journal where instance_id = ? and seq > ?
order by seq limit {ROWS}
"""
_OF_ONE = f"""
select {_columns("payload")} from journal where instance_id = ? and seq > ? and seq <= ? order by seq
"""


@dataclass(frozen=True)
class Passage:
    """What comes after a place in the journal.

    Parameters
    ----------
    rows
        Oldest first.
    held
        How many rows there are up to that place. Who has another number has to begin anew: some were purged.
    is_whole
        Whether nothing follows these rows at present.
    format
        Of the journal.
    """

    rows: list[Portable]
    held: int
    is_whole: bool
    format: int = FORMAT

    def as_json(self) -> dict[str, Any]:
        """Return the passage as JSON values."""
        return asdict(self)


def passage_of(connection: duckdb.DuckDBPyConnection, instance_id: str | None, after: int) -> Passage:
    """Return what comes after a place in the journal.

    Parameters
    ----------
    connection
        A reader's.
    instance_id
        Whose history; of all instances if it is None, and then without long payloads.
    after
        The place; 0 for the beginning.
    """
    with transaction(connection):  # the engine writes meanwhile
        if instance_id is None:
            held = _ask(connection, _HELD_OF_ALL, after)[0][0]
            rows = _ask(connection, _OF_ALL, after)
            return Passage([list(row) for row in rows], held, len(rows) < ROWS)
        held = _ask(connection, _HELD_OF_ONE, instance_id, after)[0][0]
        places = _ask(connection, _PLACES_OF_ONE, instance_id, after)
        taken = _within(size for _, size in places)
        rows = _ask(connection, _OF_ONE, instance_id, after, places[taken - 1][0]) if taken else []
        return Passage([list(row) for row in rows], held, taken == len(places) < ROWS)


def row_of(portable: Portable) -> tuple[Any, ...]:
    """Return the row of the journal that this was made of.

    Raises
    ------
    ValueError
        If it has JSON that is nested more deeply than the journal may have it.
    """
    row = list(portable)
    if any(row[place] and is_too_deep(row[place]) for place in _TEXTS):
        raise ValueError("a value is nested too deeply")
    for place in _TIMES:
        if row[place] is not None:
            row[place] = _EPOCH + timedelta(microseconds=row[place])
    return tuple(row)


def _within(sizes: Iterable[int]) -> int:
    """How many of these make up a passage: at least one, if there is one."""
    count = total = 0
    for size in sizes:
        total += size
        if count and total > BYTES:
            break
        count += 1
    return count


def _ask(connection: duckdb.DuckDBPyConnection, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    return connection.execute(sql, list(parameters)).fetchall()
