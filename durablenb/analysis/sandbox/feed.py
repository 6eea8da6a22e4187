"""Updates for a copy of the journal: rows that were added, and positions that were purged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from durablenb.model.activities import ActivityAttempt

BYTES = 32 << 20
"""The approximate size of a part in bytes of text. Either process holds one part at a time."""

_ROW = 200
"""The size of a row in bytes besides its longest text."""

_GROWING = {
    "journal": ("payload", "execution_id || ':' || event_id"),
    "log_lines": ("message", "hash(instance_id, task_id, timestamp, message)::varchar"),
}
"""Tables to which rows are appended, by ``seq``: their longest text, and an expression that tells a row from
another one that got its position after a purge."""

_SMALL = {
    "sources": "hash, text",
    "blobs": "hash, kind, size, ''::blob as content, created",  # clients fetch the bytes by hash over HTTP
    "blob_uses": "seq, instance_id, hash",
    "queue_limits": "name, concurrency, rate_count, rate_seconds, activities",
    "queue_starts": "queue, instance_id, execution_id, task_id, granted_at, started_at",
    "imported": "instance_id, origin, made_by, imported",
    "activity_attempts": ", ".join(ActivityAttempt._fields),
    "output_parts": "*",
    "cached_calls": "*",
    "code_parts": "*",
}
"""Tables that are copied completely when they have changed, with the copied columns."""


@dataclass(frozen=True)
class TableUpdate:
    """Rows for one table of a copy, in a Parquet file.

    Parameters
    ----------
    table
        The table.
    path
        The file.
    part
        ``rows``: new rows; ``all``: all rows of the table; ``places``: the positions that are kept.
    """

    table: str
    path: str
    part: str


@dataclass(frozen=True)
class _CopyMark:
    """The extent of a copy of a growing table."""

    last: int = 0
    count: int = 0
    identity: str | None = None


class Feed:
    """Writes the updates that a copy of the journal lacks.

    Parameters
    ----------
    folder
        The folder for the files of parts.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks = dict.fromkeys(_GROWING, _CopyMark())
        self._prints: dict[str, tuple[Any, ...]] = {}

    def updates(self, connection: duckdb.DuckDBPyConnection) -> Iterator[TableUpdate]:
        """Yield the updates that the copy lacks, from one snapshot. Each part overwrites the last one's file.

        After the last part, the copy counts as complete. If an update failed, the copy has to be made again.

        Raises
        ------
        duckdb.Error
            If the journal can't be read, or a file can't be written.
        """
        connection.execute("begin transaction read only")
        try:
            for table in _GROWING:
                yield from self._growing(connection, table)
            for table, columns in _SMALL.items():
                yield from self._small(connection, table, columns)
        finally:
            connection.execute("rollback")

    def _growing(self, connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[TableUpdate]:
        longest, identity = _GROWING[table]
        mark = self._marks[table]
        marks_query = f"""
            select count(*) filter (seq <= $last), count(*), coalesce(max(seq), 0),
                   (select any_value({identity}) from {table} where seq = $last)
            from {table}
        """
        kept, count, last, same = connection.execute(marks_query, {"last": mark.last}).fetchall()[0]
        if same != mark.identity:  # the last row was purged: other rows may have its position now
            yield self._update(connection, table, "all", f"from {table} limit 0")
            mark = _CopyMark()
        elif kept != mark.count:
            yield self._update(
                connection, table, "places", f"select seq from {table} where seq <= {mark.last}"
            )
        if last > mark.last:
            # The last row of each part.
            parts = f"""
                select max(seq) from (
                    select seq, sum(size) over (order by seq) // {BYTES} as part
                    from (
                        select seq, {_ROW} + coalesce(strlen({longest}), 0) as size
                        from {table} where seq > ?
                    )
                ) group by part order by 1
            """
            begin = mark.last
            for (end,) in connection.execute(parts, [begin]).fetchall():
                rows = f"from {table} where seq > {begin} and seq <= {end}"
                yield self._update(connection, table, "rows", rows)
                begin = end
        at = connection.execute(f"select {identity} from {table} where seq = ?", [last]).fetchall()
        self._marks[table] = replace(mark, last=last, count=count, identity=at[0][0] if at else None)

    def _small(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: str
    ) -> Iterator[TableUpdate]:
        rows = f"select {columns} from {table}"
        [fingerprint] = connection.execute(f"select count(*), bit_xor(hash(t)) from ({rows}) t").fetchall()
        if fingerprint != self._prints.get(table, (0, None)):
            yield self._update(connection, table, "all", rows)
            self._prints[table] = fingerprint

    def _update(
        self, connection: duckdb.DuckDBPyConnection, table: str, part: str, query: str
    ) -> TableUpdate:
        path = self._folder / "update.parquet"
        target = str(path).replace("'", "''")
        connection.execute(f"copy ({query}) to '{target}' (format parquet, compression uncompressed)")
        return TableUpdate(table, str(path), part)
