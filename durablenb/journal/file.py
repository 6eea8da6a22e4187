"""A hub's file that is opened to be read, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

import duckdb

from durablenb.core.ports.store import blob_is_gone
from durablenb.model.errors import StoreError
from durablenb.store.blobs import fetch
from durablenb.store.connections import close_connections
from durablenb.store.duck import FORMAT
from durablenb.store.opener import open_database
from durablenb.values.codec import ValueCodec


class FileReader:
    """Connections to a hub's file: nothing is locked, nothing is changed; see `HubFile`."""

    def __init__(self, path: Path, connect: Callable[[], duckdb.DuckDBPyConnection] | None = None) -> None:
        self.path = path
        """Where it is."""
        self._codec = ValueCodec(self._blob)
        self._pid = os.getpid()
        self._is_closed = False
        self._given: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()
        if connect is None:
            database = open_database(path, read_only=True)
            self._given.add(database)
            connect = database.cursor
        self._connect = connect
        try:
            self._check_format()
        except BaseException:
            self.close()
            raise

    def _check_format(self) -> None:
        try:
            with self.connection() as connection:
                ((version,),) = connection.execute("select max(version) from durablenb_format").fetchall()
        except duckdb.CatalogException:
            version = None
        if version is None:
            raise StoreError(f"{self.path} is a DuckDB database, but not a hub. Give another path.")
        if version > FORMAT:
            raise StoreError(
                f"{self.path} has format {version} of the journal; this durablenb knows up to {FORMAT}. "
                "Install a newer durablenb."
            )

    # -- asking ----------------------------------------------------------------------------------

    def last_written(self) -> datetime | None:
        """Return the time of the last event of all; None if there is none."""
        moment: datetime | None = self._ask("select max(timestamp) from journal")[0][0]
        return None if moment is None else moment.replace(tzinfo=UTC)

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, for tools that want one: Polars, jupysql; close it after use.

        Raises
        ------
        StoreError
            If this was closed.
        """
        if self._is_closed:
            raise StoreError(f"{self.path} was closed. Open it again: durablenb.open_history(path).")
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self.path} was opened by process {self._pid}, from which this one was forked, and DuckDB "
                "doesn't work in a fork. Open it again in the child."
            )
        connection = self._connect()
        self._given.add(connection)
        return connection

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._reading() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for a moment; what DuckDB says of a damaged file is said in this one's words."""
        try:
            with self.connection() as connection:
                yield connection
        except duckdb.Error as error:
            raise StoreError(
                f"{self.path} can't be read: {error}. Whether it is damaged is told by "
                f"`durablenb repair {self.path}`."
            ) from error

    def _blob(self, blob_hash: str) -> bytes:
        found = fetch(self._ask, blob_hash)
        if found is None:
            raise blob_is_gone(blob_hash)
        return found

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the file, with all connections and answers that it gave; twice does nothing."""
        self._is_closed = True
        if os.getpid() == self._pid:
            close_connections(self._given)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
