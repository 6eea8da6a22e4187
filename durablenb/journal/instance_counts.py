"""The number of a journal's instances by orchestrator and status, counted once and then kept up to date."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import duckdb

from durablenb.store.blobs import transaction

CHANGED_LIMIT = 10_000
"""The largest number of changed instances that are counted on their own; with more, all are counted again."""

_EXTENT = "select coalesce(max(seq), 0), count(*) from journal"
_SINCE = """
select (select count(*) from journal where seq > $last),
       (select list(instance_id) from (
           select distinct instance_id from journal where seq > $last limit $most))
"""
_COUNTS = "select name, status, count(*) from instance_states group by all"
_COUNTS_OF = """
select name, status, count(*) from states_until(?) where list_contains(?, instance_id) group by all
"""

Counts = dict[str, dict[str, int]]
"""The number of instances, by the orchestrator's name and then by status."""


class InstanceCounter:
    """Counts the instances of one journal.

    Parameters
    ----------
    removals
        Returns how often rows were removed from the journal. After a removal all instances are counted again.

    Notes
    -----
    For each instance with new events since the last call, its status at that time is subtracted, and its
    present status is added. Both come from the journal, so the sums equal those of a complete count.
    """

    def __init__(self, removals: Callable[[], int] = int) -> None:
        self._removals = removals
        self._lock = threading.Lock()
        self._last_state: tuple[int, int, int] | None = None
        self._counts: Counter[tuple[str, str]] = Counter()

    def counts(self, connection: duckdb.DuckDBPyConnection) -> Counts:
        """Return the number of instances by orchestrator and status, both in alphabetical order.

        Parameters
        ----------
        connection
            A connection that reads the journal, not in a transaction.
        """
        with self._lock:
            removals = self._removals()  # before the transaction: later removals aren't visible in it
            with transaction(connection):  # the engine writes meanwhile
                self._update(connection, removals)
            counts: Counts = {}
            for name, status in sorted(self._counts, key=_sort_key):
                counts.setdefault(name, {})[status] = self._counts[name, status]
            return counts

    def _update(self, connection: duckdb.DuckDBPyConnection, removals: int) -> None:
        last, row_count = connection.execute(_EXTENT).fetchall()[0]
        state, self._last_state = self._last_state, None  # None until everything is counted, if that fails
        if state is not None and state[0] == removals and last >= state[1]:
            parameters = {"last": state[1], "most": CHANGED_LIMIT + 1}
            [(new_rows, ids)] = connection.execute(_SINCE, parameters).fetchall()
            if row_count == state[2] + new_rows and len(ids or ()) <= CHANGED_LIMIT:
                if ids:
                    self._counts.subtract(_count(connection, _COUNTS_OF, [state[1], ids]))
                    self._counts.update(_count(connection, _COUNTS_OF, [last, ids]))
                    self._counts = +self._counts
                self._last_state = (removals, last, row_count)
                return
        self._counts = _count(connection, _COUNTS, [])
        self._last_state = (removals, last, row_count)


def _sort_key(key: tuple[str | None, str | None]) -> tuple[str, str]:
    """Return a key that can be sorted: in a damaged file, the start of an instance may be missing."""
    return key[0] or "", key[1] or ""


def _count(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object]
) -> Counter[tuple[str, str]]:
    return Counter(
        {(name, status): count for name, status, count in connection.execute(sql, parameters).fetchall()}
    )
