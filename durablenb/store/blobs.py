"""Blobs in DuckDB: the large parts of values, each stored once, and the events that refer to them.

A checkpoint rewrites the 120,000 rows around a new one, however large they are. So the bytes aren't in the
table that lists the blobs, but in many tables, each of which is soon full, and then not written any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any, NamedTuple

import duckdb

from durablenb.model.imports import KeptBlob
from durablenb.model.payloads import Payload, carried_blobs, file_references, references
from durablenb.store.row_codec import COLUMNS

Use = tuple[int, str, str]
"""An event's place in the journal, its instance, and the hash or file of a blob that it refers to."""

SEGMENT = 16_000_000
"""Bytes after which the next table is begun: about what is written between two checkpoints."""

_FETCH = "select content from blob_contents where hash = ?"
_FETCH_OLD = "select content from blobs where hash = ?"
_HAS_CONTENTS = "select 1 from duckdb_views() where view_name = 'blob_contents'"
"""A file that was last written when the bytes were in `blobs` has no such view."""

_SEGMENTS = r"""
select table_name from duckdb_tables()
where database_name = current_database() and regexp_full_match(table_name, 'blob_segment_[0-9]+')
order by table_oid
"""
_FILL = "select coalesce(sum(octet_length(content)), 0) from query_table(?)"
_COUNT = "select count(*) from query_table(?)"
_KNOWN = "select hash from blobs where list_contains(?, hash)"
_LIST = "insert into blobs values (?, ?, ?, '', ?)"
_INSERT_USES = "insert into blob_uses select unnest(?), unnest(?), unnest(?)"
_HAS_USES = "select 1 from blob_uses union all select 1 from output_parts where hash is not null limit 1"
_UNUSED = """
(
    select hash from blob_uses where {uses}
    union select hash from output_parts where hash is not null and {lines}
)
except
select hash from blob_uses where not ({uses})
except
select hash from output_parts where hash is not null and not ({lines})
"""
_FREE = "delete from blobs where list_contains(?, hash)"

_PAYLOAD, _TIMESTAMP = COLUMNS.index("payload"), COLUMNS.index("timestamp")


def fetch(ask: Callable[[str, list[object]], list[tuple[Any, ...]]], blob_hash: str) -> bytes | None:
    """Return the bytes of a blob; None if there is no blob of that hash."""
    rows = ask(_FETCH if ask(_HAS_CONTENTS, []) else _FETCH_OLD, [blob_hash])
    return bytes(rows[0][0]) if rows else None


def uses_in(rows: Iterable[Sequence[Any]]) -> list[Use]:
    """Return the references to blobs, and to files that hold blobs, in these rows of the journal."""
    return [
        (row[0], row[1], reference)
        for row in rows
        if row[_PAYLOAD]
        for reference in (*references(row[_PAYLOAD]), *file_references(row[_PAYLOAD]))
    ]


def write(connection: duckdb.DuckDBPyConnection, rows: Iterable[Sequence[Any]], uses: Sequence[Use]) -> None:
    """Write the new blobs of these rows, and the references to them."""
    by_hash: dict[str, KeptBlob] = {}
    for row in rows:
        created = row[_TIMESTAMP].replace(tzinfo=UTC)  # the same one if a log is applied again after a crash
        for blob in carried_blobs(row[_PAYLOAD] or ""):
            by_hash.setdefault(blob.hash, KeptBlob(*blob, created))
    keep(connection, list(by_hash.values()))
    connection.execute(_INSERT_USES, [list(column) for column in zip(*uses, strict=True)]).fetchall()


def keep(connection: duckdb.DuckDBPyConnection, new: Sequence[KeptBlob]) -> None:
    """Write those of these blobs that aren't there yet."""
    rows = connection.execute(_KNOWN, [[blob.hash for blob in new]]).fetchall()
    known = {blob_hash for (blob_hash,) in rows}
    for blob in new:
        if blob.hash not in known:
            size = len(blob.content)
            row = [blob.hash, blob.kind, size, blob.created.replace(tzinfo=None)]
            connection.execute(_LIST, row).fetchall()
            if size:
                table = _segment(connection, size)
                connection.execute(f"insert into {table} values (?, ?)", [blob.hash, blob.content]).fetchall()


def _segment(connection: duckdb.DuckDBPyConnection, size: int) -> str:
    """Return the table for the next bytes."""
    tables = _segments(connection)
    if tables:
        fill = connection.execute(_FILL, tables[-1:]).fetchall()[0][0]
        if fill + size <= SEGMENT:
            return tables[-1]
    number = 1 + max((int(table.rpartition("_")[2]) for table in tables), default=0)
    new = f"blob_segment_{number}"
    connection.execute(f"create table {new} (hash varchar not null, content blob not null)")
    show_contents(connection)
    return new


def _segments(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [table for (table,) in connection.execute(_SEGMENTS).fetchall()]


def show_contents(connection: duckdb.DuckDBPyConnection, *, has_segments: bool = True) -> None:
    """Create the view of all bytes: in the tables, and in `blobs`, where an older durablenb put them."""
    tables = _segments(connection) if has_segments else []  # the first query of DuckDB's catalog is slow
    parts = ["select hash, content from blobs where octet_length(content) > 0 or size = 0"]
    parts += [f"select hash, content from {table}" for table in tables]
    connection.execute(f"create or replace view blob_contents as {' union all '.join(parts)}")


def release(rows: Iterable[Sequence[Any]]) -> None:
    """Free the blobs of these rows from memory: they are on disk."""
    for row in rows:
        if type(row[_PAYLOAD]) is Payload:
            row[_PAYLOAD].blobs = ()


class Purged(NamedTuple):
    """Conditions on the purged rows of the journal, of `blob_uses`, and of `log_lines` and other tables."""

    events: str
    uses: str
    lines: str


OF_INSTANCES = Purged(*["list_contains($ids, instance_id)"] * 3)
_OF_EXECUTIONS = "list_contains($ids, execution_id)"
_NOT_NEEDED = f"{_OF_EXECUTIONS} and not list_contains($needed::bigint[], seq)"
OF_EXECUTIONS = Purged(_NOT_NEEDED, f"seq in (select seq from journal where {_NOT_NEEDED})", _OF_EXECUTIONS)


def free(connection: duckdb.DuckDBPyConnection, purged: Purged, parameters: Mapping[str, Any]) -> list[str]:
    """Delete the blobs that only what is purged refers to; return the files, which are still there."""
    if not connection.execute(_HAS_USES).fetchall():
        return []
    rows = connection.execute(_UNUSED.format(uses=purged.uses, lines=purged.lines), parameters).fetchall()
    unused = [blob_hash for (blob_hash,) in rows]
    drop(connection, unused)
    connection.execute(f"delete from blob_uses where {purged.uses}", parameters).fetchall()
    return [reference for reference in unused if "#" in reference]


def drop(connection: duckdb.DuckDBPyConnection, unused: list[str]) -> None:
    """Delete blobs that nothing refers to."""
    before = _segments(connection)
    for table in before:
        connection.execute(f"delete from {table} where list_contains(?, hash)", [unused]).fetchall()
        if not connection.execute(_COUNT, [table]).fetchall()[0][0]:
            connection.execute(f"drop table {table}")
    if before != _segments(connection):
        show_contents(connection)
    connection.execute(_FREE, [unused]).fetchall()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run the block in a transaction."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # after a fatal error there is nothing to roll back
            connection.execute("rollback")
        raise
    connection.execute("commit")
