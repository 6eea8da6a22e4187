"""The time of the bare disk and of bare DuckDB in the same run, as a measure for the hub."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from durablenb.core.ports.store import Record
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.log_file import sync
from durablenb.store.row_codec import to_row


def sync_seconds(folder: Path, count: int) -> list[float]:
    """Seconds of each of `count` appends of 300 bytes with a sync, to a file that is long enough already."""
    path = folder / "bare-sync"
    path.write_bytes(bytes(300 * count))
    taken = []
    with path.open("r+b", buffering=0) as file:
        for _ in range(count):
            begin = time.perf_counter()
            file.write(b"x" * 300)
            sync(file.fileno())
            taken.append(time.perf_counter() - begin)
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
