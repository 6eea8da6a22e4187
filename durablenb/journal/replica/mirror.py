"""A copy of a part of a journal, in memory: what is looked at when the hub is elsewhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import duckdb

from durablenb.core.fold import state_of
from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.journal.replica.passages import Portable, row_of
from durablenb.journal.tally import Tally
from durablenb.model.errors import DurableError
from durablenb.model.status import InstanceState
from durablenb.store.duck import in_memory
from durablenb.store.statements import LOAD_SINCE
from durablenb.store.states import states_of
from durablenb.store.wire import from_row

ROWS = 1_000
"""Rows up to which there is no database as long as nobody queries it: to make one takes 50 ms."""

_UNREADABLE = (TypeError, ValueError, LookupError, AttributeError)
"""What is raised of a row that is none, or that a newer durablenb has written."""


class Mirror:
    """An empty journal that is filled with passages of another one, and asked the same questions.

    Notes
    -----
    What comes over a network is data here and nothing else: the database is in memory, and can neither reach
    a file nor load anything. It is made when it is first needed. Who waits for a result needs none.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._rows: list[tuple[Any, ...]] = []  # all that there are, while there is no database
        self._is_closed = False
        self.last_seq = 0
        """The last place that it has."""
        self.count = 0
        """How many rows it has."""
        self.tally = Tally()
        """Counts its instances; nothing is ever taken away from it."""

    def add(self, rows: Iterable[Portable]) -> None:
        """Append rows, oldest first.

        Raises
        ------
        DurableError
            If they are none.
        """
        try:
            made = [row_of(row) for row in rows]
            if not made:
                return
            if not all(isinstance(row[0], int) for row in made):
                raise TypeError("places in it are no numbers")
            with self._turn:
                if self._database is None and self.count + len(made) <= ROWS:
                    self._rows += made
                else:
                    _append(self._made(), made)
            self.last_seq, self.count = made[-1][0], self.count + len(made)
        except (*_UNREADABLE, OverflowError, duckdb.Error) as error:
            raise _no_journal(error) from None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, to read with.

        Raises
        ------
        DurableError
            If the mirror was closed, or filled with what is no journal.
        """
        with self._turn:
            try:
                return self._made().cursor()
            except (OverflowError, duckdb.Error) as error:
                raise _no_journal(error) from None

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""
        with self.cursor() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def state(self, instance_id: str) -> InstanceState | None:
        """Return where an instance stands; None if there is none."""
        if self._database is None:
            try:
                history = [(one.execution_id, one.event) for one in self._read(self._own(instance_id, 0))]
                return state_of(instance_id, history)
            except _UNREADABLE:
                pass  # what stands there for all that newer versions write is told by the database's views
        found = states_of(self.ask, InstanceQuery(instance_ids=(instance_id,)))
        return found[0] if found else None

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return the events of an instance after a place in the journal, oldest first.

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
        """Let go of the memory, once no query runs any more."""
        with self._turn:
            self._is_closed = True
            database, self._database, self._rows = self._database, None, []
        if database is not None:
            with contextlib.suppress(duckdb.Error):  # a query runs; what it holds goes with it
                database.close()

    # -- inside ----------------------------------------------------------------------------------

    def _own(self, instance_id: str, after: int) -> list[tuple[Any, ...]]:
        with self._turn:
            self._check()
            if self._database is None:
                return [row for row in self._rows if row[1] == instance_id and row[0] > after]
        return self.ask(LOAD_SINCE, [instance_id, after])

    def _read(self, rows: Iterable[tuple[Any, ...]]) -> list[Record]:
        return [from_row(row) for row in sorted(rows, key=itemgetter(0))]

    def _made(self) -> duckdb.DuckDBPyConnection:
        """The database, with all that has come."""
        self._check()
        if self._database is None:
            made = in_memory({"enable_external_access": False, "threads": 2, "memory_limit": "1GB"})
            _append(made, self._rows)
            self._database, self._rows = made, []
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
    return DurableError(f"What the server tells is no journal: {error}.")
