"""Blobs in DuckDB: the large parts of values, each kept once, and which events refer to which."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import duckdb

from durablenb.model.payloads import Blob, Payload, blobs_of, references
from durablenb.store.wire import COLUMNS

Use = tuple[int, str, str]
"""An event's place in the journal, its instance, and the hash of a blob that it refers to."""

FETCH = "select content from blobs where hash = ?"

_KNOWN = "select hash from blobs where list_contains(?, hash)"
_INSERT = "insert into blobs values (?, ?, ?, ?, ?)"
_INSERT_USES = "insert into blob_uses select unnest(?), unnest(?), unnest(?)"
_USES = "select count(*) from blob_uses where list_contains(?, instance_id)"
_FREE = """
delete from blobs where hash in (
    select hash from blob_uses where list_contains($ids, instance_id)
    except
    select hash from blob_uses where not list_contains($ids, instance_id)
)
"""
_FORGET = "delete from blob_uses where list_contains(?, instance_id)"

_PAYLOAD = COLUMNS.index("payload")


def uses_of(rows: Iterable[Sequence[Any]]) -> list[Use]:
    """Which of these rows of the journal refer to which blobs."""
    return [(row[0], row[1], one) for row in rows if row[_PAYLOAD] for one in references(row[_PAYLOAD])]


def write(connection: duckdb.DuckDBPyConnection, rows: Iterable[Sequence[Any]], uses: Sequence[Use]) -> None:
    """Writes the blobs that come with these rows and aren't there yet, and who refers to them."""
    given: dict[str, Blob] = {}
    for row in rows:
        given.update((blob.hash, blob) for blob in blobs_of(row[_PAYLOAD] or ""))
    known = {one for (one,) in connection.execute(_KNOWN, [list(given)]).fetchall()}
    now = datetime.now(UTC).replace(tzinfo=None)
    for one, kind, content in given.values():
        if one not in known:
            connection.execute(_INSERT, [one, kind, len(content), content, now]).fetchall()
    connection.execute(_INSERT_USES, [list(column) for column in zip(*uses, strict=True)]).fetchall()


def let_go(rows: Iterable[Sequence[Any]]) -> None:
    """The blobs are on disk: the texts need not hold them any more."""
    for row in rows:
        if type(row[_PAYLOAD]) is Payload:
            row[_PAYLOAD].blobs = ()


def has_uses(connection: duckdb.DuckDBPyConnection, instance_ids: list[str]) -> bool:
    """Whether events of these instances refer to blobs."""
    return bool(connection.execute(_USES, [instance_ids]).fetchall()[0][0])


def free(connection: duckdb.DuckDBPyConnection, instance_ids: list[str]) -> None:
    """Deletes the blobs that only these instances refer to."""
    connection.execute(_FREE, {"ids": instance_ids}).fetchall()
    connection.execute(_FORGET, [instance_ids]).fetchall()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it, or nothing."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # after a fatal error nothing is left to be taken back
            connection.execute("rollback")
        raise
    connection.execute("commit")
