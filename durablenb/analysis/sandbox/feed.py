"""What a copy of the journal lacks: rows that were added since, and places that were purged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

BYTES = 32 << 20
"""Bytes of text, about, that a piece has: as much as either process holds at a time."""

_ROW = 200
"""Bytes that a row counts beside its longest text."""

_GROWING = {
    "journal": ("payload", "execution_id || ':' || event_id"),
    "log_lines": ("message", "hash(instance_id, task_id, timestamp, message)::varchar"),
}
"""Tables that rows are appended to, by ``seq``: their longest text, and what tells one row from another that
has its place after a purge."""

_SMALL = {
    "sources": "hash, text",
    "blobs": "hash, kind, size, ''::blob as content, created",  # the bytes are had by their hash, over HTTP
    "blob_uses": "seq, instance_id, hash",
    "imported": "instance_id, origin, made_by, imported",
}
"""Tables that are copied whole when they have changed, with what is copied."""


@dataclass(frozen=True)
class TablePart:
    """Rows for one table of a copy, in a Parquet file.

    Parameters
    ----------
    table
        Which one.
    path
        The file.
    part
        ``rows`` to be added; ``all`` the rows that there are; ``places`` that are left.
    """

    table: str
    path: str
    part: str


@dataclass(frozen=True)
class _CopyMark:
    """How far a copy of a growing table goes."""

    last: int = 0
    count: int = 0
    identity: str | None = None


class Feed:
    """Writes what a copy lacks, again and again.

    Parameters
    ----------
    folder
        Where the files of pieces are written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._marks = dict.fromkeys(_GROWING, _CopyMark())
        self._prints: dict[str, tuple[Any, ...]] = {}

    def pieces(self, connection: duckdb.DuckDBPyConnection) -> Iterator[TablePart]:
        """Give what the copy lacks, all of one moment; the file of a piece is gone once the next is given.

        Once the last one was taken, the copy counts as whole. If that isn't so, it has to be made anew.

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

    def _growing(self, connection: duckdb.DuckDBPyConnection, table: str) -> Iterator[TablePart]:
        longest, identity = _GROWING[table]
        had = self._marks[table]
        asked = f"""
            select count(*) filter (seq <= $last), count(*), coalesce(max(seq), 0),
                   (select any_value({identity}) from {table} where seq = $last)
            from {table}
        """
        kept, count, last, same = connection.execute(asked, {"last": had.last}).fetchall()[0]
        if (
            same != had.identity
        ):  # the last row was purged: its place, and those before it, can be another's now
            yield self._piece(connection, table, "all", f"from {table} limit 0")
            had = _CopyMark()
        elif kept != had.count:
            yield self._piece(connection, table, "places", f"select seq from {table} where seq <= {had.last}")
        if last > had.last:
            # How far each piece goes: the rows before it make up whole pieces.
            parts = f"""
                select max(seq) from (
                    select seq, sum(size) over (order by seq) // {BYTES} as part
                    from (
                        select seq, {_ROW} + coalesce(strlen({longest}), 0) as size
                        from {table} where seq > ?
                    )
                ) group by part order by 1
            """
            begin = had.last
            for (end,) in connection.execute(parts, [begin]).fetchall():
                rows = f"from {table} where seq > {begin} and seq <= {end}"
                yield self._piece(connection, table, "rows", rows)
                begin = end
        at = connection.execute(f"select {identity} from {table} where seq = ?", [last]).fetchall()
        self._marks[table] = replace(had, last=last, count=count, identity=at[0][0] if at else None)

    def _small(self, connection: duckdb.DuckDBPyConnection, table: str, columns: str) -> Iterator[TablePart]:
        shown = f"select {columns} from {table}"
        found = connection.execute(f"select count(*), bit_xor(hash(t)) from ({shown}) t").fetchall()[0]
        if found != self._prints.get(table, (0, None)):
            yield self._piece(connection, table, "all", shown)
            self._prints[table] = found

    def _piece(self, connection: duckdb.DuckDBPyConnection, table: str, part: str, query: str) -> TablePart:
        path = self._folder / "piece.parquet"
        target = str(path).replace("'", "''")
        connection.execute(f"copy ({query}) to '{target}' (format parquet, compression uncompressed)")
        return TablePart(table, str(path), part)
