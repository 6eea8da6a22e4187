"""What bare DuckDB takes in the same run, for what the hub is compared with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from durablenb.core.ports.store import Record
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.row_codec import to_row


def commit_seconds(folder: Path, rows: Iterable[Sequence[object]], count: int) -> list[float]:
    """Seconds of each of `count` bare single-row transactions into a journal table."""
    connection = _journal(folder / "bare-single.duckdb")
    appender = connection.appender("journal")
    taken = []
    for row in list(rows)[:count]:
        begin = time.perf_counter()
        appender.append_rows([row])
        appender.flush()
        taken.append(time.perf_counter() - begin)
    connection.close()
    return taken


def append_seconds(folder: Path, rows: Sequence[Sequence[object]], batch: int = 1_000) -> float:
    """Seconds for appending all these rows in transactions of `batch`."""
    connection = _journal(folder / "bare-batches.duckdb")
    appender = connection.appender("journal")
    begin = time.perf_counter()
    for first in range(0, len(rows), batch):
        appender.append_rows(rows[first : first + batch])
        appender.flush()
    taken = time.perf_counter() - begin
    connection.close()
    return taken


def rows_of(records: Iterable[Record]) -> list[tuple[object, ...]]:
    """Rows of the journal as they were written."""
    return [to_row(record) for record in records]


def _journal(path: Path) -> duckdb.DuckDBPyConnection:
    path.unlink(missing_ok=True)
    DuckStore(path).close()
    return duckdb.connect(str(path), config={"threads": 2, "checkpoint_threshold": "16MB"})
