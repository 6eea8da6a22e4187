"""A copy of a part of a journal, in memory: what is looked at when the hub is elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any

import duckdb

from durablenb.model.errors import DurableError
from durablenb.model.status import InstanceState
from durablenb.ports.store import InstanceQuery, Record
from durablenb.queries.mirror.passages import Portable, row_of
from durablenb.store.duck import in_memory
from durablenb.store.statements import LOAD_SINCE
from durablenb.store.states import states_of
from durablenb.store.wire import from_row


class Mirror:
    """An empty journal that is filled with passages of another one, and asked the same questions.

    Notes
    -----
    What comes over a network is data here and nothing else: the database is in memory, and can neither reach
    a file nor load anything.
    """

    def __init__(self) -> None:
        self._database = in_memory({"enable_external_access": False, "threads": 2, "memory_limit": "1GB"})
        self._turn = threading.Lock()
        self.last_seq = 0
        """The last place that it has."""
        self.count = 0
        """How many rows it has."""

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
            with self._turn:
                appender = self._database.appender("journal")
                appender.append_rows(made)
                appender.flush()
        except (TypeError, ValueError, LookupError, OverflowError, duckdb.Error) as error:
            raise DurableError(f"What the server tells is no journal: {error}.") from None
        self.last_seq, self.count = made[-1][0], self.count + len(made)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection of its own, to read with.

        Raises
        ------
        DurableError
            If the mirror was closed.
        """
        with self._turn:
            try:
                return self._database.cursor()
            except duckdb.ConnectionException:
                raise DurableError("The connection to the hub was closed. Connect again.") from None

    def ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of an answer."""
        with self.cursor() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def state(self, instance_id: str) -> InstanceState | None:
        """Return where an instance stands; None if there is none."""
        found = states_of(self.ask, InstanceQuery(instance_ids=(instance_id,)))
        return found[0] if found else None

    def records(self, instance_id: str, after: int = 0) -> list[Record]:
        """Return the events of an instance after a place in the journal, oldest first.

        Raises
        ------
        DurableError
            If one of them can't be read.
        """
        rows = self.ask(LOAD_SINCE, [instance_id, after])
        try:
            return [from_row(row) for row in sorted(rows, key=itemgetter(0))]
        except (TypeError, ValueError, LookupError) as error:
            raise DurableError(
                f"The history of {instance_id!r} can't be read here: {error}. A newer durablenb may have "
                "written it."
            ) from None

    def close(self) -> None:
        """Let go of the memory."""
        with self._turn:
            self._database.close()
