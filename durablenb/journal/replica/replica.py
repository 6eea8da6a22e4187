"""A copy of a journal, or of one history of it, in memory: what is read when the hub is elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import duckdb

from durablenb.core.fold import fold_history
from durablenb.core.ports.store import Record
from durablenb.journal.instance_counts import InstanceCounter
from durablenb.journal.replica.pages import PortableRow, journal_row
from durablenb.model.errors import DurableError
from durablenb.model.events import Event
from durablenb.model.status import InstanceState
from durablenb.store.reader import JournalReader, current_executions
from durablenb.store.row_codec import from_row
from durablenb.store.schema import in_memory
from durablenb.store.statements import LOAD_SINCE

ROWS = 1_000
"""The number of rows up to which a database is created for queries only: creating one takes 50 ms."""

_UNREADABLE = (TypeError, ValueError, LookupError, AttributeError)
"""The errors of a row that is no row of a journal, or that a newer durablenb has written."""


class JournalReplica(JournalReader):
    """An empty journal that is filled with pages of another one, and answers the same questions.

    Notes
    -----
    What comes over a network is treated as data only: the database is in memory, and can neither reach a file
    nor load anything. It is created when it is first needed. Waiting for a result needs none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._rows: list[tuple[Any, ...]] = []  # all that there are, while there is no database
        self._is_closed = False
        self.last_seq = 0
        """The position of its last row."""
        self.count = 0
        """The number of its rows."""
        self.instance_counter = InstanceCounter()
        """The counts of its instances; nothing is ever removed from it."""

    def add(self, rows: Iterable[PortableRow]) -> None:
        """Append rows, oldest first.

        Raises
        ------
        DurableError
            If they are no rows of a journal.
        """
        try:
            new = [journal_row(row) for row in rows]
            if not new:
                return
            if not all(isinstance(row[0], int) for row in new):
                raise TypeError("positions in it are no numbers")
            with self._lock:
                if self._database is None and self.count + len(new) <= ROWS:
                    self._rows += new
                else:
                    _append(self._opened(), new)
            self.last_seq, self.count = new[-1][0], self.count + len(new)
        except (*_UNREADABLE, OverflowError, duckdb.Error) as error:
            raise _no_journal(error) from None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection that reads it.

        Raises
        ------
        DurableError
            If the replica was closed, or filled with rows of no journal.
        """
        with self._lock:
            try:
                return self._opened().cursor()
            except (OverflowError, duckdb.Error) as error:
                raise _no_journal(error) from None

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self.cursor() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def state(self, instance_id: str) -> InstanceState | None:
        """Return the state of an instance; None if there is none."""
        if self._database is None:
            try:
                records = self._read(self._own(instance_id, 0))
                return fold_history(instance_id, [(record.execution_id, record.event) for record in records])
            except _UNREADABLE:
                pass  # the database's views can read events of newer versions, too
        return super().state(instance_id)

    def load(self, instance_ids: Sequence[str]) -> dict[str, list[Event]]:
        """Return the history of each instance's current execution, since its last rewind."""
        histories: dict[str, list[Event]] = {}
        for instance_id in instance_ids:
            histories |= current_executions(self.records(instance_id))
        return histories

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return the events of an instance after a position in the journal, oldest first.

        Raises
        ------
        DurableError
            If one of them can't be read.
        """
        try:
            return self._read(self._own(instance_id, after))
        except _UNREADABLE as error:
            raise DurableError(
                f"The history of {instance_id!r} can't be read here: {error}. A newer durablenb may have "
                "written it."
            ) from None

    def close(self) -> None:
        """Release the memory as soon as all connections to it are closed."""
        with self._lock:
            self._is_closed = True
            # DuckDB's own `close` would wait for a query that another thread begins.
            self._database, self._rows = None, []

    # -- inside ----------------------------------------------------------------------------------

    def _own(self, instance_id: str, after: int) -> list[tuple[Any, ...]]:
        with self._lock:
            self._check()
            if self._database is None:
                return [row for row in self._rows if row[1] == instance_id and row[0] > after]
        return self._ask(LOAD_SINCE, [instance_id, after])

    def _read(self, rows: Iterable[tuple[Any, ...]]) -> list[Record]:
        return [from_row(row) for row in sorted(rows, key=itemgetter(0))]

    def _opened(self) -> duckdb.DuckDBPyConnection:
        """Return the database, which has all rows."""
        self._check()
        if self._database is None:
            database = in_memory({"enable_external_access": False, "threads": 1, "memory_limit": "1GB"})
            _append(database, self._rows)
            self._database, self._rows = database, []
        return self._database

    def _check(self) -> None:
        if self._is_closed:
            raise DurableError("The connection to the hub was closed. Connect again.")


def _append(database: duckdb.DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        appender = database.appender("journal")
        appender.append_rows(rows)
        appender.flush()


def _no_journal(error: Exception) -> DurableError:
    return DurableError(f"The server's answer is no journal: {error}.")
