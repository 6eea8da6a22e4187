"""The journal of a hub, as a server sends it to other processes."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import duckdb

from durablenb.analysis.sandbox.queries import Queries
from durablenb.journal.port import Journal
from durablenb.journal.replica.pages import JournalPage, read_page
from durablenb.store.blobs import fetch, transaction
from durablenb.store.json_rows import log_line_to_json, output_to_json

MARK_SECONDS = 0.05
"""Seconds for which a mark isn't read again."""

IDS = 10_000
"""The number of instances whose last positions are remembered, for requests that wait for news."""

Mark = tuple[int, int]
"""The position of the last row, and the number of changes other than new rows."""

Connect = Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]
"""Gives a connection for a moment."""

_MARK = "select coalesce(max(seq), 0), count(*) from journal"
_SINCE = "select count(*), list(distinct instance_id) from journal where seq > ? and seq <= ?"


@dataclass(frozen=True)
class JournalFeed:
    """The pages of a hub's journal that a server sends to copies of it; from any thread.

    Parameters
    ----------
    journal
        The journal.
    queries
        Answers queries in SQL; None if none are answered.
    ticks
        Whether the hub's time passes by itself.
    """

    journal: Journal
    queries: Queries | None
    ticks: bool
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """A new token each time a hub is served, since positions in the journal may be given again after that."""
    _marks: _Marks = field(default_factory=lambda: _Marks())

    def mark(self, instance_id: str | None) -> Mark:
        """Return a token that changes soon after something was written about an instance, or purged.

        None stands for all instances. The token of an instance may change without news, but rarely.
        """
        return self._marks.last(self.journal.connection, instance_id)

    def page(self, instance_id: str | None, after: int) -> JournalPage:
        """Return the rows after a position in the journal; see `read_page`."""
        with self.journal.connection() as connection:
            return read_page(connection, instance_id, after)

    def related(self, instance_id: str, entity_ids: Sequence[str]) -> dict[str, Any]:
        """Return what other histories say of an instance, as JSON values."""
        related = self.journal.related(instance_id, entity_ids)
        return {
            "forks": list(related.forks),
            "queues": {
                entity_id: [queue.length, queue.locked_by] for entity_id, queue in related.queues.items()
            },
        }

    def log(self, instance_id: str) -> list[dict[str, Any]]:
        """Return the log of an instance and its sub-orchestrations, as JSON values."""
        return [log_line_to_json(line) for line in self.journal.lines(instance_id)]

    def outputs(self, instance_id: str) -> list[dict[str, Any]]:
        """Return the rich outputs of an instance and its sub-orchestrations, as JSON values."""
        return [output_to_json(state) for state in self.journal.outputs(instance_id)]

    def blob(self, blob_hash: str) -> bytes | None:
        """Return a large part of a value; None if there is none of that hash."""
        return fetch(self.journal.of().query, blob_hash)


class _Marks:
    """The last marks. The journal is read at a fixed rate, however many requests wait for news."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._last = self._count = 0
        self._changes = 0
        self._written: dict[str, int] = {}

    def last(self, connect: Connect, instance_id: str | None) -> Mark:
        with self._lock:
            if time.monotonic() - self._read_at > MARK_SECONDS:
                with connect() as connection:
                    self._read(connection)
                self._read_at = time.monotonic()
            if instance_id is None:
                return self._last, self._changes
            return self._written.get(instance_id, 0), self._changes

    def _read(self, connection: duckdb.DuckDBPyConnection) -> None:
        with transaction(connection):
            [(last, count)] = connection.execute(_MARK).fetchall()
            if (last, count) == (self._last, self._count):
                return
            [(more, ids)] = connection.execute(_SINCE, [self._last, last]).fetchall()
        if count != self._count + more or len(self._written) + len(ids or ()) > IDS:
            self._changes += 1  # rows were purged, or there are too many instances: every request reads again
            self._written.clear()
        else:
            self._written.update(dict.fromkeys(ids or (), last))
        self._last, self._count = last, count
