"""The connections to one database: the writer's, its appender, one for each thread that reads, users' own."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable

import duckdb

_PATIENCE = 10.0
"""Seconds that a call under way in another thread has to come to its end, once it is interrupted."""

_MOST_PARSED = 512
_parsed: dict[str, list[duckdb.Statement]] = {}


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    """Return the statements of a text, which each connection can execute.

    DuckDB takes as long to parse many of the statements here as to execute them, so each is parsed once in a
    process.
    """
    statements = _parsed.get(sql)
    if statements is None:
        if len(_parsed) >= _MOST_PARSED:
            _parsed.clear()
        statements = _parsed[sql] = connection.extract_statements(sql)
    return statements


class Connections:
    """Opens a database when it is first needed, and again after `close`.

    Parameters
    ----------
    connect
        Opens the database.

    Notes
    -----
    DuckDB opens a file anew, which is the only way on after a fatal error, once all connections of the
    process are closed; and a connection that another thread is busy with refuses to be closed. The
    connection of a thread that ends is not left to that thread, which would let go of it at any time later.
    """

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._connect = connect
        self._turn = threading.RLock()
        self._readers: dict[threading.Thread, duckdb.DuckDBPyConnection] = {}
        self._given: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._writer: duckdb.DuckDBPyConnection | None = None
        self._appender: duckdb.Appender | None = None
        self._is_over = False

    @property
    def are_open(self) -> bool:
        """Whether the database is open."""
        return self._writer is not None

    def writer(self) -> duckdb.DuckDBPyConnection:
        """The connection that writes.

        Raises
        ------
        duckdb.ConnectionException
            If it was closed for good.
        """
        with self._turn:
            if self._is_over:
                raise duckdb.ConnectionException("It was closed.")
            if self._writer is None:
                self._writer = self._connect()
            return self._writer

    def appender(self) -> duckdb.Appender:
        """What appends rows to the journal."""
        with self._turn:
            if self._appender is None:
                self._appender = self.writer().appender("journal")
            return self._appender

    def drop_appender(self) -> None:
        """Drops the appender with the rows that it holds: after an error it would write them later."""
        with self._turn:
            if self._appender is not None:
                with contextlib.suppress(duckdb.Error):
                    self._appender.clear()
            self._appender = None

    def reader(self) -> duckdb.DuckDBPyConnection:
        """The connection with which the calling thread reads."""
        thread = threading.current_thread()
        with self._turn:
            if thread not in self._readers:
                for ended in [one for one in self._readers if not one.is_alive()]:
                    self._readers.pop(ended).close()
                self._readers[thread] = self.writer().cursor()
            return self._readers[thread]

    def given(self) -> duckdb.DuckDBPyConnection:
        """A connection of a user's own; it is closed with the others."""
        with self._turn:
            connection = self.writer().cursor()
            self._given.add(connection)
            return connection

    def close(self, writer: duckdb.DuckDBPyConnection | None = None) -> None:
        """Closes all of them, or does nothing if `writer` was closed already."""
        with self._turn:
            if self._writer is None or writer not in (None, self._writer):
                return
            self.drop_appender()
            close_connections((*self._given, *self._readers.values(), self._writer))
            self._given.clear()
            self._readers.clear()
            self._writer = None

    def end(self) -> None:
        """Closes all of them for good."""
        with self._turn:
            self._is_over = True
            self.close()


def close_connections(connections: Iterable[duckdb.DuckDBPyConnection]) -> None:
    """Closes them; what other threads ask with them is interrupted."""
    deadline = time.monotonic() + _PATIENCE
    for connection in list(connections):
        _close(connection, deadline)


def _close(connection: duckdb.DuckDBPyConnection, deadline: float) -> None:
    while True:
        try:
            connection.close()
            return
        except duckdb.ResourceInUseException:
            if time.monotonic() > deadline:
                return
        try:
            connection.interrupt()
        except duckdb.Error:
            return  # Closed meanwhile.
        time.sleep(0.001)
