"""The journal in DuckDB: one writer with one appender, and a connection for each reading thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb

from durablenb.core.ports.store import (
    HistoryBundle,
    OpenEntity,
    OpenInstance,
    Record,
)
from durablenb.model.activities import ActivityAttempt
from durablenb.model.caching import CachedCall, CachedResult, CodePart
from durablenb.model.errors import StoreError
from durablenb.model.events import ExecutionStarted, LockEnqueued, OperationEnqueued, PendingRequest
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.payloads import Blob
from durablenb.model.queues import QueueMembers, QueueStart
from durablenb.model.source import Source
from durablenb.store import blobs, cached_calls, entries, queue_rows, schema, statements
from durablenb.store.connections import Connections, parsed
from durablenb.store.crash_marker import CrashMarker
from durablenb.store.durable_log import DurableLog
from durablenb.store.entries import (
    Attempts,
    Bundle,
    Entry,
    Events,
    Forget,
    Lines,
    Outputs,
    Purge,
    Queues,
    Sources,
)
from durablenb.store.file_guard import FileGuard
from durablenb.store.lockfile import HubLock
from durablenb.store.log_recovery import check_log, recover
from durablenb.store.opening import open_database
from durablenb.store.reader import JournalReader
from durablenb.store.row_codec import from_row, to_row
from durablenb.store.tables import JournalTables, LogState, log_state


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
        self._kept: set[str] = set()  # hashes of sources that are there
        self.removals = 0
        """Counts purges and reopenings: while it is the same, the journal was only appended to."""
        self._pid = os.getpid()
        self._lock = HubLock(path) if path is not None else None
        self.path = None if self._lock is None else self._lock.path
        self._crash_marker = CrashMarker(self.path)
        self._guard: FileGuard | None = None
        self._unmade: list[Callable[[duckdb.DuckDBPyConnection], None]] = []
        """The functions that have yet to make the views and macros of a hub in memory, in this order."""
        self._making = threading.Lock()
        self._connections = Connections(self._connect)
        hub = uuid4()
        self._tables = JournalTables(self._connections, self._changing, hub)
        self._log: DurableLog | None = None
        try:
            self._connections.writer()
            if self.path is not None:
                recover(self.path, self._tables)
                self._log = DurableLog(self.path, self._tables, self._connections.has_live)
                hub = self._log.hub
        except BaseException:
            self.close()
            raise
        self._hub_id = hub.hex

    @property
    def hub_id(self) -> str:
        """The id of the hub: the same whenever the file is opened; of one in memory, a new one."""
        return self._hub_id

    def append(
        self, records: Sequence[Record], calls: Sequence[CachedCall] = (), code_parts: Sequence[CodePart] = ()
    ) -> None:
        """Write all of these records or none, with what is remembered of them; on disk when this returns.

        Notes
        -----
        After an error or an interrupt they may be there or not. Append them again: those that are there are
        left out then.
        """
        if self._may_be_written:
            last = self.last_seq()
            records = [record for record in records if record.seq > last]
            calls = [call for call in calls if call.seq > last]
        self._may_be_written = bool(records)
        self._write(Events([to_row(record) for record in records], calls, code_parts))
        self._may_be_written = False

    def _write(self, entry: Entry) -> None:
        """Write an entry to the log, or to the tables of a journal in memory."""
        self._check_use()
        if self._guard is not None:
            self._guard.check_known()
        if not entries.size(entry):
            return
        if self._log is None:
            self._tables.apply([entry])
        else:
            self._log.write(entry)
        if self._guard is not None:
            self._guard.check()

    def cached_results(self, longest: int) -> list[CachedResult]:
        """Return the remembered results, oldest first; without texts of more than `longest` characters."""
        return cached_calls.load(self._ask, longest)

    def cached_text(self, key: str) -> str | None:
        """Return the last remembered result of a key, or None."""
        return cached_calls.text(self._ask, key)

    def forget_calls(self, name: str | None) -> None:
        """Forget the cached calls of an activity (in lower case), or all, with the blobs of them alone."""
        self._write(Forget(name))

    def keep(self, sources: Sequence[Source]) -> None:
        """Write the source texts that aren't there yet."""
        new = [source for source in sources if source.hash not in self._kept]
        self._write(Sources(new))
        self._kept.update(source.hash for source in new)

    def append_lines(self, lines: Sequence[LogLine]) -> None:
        """Write all of these log lines, or none."""
        self._write(Lines(lines))

    def put_attempts(self, attempts: Sequence[ActivityAttempt]) -> None:
        """Write all of these tries of activities, or none, in place of what is there of the same tries."""
        self._write(Attempts(attempts))

    def append_outputs(self, states: Sequence[OutputState], carried: Sequence[Blob]) -> None:
        """Set all of these states of outputs, or none; with the blobs that the journal may not have yet."""
        self._write(Outputs(states, carried))

    def write_queues(self, queues: Sequence[QueueMembers], starts: Sequence[QueueStart]) -> None:
        """Write these queues, in place of those of the same names, and these starts, or nothing."""
        self._write(Queues(queues, starts))

    def queue_starts(self, queue: str) -> list[QueueStart]:
        """Return the starts of a queue, by its folded name, each once."""
        return queue_rows.read_starts(self._ask, queue)

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        """Write a whole bundle or nothing, its events after a position of the journal; idempotent."""
        self._write(Bundle(bundle, imports, after))

    def existing_ids(
        self, instance_ids: Iterable[str], execution_ids: Iterable[str]
    ) -> tuple[set[str], set[str]]:
        """Return those of these ids that instances or entities have, and those that executions have."""
        instances = self._ask(statements.TAKEN_IDS, [list(instance_ids)])
        executions = self._ask(statements.TAKEN_EXECUTIONS, [list(execution_ids)])
        return {found for (found,) in instances}, {found for (found,) in executions}

    def purge(
        self, instance_ids: Sequence[str], execution_ids: Sequence[str] = (), needed: Sequence[int] = ()
    ) -> None:
        """Delete all of these instances but their blobs to which others refer.

        Of the executions, keep only the events at the places `needed`.
        """
        try:
            self._write(Purge(list(instance_ids), list(execution_ids), list(needed)))
        finally:
            self.removals += 1  # also after an error: it may have been done
        self._crash_marker.forget(instance_ids)

    def last_seq(self) -> int:
        """Return the last used place in the journal, 0 if it is empty."""
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
        self._make(schema.make_views)
        return self._ask(sql, parameters)

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query that needs none of the views."""
        self._catch_up()
        with self._translated("read"):
            reader = self._connections.reader()
            (statement,) = parsed(reader, sql)
            return reader.execute(statement, list(parameters)).fetchall()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return the calling thread's connection for reading; call this before each use."""
        self._prepare_reading()
        with self.unless_closed():
            return self._connections.reader()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for reading, for a user; it is closed with the store.

        It sees all that was acknowledged by now, and what follows after 0.1 s at the latest.
        """
        self._prepare_reading()
        with self.unless_closed():
            return self._connections.for_user()

    def live_connection(self) -> duckdb.DuckDBPyConnection:
        """Return a new connection for a user, which always sees all that was acknowledged.

        While one is referenced, each commit also waits until it is in the tables.
        """
        self._prepare_reading()
        with self.unless_closed():
            return self._connections.live()

    def _prepare_reading(self) -> None:
        self._catch_up()
        self._make(schema.make_macros)

    def _catch_up(self) -> None:
        """Wait until the tables have all that was acknowledged."""
        self._check_use()
        if self._log is not None:
            self._log.catch_up()

    def close(self) -> None:
        """Close the file, and release its lock; a second call does nothing.

        Raises
        ------
        StoreError
            If the file was taken away: what was written to it is lost. If the tables can't be brought up to
            date: the log has everything, and it is applied when the hub is opened again.
        """
        if self._is_closed:
            return
        if self._lock is not None and self._lock.is_foreign:
            self._is_closed = True
            return
        problem = None
        try:
            problem = self._close_log()
            self._is_closed = True
            self._connections.end()
            if self._log is not None and problem is None:
                self._log.remove()
            self._crash_marker.close()
        finally:
            self._is_closed = True
            if self._guard is not None:
                self._guard.remove_empty_log()
            if self._lock is not None:
                self._lock.release()
        if problem is not None:
            raise problem

    def _close_log(self) -> StoreError | None:
        """Bring the tables up to date; return why they aren't, or why that is in vain."""
        if self._log is None or self._guard is None:
            return None
        problem = self._guard.problem()
        if self._guard.database_loss() is not None:
            self._log.end()  # its thread uses the writer
            if self._connections.are_open:
                self._connections.writer().execute("pragma disable_checkpoint_on_shutdown")
            return problem
        try:
            self._log.close()
        except StoreError as error:
            return error
        return None

    def file_problem(self) -> StoreError | None:
        """Return the error if the hub's files were taken away, or the tables can't be written; else None."""
        if self._guard is None or self._is_closed:
            return None
        return self._guard.problem() or (None if self._log is None else self._log.failure)

    def announce(self, url: str | None) -> None:
        """Record where the hub is served, for processes that are refused the file; None removes that."""
        if self._lock is not None:
            self._lock.announce(url)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        is_new = self.path is None or not self.path.exists()
        if self.path is None or self._lock is None:
            connection = duckdb.connect(":memory:", config={"threads": 1})
            self._unmade = [schema.make_views, schema.make_macros]
        else:
            if self._guard is not None and self._guard.database_loss() is not None:
                self._guard.problem()
                self._guard.check_known()  # refuse another file in its place
            connection = open_database(self.path)
            if self._log is None:
                self._check_log(connection, self.path, is_new=is_new)
        self.removals += 1  # if it was open before, what was on disk is uncertain
        try:
            if self.path is not None and self._lock is not None:
                self._guard = FileGuard(self.path, self._lock, self._is_log_in_place)
                self._guard.close_to_others()
            schema.prepare(connection, self.path, is_new=is_new, has_views=self.path is not None)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make(self, last: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        """Create views and macros of a hub in memory when first needed: many hubs never need them."""
        if last not in self._unmade:
            return
        with self._making, self._translated("read"):
            while last in self._unmade:
                with self._connections.for_user() as connection, blobs.transaction(connection):
                    self._unmade[0](connection)
                del self._unmade[0]

    @staticmethod
    def _check_log(connection: duckdb.DuckDBPyConnection, path: Path, *, is_new: bool) -> None:
        """Refuse a log that doesn't fit the database, and leave both as they are."""
        try:
            check_log(path, LogState() if is_new else log_state(connection))
        except BaseException:
            connection.execute("pragma disable_checkpoint_on_shutdown")
            connection.close()
            raise

    def _is_log_in_place(self) -> bool:
        return self._log is None or self._log.is_in_place()

    @contextmanager
    def _changing(self, doing: str) -> Iterator[None]:
        """Close the files to others before a change of the tables, and translate its errors."""
        with self._translated(doing):
            if self._guard is not None:
                self._guard.close_to_others()
            yield

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
