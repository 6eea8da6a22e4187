"""What a hub tells those who look at it from elsewhere: its journal, and what the journal doesn't have."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from durablenb.analysis.entities import read_queues
from durablenb.analysis.instances import read_forks
from durablenb.analysis.sandbox.queries import Queries
from durablenb.analysis.waits import Obstacle
from durablenb.journal.replica.passages import Passage, passage_of
from durablenb.model.logs import LogLine
from durablenb.store.blobs import fetch, transaction
from durablenb.store.portable import line_row_of
from durablenb.store.statements import SOURCE

MARK_SECONDS = 0.05
"""For which a mark is taken for the last one."""

IDS = 10_000
"""Instances of which it is remembered when they were last written about, for those who wait for news."""

Mark = tuple[int, int]
"""The last place at which something was written, and how often more than that has changed."""

_MARK = "select coalesce(max(seq), 0), count(*) from journal"
_SINCE = "select count(*), list(distinct instance_id) from journal where seq > ? and seq <= ?"


@dataclass(frozen=True)
class Standing:
    """What an engine knows of an instance or an entity, and the journal doesn't.

    Parameters
    ----------
    obstacle
        What stands in its way, for a picture.
    reason
        The same as an error: its type's name, and its text. None if nothing does.
    is_missing
        Of an entity, whether its function isn't registered.
    imported_from
        Where it came from, if it was imported.
    """

    obstacle: Obstacle = field(default_factory=Obstacle)
    reason: tuple[str, str] | None = None
    is_missing: bool = False
    imported_from: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @staticmethod
    def from_json(fields: dict[str, Any]) -> Standing:
        """Return what `as_json` wrote."""
        found, reason = fields["obstacle"], fields["reason"]
        lacking = tuple((name, why) for name, why in found.get("without_executor", ()))
        obstacle = Obstacle(tuple(found["missing"]), found["held"], found["below"], lacking)
        told = reason and (reason[0], reason[1])
        return Standing(obstacle, told, bool(fields["is_missing"]), fields.get("imported_from"))


@dataclass(frozen=True)
class JournalSource:
    """A hub's journal, as a server asks for it; from any thread.

    Parameters
    ----------
    reader
        Gives the calling thread's connection, for reading.
    standing
        Tells what an engine knows of an instance.
    lines
        Gives the lines of an instance's log.
    now
        The hub's time.
    ticks
        Whether that goes on by itself.
    queries
        Answers queries; None if none are answered.
    """

    reader: Callable[[], duckdb.DuckDBPyConnection]
    standing: Callable[[str], Standing]
    lines: Callable[[str], Sequence[LogLine]]
    now: Callable[[], datetime]
    ticks: bool = True
    queries: Queries | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Another one for each time that a hub is served: places in the journal are given anew after that."""
    _marks: _Marks = field(default_factory=lambda: _Marks())

    def mark(self, instance_id: str | None) -> Mark:
        """Return what is another one soon after something was written about an instance, or purged.

        Of all instances if it is None. For an instance it may be another one without news, but rarely.
        """
        return self._marks.last(self.reader, instance_id)

    def passage(self, instance_id: str | None, after: int) -> Passage:
        """Return what comes after a place in the journal; see `passage_of`."""
        return passage_of(self.reader(), instance_id, after)

    def beside(self, instance_id: str, entity_ids: Sequence[str]) -> dict[str, Any]:
        """Return what an instance's picture needs of other histories: its forks, the queues of entities."""
        connection = self.reader()
        queues = read_queues(connection, entity_ids)
        return {
            "forks": list(read_forks(connection, instance_id)),
            "queues": {entity_id: [one.length, one.locked_by] for entity_id, one in queues.items()},
        }

    def log(self, instance_id: str) -> list[dict[str, Any]]:
        """Return what an instance and its sub-orchestrations printed, as JSON values."""
        return [line_row_of(line) for line in self.lines(instance_id)]

    def blob(self, blob_hash: str) -> bytes | None:
        """Return a large part of a value; None if there is none of that hash."""
        reader = self.reader()
        return fetch(lambda sql, parameters: reader.execute(sql, parameters).fetchall(), blob_hash)

    def source(self, source_hash: str) -> str | None:
        """Return the source text with this hash; None if there is none."""
        found = self.reader().execute(SOURCE, [source_hash]).fetchall()
        return str(found[0][0]) if found else None


class _Marks:
    """The last marks: the journal is looked at so often and no more, however many wait for news of it."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._read_at = 0.0
        self._last = self._count = 0
        self._changes = 0
        self._written: dict[str, int] = {}

    def last(self, reader: Callable[[], duckdb.DuckDBPyConnection], instance_id: str | None) -> Mark:
        with self._turn:
            if time.monotonic() - self._read_at > MARK_SECONDS:
                self._read(reader())
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
            self._changes += 1  # some were purged, or there are too many to tell apart: all look again
            self._written.clear()
        else:
            self._written.update(dict.fromkeys(ids or (), last))
        self._last, self._count = last, count
