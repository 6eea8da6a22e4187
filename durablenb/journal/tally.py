"""The numbers of instances by orchestrator and status, counted once and then updated with the journal."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import duckdb

from durablenb.store.blobs import transaction

MANY = 10_000
"""Instances that have changed up to which only these are counted anew."""

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
"""How many instances there are, by the orchestrator's name and then by status."""


class Tally:
    """Counts the instances of one journal.

    Parameters
    ----------
    removals
        Returns how often something was removed from the journal. After a removal all is counted anew.

    Notes
    -----
    Of an instance that something was written about since the last look, what it was then is taken off, and
    what it is now is added. Both are told by the journal, so the sums are the same as if all were counted.
    """

    def __init__(self, removals: Callable[[], int] = int) -> None:
        self._removals = removals
        self._turn = threading.Lock()
        self._known: tuple[int, int, int] | None = None
        self._counts: Counter[tuple[str, str]] = Counter()

    def counts(self, connection: duckdb.DuckDBPyConnection) -> Counts:
        """Return how many instances there are, by orchestrator and status, both in alphabetical order.

        Parameters
        ----------
        connection
            A reader's of that journal, not in a transaction.
        """
        with self._turn:
            removals = self._removals()  # before the transaction begins: what is removed later isn't in it
            with transaction(connection):  # the engine writes meanwhile
                self._look(connection, removals)
            found: Counts = {}
            for name, status in sorted(self._counts, key=_without_none):
                found.setdefault(name, {})[status] = self._counts[name, status]
            return found

    def _look(self, connection: duckdb.DuckDBPyConnection, removals: int) -> None:
        last, held = extent_of(connection)
        known, self._known = self._known, None  # until all of it is counted
        if known is not None and known[0] == removals and last >= known[1]:
            [(more, ids)] = connection.execute(_SINCE, {"last": known[1], "most": MANY + 1}).fetchall()
            if held == known[2] + more and len(ids or ()) <= MANY:
                if ids:
                    self._counts.subtract(_counted(connection, _COUNTS_OF, [known[1], ids]))
                    self._counts.update(_counted(connection, _COUNTS_OF, [last, ids]))
                    self._counts = +self._counts
                self._known = (removals, last, held)
                return
        self._counts = _counted(connection, _COUNTS, [])
        self._known = (removals, last, held)


def extent_of(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Return the last place in a journal, and how many events it has: a purge changes that, too.

    Parameters
    ----------
    connection
        A reader's.
    """
    last, count = connection.execute(_EXTENT).fetchall()[0]
    return last, count


def _without_none(key: tuple[str | None, str | None]) -> tuple[str, str]:
    """Return a key that can be sorted: a damaged file may lack the start of an instance."""
    return key[0] or "", key[1] or ""


def _counted(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: list[object]
) -> Counter[tuple[str, str]]:
    return Counter(
        {(name, status): count for name, status, count in connection.execute(sql, parameters).fetchall()}
    )
