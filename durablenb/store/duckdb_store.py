"""The journal in DuckDB: one writer with one appender, and a connection for each reading thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from durablenb.core.ports.store import (
    HistoryBundle,
    OpenEntity,
    OpenInstance,
    Record,
)
from durablenb.model.errors import StoreError
from durablenb.model.events import ExecutionStarted, LockEnqueued, OperationEnqueued, PendingRequest
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.source import Source
from durablenb.store import blobs, bundles, log_lines, schema, statements
from durablenb.store.connections import Connections, parsed
from durablenb.store.crash_marker import CrashMarker
from durablenb.store.file_guard import FileGuard
from durablenb.store.lockfile import HubLock
from durablenb.store.opening import open_database
from durablenb.store.reader import JournalReader
from durablenb.store.row_codec import Row, from_row, to_row

_LOG_SIZE = "select wal_size from pragma_database_size()"


class DuckStore(JournalReader):
    """The journal of a hub in one DuckDB file, or in memory.

    Parameters
    ----------
    path
        The file, created if it doesn't exist; None for a journal in memory.

    Raises
    ------
    HubLockedError
        If another process, or another hub of this one, holds the file.
    StoreError
        If the file can't be opened; the message says what to do.

    Notes
    -----
    After a fatal error (a disk that is full in the middle of a checkpoint) DuckDB refuses all statements
    until the file is opened again. The next call does that.
    """

    def __init__(self, path: Path | None) -> None:
        self._is_closed = False
        self._may_be_written = False
        self._last_line: int | None = None
        self.removals = 0
        """Counts purges and reopenings: while it is the same, the journal was only appended to."""
        self._pid = os.getpid()
        self._lock = HubLock(path) if path is not None else None
        self.path = None if self._lock is None else self._lock.path
        self._crash_marker = CrashMarker(self.path)
        self._guard: FileGuard | None = None
        self._lacks_views = path is None
        self._making_views = threading.Lock()
        self._connections = Connections(self._connect)
        try:
            self._connections.writer()
        except BaseException:
            self.close()
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Write all of these records or none; they are on disk when this returns.

        Notes
        -----
        After an error or an interrupt they may be on disk or not. Append them again: those that are in the
        journal are left out then.
        """
        with self._guarded():
            if self._may_be_written:
                last = self.last_seq()
                records = [record for record in records if record.seq > last]
            if records:
                self._may_be_written = True
                self._insert(records)
        self._may_be_written = False

    def _insert(self, records: Sequence[Record]) -> None:
        try:
            with self._translated("write to"):
                rows = [to_row(record) for record in records]
                uses = blobs.uses_in(rows)
                if uses:
                    with blobs.transaction(self._connections.writer()):
                        blobs.write(self._connections.writer(), rows, uses)
                        self._append_rows(rows)
                    blobs.release(rows)
                else:
                    self._append_rows(rows)
        except BaseException as error:
            self._connections.drop_appender()
            if not (isinstance(error, StoreError) and self._has(records[-1])):
                raise

    def _append_rows(self, rows: Sequence[Row]) -> None:
        appender = self._connections.appender()
        appender.append_rows(rows)
        appender.flush()

    def _has(self, record: Record) -> bool:
        try:
            return self.last_seq() >= record.seq
        except StoreError:
            return False

    def keep(self, sources: Sequence[Source]) -> None:
        """Write the source texts that aren't there yet."""
        with self._guarded(), self._translated("write to"):
            for source in sources:
                self._connections.writer().execute(statements.KEEP, [source.hash, source.text])

    def append_lines(self, said: Sequence[LogLine]) -> None:
        """Write all of these log lines, or none."""
        last, self._last_line = self._last_line, None  # unknown until these are on disk
        with self._guarded(), self._translated("write to"):
            writer = self._connections.writer()
            last = writer.execute(log_lines.LAST).fetchall()[0][0] if last is None else last
            log_lines.append(writer, said, last)
        self._last_line = last + len(said)

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        """Write a whole bundle or nothing, its events after a position of the journal; idempotent."""
        last_line, self._last_line = self._last_line, None
        with self._guarded(), self._translated("write to"):
            writer = self._connections.writer()
            try:
                with blobs.transaction(writer):
                    added = bundles.write(writer, bundle, imports, after, last_line)
            except BaseException:
                self._connections.drop_appender()
                raise
        self._last_line = added

    def existing_ids(
        self, instance_ids: Iterable[str], execution_ids: Iterable[str]
    ) -> tuple[set[str], set[str]]:
        """Return those of these ids that instances or entities have, and those that executions have."""
        instances = self._ask(statements.TAKEN_IDS, [list(instance_ids)])
        executions = self._ask(statements.TAKEN_EXECUTIONS, [list(execution_ids)])
        return {found for (found,) in instances}, {found for (found,) in executions}

    def purge(self, instance_ids: Sequence[str]) -> None:
        """Delete all events and lines of these instances, and the blobs that no others refer to."""
        ids = list(instance_ids)
        with self._guarded(), self._translated("purge"):
            writer = self._connections.writer()
            try:
                with blobs.transaction(writer):
                    if blobs.has_uses(writer, ids):
                        blobs.free(writer, ids)
                    writer.execute(statements.PURGE, [ids])
                    writer.execute(log_lines.PURGE, [ids])
                    writer.execute(statements.FORGET_IMPORTS, [ids])
            finally:
                self.removals += 1  # also after an error: it may have been done
        self._crash_marker.forget(instance_ids)

    def last_seq(self) -> int:
        """Return the last place taken in the journal, 0 if it is empty."""
        return int(self._ask("select coalesce(max(seq), 0) from journal")[0][0])

    def open_instances(self) -> list[OpenInstance]:
        """Return the open instances, oldest first, without imported ones."""
        pending: dict[str, list[PendingRequest]] = {}
        started: dict[str, Record] = {}
        for row in self._in_order(statements.OPEN_EVENTS):
            record = from_row(row)
            event = record.event
            if isinstance(event, ExecutionStarted):
                started[record.instance_id] = record
            elif isinstance(event, PendingRequest):
                pending.setdefault(record.instance_id, []).append(event)
        found = []
        for instance_id, last_id, has_begun, is_suspended, arrivals in self._ask(statements.OPEN):
            record = started[instance_id]
            assert isinstance(record.event, ExecutionStarted)
            found.append(
                OpenInstance(
                    instance_id,
                    record.execution_id,
                    record.event,
                    last_id + 1,
                    bool(has_begun),
                    bool(is_suspended),
                    bool(arrivals),
                    pending.get(instance_id, []),
                )
            )
        return found

    def open_entities(self) -> list[OpenEntity]:
        """Return the entities with requests left, by id, without imported ones."""
        found: dict[str, OpenEntity] = {}
        for *row, last_id, is_taken in self._in_order(statements.OPEN_ENTITIES):
            record = from_row(tuple(row))
            event = record.event
            assert isinstance(event, (OperationEnqueued, LockEnqueued))
            entity = found.get(record.execution_id)
            if entity is None:
                entity = OpenEntity(record.instance_id, record.execution_id, last_id + 1)
                found[record.execution_id] = entity
            entity.pending.append(event)
            if is_taken:
                entity.granted.add(event.event_id)
        return sorted(found.values(), key=lambda entity: entity.instance_id)

    def mark_replay(self, instance_id: str | None) -> None:
        """Record the instance that is about to be replayed; None after its replay."""
        self._crash_marker.mark(instance_id)

    def crashes(self) -> dict[str, int]:
        """Return how many times in a row the process died while it replayed each instance."""
        return dict(self._crash_marker.crashes)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query over what is on disk; from any thread."""
        self._make_views()
        return self._ask(sql, parameters)

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that needs none of the views."""
        with self._translated("read"):
            reader = self._connections.reader()
            (statement,) = parsed(reader, sql)
            return reader.execute(statement, list(parameters)).fetchall()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return the calling thread's connection for reading; call this before each use."""
        self._check_use()
        self._make_views()
        with self.unless_closed():
            return self._connections.reader()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for reading, for a user; it is closed with the store."""
        self._check_use()
        self._make_views()
        with self.unless_closed():
            return self._connections.for_user()

    def close(self) -> None:
        """Close the file, and release its lock; a second call does nothing.

        Raises
        ------
        StoreError
            If the file was taken away: what was written to it is lost.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._lock is not None and self._lock.is_foreign:
            return
        lost = None
        try:
            if self._guard is not None and self._connections.are_open:
                lost = self._prepare_to_close(self._guard)
            self._connections.end()
            if self._guard is not None:
                self._guard.remove_empty_log()
            self._crash_marker.close()
        finally:
            if self._lock is not None:
                self._lock.release()
        if lost is not None:
            raise lost

    def _prepare_to_close(self, guard: FileGuard) -> StoreError | None:
        """Keep DuckDB from deleting a log that isn't its own when it closes the file."""
        problem = guard.problem()
        writer = self._connections.writer()
        if guard.database_loss() is not None:
            writer.execute("pragma disable_checkpoint_on_shutdown")
            return problem
        guard.keep_foreign_log()
        return None

    def file_problem(self) -> StoreError | None:
        """Return the error if the hub's files were removed, renamed or replaced; else None."""
        return None if self._guard is None or self._is_closed else self._guard.problem()

    def announce(self, url: str | None) -> None:
        """Record where the hub is served, for processes that are refused the file; None removes that."""
        if self._lock is not None:
            self._lock.announce(url)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        is_new = self.path is None or not self.path.exists()
        if self.path is None or self._lock is None:
            connection = duckdb.connect(":memory:")
        else:
            if self._guard is not None and self._guard.database_loss() is not None:
                self._guard.problem()
                self._guard.check_known()  # refuse another file in its place
            connection = open_database(self.path)
        self.removals += 1  # if it was open before, what was on disk is uncertain
        try:
            if self.path is not None and self._lock is not None:
                self._guard = FileGuard(self.path, self._lock, self._log_size)
                self._guard.close_to_others()
            schema.prepare(connection, self.path, is_new=is_new, has_views=not self._lacks_views)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_views(self) -> None:
        """Create the views of a hub in memory when first needed: many hubs never need them."""
        if not self._lacks_views:
            return
        with self._making_views, self._translated("read"):
            if self._lacks_views:
                with self._connections.for_user() as connection, blobs.transaction(connection):
                    schema.make_views(connection)
                self._lacks_views = False

    def _log_size(self) -> str:
        try:
            with self._connections.for_user() as connection:
                return str(connection.execute(_LOG_SIZE).fetchall()[0][0])
        except duckdb.Error:
            return ""  # unknown, after a fatal error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Close the files to others before a write, and check afterwards that they are in their place."""
        self._check_use()
        if self._guard is None:
            yield
            return
        self._guard.check_known()
        self._guard.close_to_others()
        yield
        self._guard.check()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turn DuckDB's errors into `StoreError`; after a fatal one, the next call opens the file again."""
        self._check_use()
        writer = None
        try:
            writer = self._connections.writer()
            yield
        except (duckdb.Error, RuntimeError) as error:
            if self._is_closed:  # by another thread, in the meantime
                raise _closed() from error
            if isinstance(error, duckdb.Error):
                if self.path is not None and writer is not None and _is_fatal(error):
                    self._connections.close(writer)
                raise _store_error(doing, self.path, error) from error
            if "Query interrupted" in str(error):  # DuckDB's error for an interrupt
                raise KeyboardInterrupt from error
            raise

    @contextmanager
    def unless_closed(self) -> Iterator[None]:
        """Turn the error of a query into that of a closed hub if another thread closed it in the meantime."""
        try:
            yield
        except (duckdb.Error, RuntimeError) as error:
            if self._is_closed and not isinstance(error, StoreError):
                raise _closed() from error
            raise

    def _check_use(self) -> None:
        if self._is_closed:
            raise _closed()
        if self._lock is not None:
            self._lock.check_owner()
        elif os.getpid() != self._pid:
            raise StoreError(
                "This hub in memory belongs to the process from which this one was forked, and DuckDB "
                "doesn't work in a fork. Open a hub in the child instead."
            )


def _closed() -> StoreError:
    return StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")


def _is_fatal(error: duckdb.Error) -> bool:
    is_fatal_type = isinstance(error, (duckdb.FatalException, duckdb.InternalException))
    return is_fatal_type or "has been invalidated" in str(error)


def _store_error(doing: str, path: Path | None, error: Exception) -> StoreError:
    if path is None:
        return StoreError(f"Could not {doing} the journal in memory: {error}.")
    return StoreError(
        f"Could not {doing} {path}: {error}. Nothing that a call had returned before is lost. "
        "Make room if the disk is full; the hub goes on by itself then."
    )
