"""Connections to one database: the writer's and its appender, one for each reading thread, and users' own."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import duckdb

_PATIENCE = 10.0
"""Seconds to wait for a query of another thread that was interrupted."""

_PAUSE = 0.02
"""Seconds between two interrupts of the queries on connections that are being closed."""

_MOST_PARSED = 512
_parsed: dict[str, list[duckdb.Statement]] = {}


def parsed(connection: duckdb.DuckDBPyConnection, sql: str) -> list[duckdb.Statement]:
    """Return the statements of a text, which any connection can execute.

    DuckDB takes as long to parse many of the statements as to execute them, so each is parsed once in a
    process.
    """
    statements = _parsed.get(sql)
    if statements is None:
        if len(_parsed) >= _MOST_PARSED:
            _parsed.clear()
        statements = _parsed[sql] = connection.extract_statements(sql)
    return statements


class UserConnections:
    """Connections that users have, for as long as they hold them; from any thread.

    Notes
    -----
    A `WeakSet` would run Python code when the last reference to a connection goes. DuckDB closes it just
    before, which takes a while, and an interrupt that came meanwhile would be raised in that code, and so be
    lost. These weak references have no callbacks.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._references: list[weakref.ref[duckdb.DuckDBPyConnection]] = []
        self._sweep_at = 16

    def add(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Add a connection, without keeping it alive."""
        with self._lock:
            self._references.append(weakref.ref(connection))
            if len(self._references) >= self._sweep_at:
                self._references = [one for one in self._references if one() is not None]
                self._sweep_at = 2 * len(self._references) + 16

    def in_use(self) -> list[duckdb.DuckDBPyConnection]:
        """Return the connections that are still referenced."""
        with self._lock:
            found = [reference() for reference in self._references]
        return [connection for connection in found if connection is not None]


class Connections:
    """Opens a database when it is first needed, and again after `close`.

    Parameters
    ----------
    connect
        Opens the database.

    Notes
    -----
    After a fatal error, DuckDB has to open the file again, which it does once all connections of the process
    are closed; and a connection that another thread uses can't be closed. The connection of a thread that
    ends is closed here: the thread itself would release it at any later time.
    """

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._connect = connect
        self._lock = threading.RLock()
        self._readers: dict[threading.Thread, duckdb.DuckDBPyConnection] = {}
        self._ended: list[threading.Thread] = []
        """Threads that had a connection. The main thread doesn't let go of them: Python code would run then,
        and lose an interrupt that comes at that moment."""
        self._users = UserConnections()
        self._live = UserConnections()
        self._writer: duckdb.DuckDBPyConnection | None = None
        self._appender: duckdb.Appender | None = None
        self._is_ended = False

    @property
    def are_open(self) -> bool:
        """True if the database is open."""
        return self._writer is not None

    def writer(self) -> duckdb.DuckDBPyConnection:
        """Return the connection that writes.

        Raises
        ------
        duckdb.ConnectionException
            If it was closed for good.
        """
        with self._lock:
            if self._is_ended:
                raise duckdb.ConnectionException("It was closed.")
            if self._writer is None:
                self._writer = self._connect()
            self._forget_ended()
            return self._writer

    def _forget_ended(self) -> None:
        if self._ended and threading.current_thread() is not threading.main_thread():
            self._ended.clear()

    def appender(self) -> duckdb.Appender:
        """Return the appender of the journal."""
        with self._lock:
            if self._appender is None:
                self._appender = self.writer().appender("journal")
            return self._appender

    def drop_appender(self) -> None:
        """Discard the appender and its rows: after an error it would write them later."""
        with self._lock:
            if self._appender is not None:
                with contextlib.suppress(duckdb.Error):
                    self._appender.clear()
            self._appender = None

    def reader(self) -> duckdb.DuckDBPyConnection:
        """Return the calling thread's connection for reading."""
        thread = threading.current_thread()
        with self._lock:
            if thread not in self._readers:
                for ended in [reader for reader in self._readers if not reader.is_alive()]:
                    self._ended.append(ended)
                    self._readers.pop(ended).close()
                self._readers[thread] = self.writer().cursor()
            return self._readers[thread]

    def for_user(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for a user; it is closed with the others."""
        with self._lock:
            connection = self.writer().cursor()
            self._users.add(connection)
            return connection

    def live(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for a user who expects to see each commit at once."""
        with self._lock:
            connection = self.for_user()
            self._live.add(connection)
            return connection

    def has_live(self) -> bool:
        """Return True if a live connection is still referenced."""
        return bool(self._live.in_use())

    def close(self, writer: duckdb.DuckDBPyConnection | None = None) -> None:
        """Close all connections; do nothing if `writer` was closed already."""
        with self._lock:
            if self._writer is None or writer not in (None, self._writer):
                return
            self.drop_appender()
            close_connections((*self._users.in_use(), *self._readers.values(), self._writer))
            self._ended += self._readers
            self._readers.clear()
            self._forget_ended()
            self._writer = None

    def end(self) -> None:
        """Close all connections for good."""
        with self._lock:
            self._is_ended = True
            self.close()


def append_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Any]) -> None:
    """Append all of these rows to a table, or none."""
    appender = connection.appender(table)
    try:
        appender.append_rows(rows)
        appender.flush()
    except BaseException:
        appender.clear()  # otherwise it would write them later
        raise


def close_connections(connections: Iterable[duckdb.DuckDBPyConnection]) -> None:
    """Close these connections; queries of other threads are interrupted.

    Notes
    -----
    DuckDB refuses to close a connection while a query runs on it. But if the query only just begins, `close`
    waits for its end. So another thread interrupts the queries meanwhile.
    """
    those = list(connections)
    are_closed: SimpleQueue[None] = SimpleQueue()  # an interrupt can't leave its lock taken
    interrupter = threading.Thread(target=_interrupt, args=(those, are_closed), daemon=True)
    with contextlib.suppress(RuntimeError):  # the process ends, and can start no more threads
        interrupter.start()
    deadline = time.monotonic() + _PATIENCE
    try:
        for connection in those:
            _close(connection, deadline)
    finally:
        are_closed.put(None)
        if interrupter.ident is not None:
            interrupter.join()  # a process that ends while a thread is inside DuckDB is aborted


def _interrupt(connections: Iterable[duckdb.DuckDBPyConnection], are_closed: SimpleQueue[None]) -> None:
    while True:
        try:
            return are_closed.get(timeout=_PAUSE)
        except Empty:
            for connection in connections:
                with contextlib.suppress(duckdb.Error):
                    connection.interrupt()


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
            return  # closed in the meantime
        time.sleep(0.001)
