"""The journal in DuckDB: one writer, one appender, one statement a commit; each reader on its own."""

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
from durablenb.store import blobs, bundles, lines, statements, views
from durablenb.store.connections import Connections, parsed
from durablenb.store.custody import Custody
from durablenb.store.lockfile import HubLock
from durablenb.store.opener import open_database
from durablenb.store.reader import JournalReader
from durablenb.store.recorder import FlightRecorder
from durablenb.store.wire import Row, from_row, to_row

_LOG_SIZE = "select wal_size from pragma_database_size()"

FORMAT = 1
"""Version of the tables; a file of a newer one is refused."""


class DuckStore(JournalReader):
    """The journal of a hub in one DuckDB file, or in memory.

    Parameters
    ----------
    path
        The file, made if it isn't there; None for one in memory.

    Raises
    ------
    HubLockedError
        If another process, or another hub of this one, holds the file.
    StoreError
        If the file can't be opened; the message says what to do.

    Notes
    -----
    After a fatal error (a disk that is full in the middle of a checkpoint) DuckDB refuses every
    statement until its file is opened anew; that is done here, by whoever needs the file next.
    """

    def __init__(self, path: Path | None) -> None:
        self._is_closed = False
        self._is_unsure = False
        self._last_line: int | None = None
        self.removals = 0
        """How often something was taken away: what isn't another number was only appended to."""
        self._pid = os.getpid()
        self._lock = HubLock(path) if path is not None else None
        self.path = None if self._lock is None else self._lock.path
        self._recorder = FlightRecorder(self.path)
        self._custody: Custody | None = None
        self._lacks_views = path is None
        self._making_views = threading.Lock()
        self._connections = Connections(self._connect)
        try:
            self._connections.writer()
        except BaseException:
            self.close()
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Writes all of these or none; they are on disk when it returns.

        Notes
        -----
        After an error, or an interrupt, nobody knows whether they are. So they can be given once more:
        what is in the journal already is left out then.
        """
        with self._custodial():
            if self._is_unsure:
                last = self.last_seq()
                records = [record for record in records if record.seq > last]
            if records:
                self._is_unsure = True
                self._insert(records)
        self._is_unsure = False

    def _insert(self, records: Sequence[Record]) -> None:
        try:
            with self._translated("write to"):
                rows = [to_row(record) for record in records]
                uses = blobs.uses_of(rows)
                if uses:
                    with blobs.transaction(self._connections.writer()):
                        blobs.write(self._connections.writer(), rows, uses)
                        self._append_rows(rows)
                    blobs.let_go(rows)
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
        """Keeps the source texts that aren't kept already."""
        with self._custodial(), self._translated("write to"):
            for source in sources:
                self._connections.writer().execute(statements.KEEP, [source.hash, source.text])

    def append_lines(self, said: Sequence[LogLine]) -> None:
        """Writes all of these lines of logs, or none."""
        last, self._last_line = self._last_line, None  # not known again until these are on disk
        with self._custodial(), self._translated("write to"):
            writer = self._connections.writer()
            last = writer.execute(lines.LAST).fetchall()[0][0] if last is None else last
            lines.append(writer, said, last)
        self._last_line = last + len(said)

    def import_histories(self, bundle: HistoryBundle, imports: Sequence[Import], after: int) -> None:
        """Writes all of a bundle or nothing, its events after a place in the journal; twice does it once."""
        last_line, self._last_line = self._last_line, None
        with self._custodial(), self._translated("write to"):
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
        """Those of these ids of instances and entities that there are, and those of these of executions."""
        found = self._ask(statements.TAKEN_IDS, [list(instance_ids)])
        executions = self._ask(statements.TAKEN_EXECUTIONS, [list(execution_ids)])
        return {one for (one,) in found}, {one for (one,) in executions}

    def purge(self, instance_ids: Sequence[str]) -> None:
        """Deletes all events and lines of these instances, and the blobs that no other one refers to."""
        ids = list(instance_ids)
        with self._custodial(), self._translated("purge"):
            writer = self._connections.writer()
            try:
                with blobs.transaction(writer):
                    if blobs.has_uses(writer, ids):
                        blobs.free(writer, ids)
                    writer.execute(statements.PURGE, [ids])
                    writer.execute(lines.PURGE, [ids])
                    writer.execute(statements.FORGET_IMPORTS, [ids])
            finally:
                self.removals += 1  # after an error nobody knows
        self._recorder.forget(instance_ids)

    def last_seq(self) -> int:
        """The last place taken in the journal, 0 if it is empty."""
        return int(self._ask("select coalesce(max(seq), 0) from journal")[0][0])

    def open_instances(self) -> list[OpenInstance]:
        """The instances that aren't ended, oldest first, without those that were taken in."""
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
        """The entities that have something to do, by their ids, without those that were taken in."""
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
        """Notes which instance is about to be replayed."""
        self._recorder.mark(instance_id)

    def crashes(self) -> dict[str, int]:
        """How often in a row the process died while it replayed an instance."""
        return dict(self._recorder.crashes)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query over what is on disk; from any thread."""
        self._make_views()
        return self._ask(sql, parameters)

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query that needs none of the views."""
        with self._translated("read"):
            reader = self._connections.reader()
            (statement,) = parsed(reader, sql)
            return reader.execute(statement, list(parameters)).fetchall()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of the calling thread's own, to read with; ask for it each time."""
        self._check_use()
        self._make_views()
        with self.unless_closed():
            return self._connections.reader()

    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection of a user's own, to read with; it is closed with the store."""
        self._check_use()
        self._make_views()
        with self.unless_closed():
            return self._connections.given()

    def close(self) -> None:
        """Lets go of the file and its lock; twice does nothing.

        Raises
        ------
        StoreError
            If the file had been taken away: what was written to it is lost with it.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._lock is not None and self._lock.is_foreign:
            return
        lost = None
        try:
            if self._custody is not None and self._connections.are_open:
                lost = self._let_go_of_files(self._custody)
            self._connections.end()
            if self._custody is not None:
                self._custody.remove_empty_log()
            self._recorder.close()
        finally:
            if self._lock is not None:
                self._lock.release()
        if lost is not None:
            raise lost

    def _let_go_of_files(self, custody: Custody) -> StoreError | None:
        """Sees to it that DuckDB, when it closes its file, deletes no log that isn't its own."""
        found = custody.look()
        writer = self._connections.writer()
        if custody.fate_of_database() is not None:
            writer.execute("pragma disable_checkpoint_on_shutdown")
            return found
        custody.keep_foreign_log()
        return None

    def file_problem(self) -> StoreError | None:
        """What is wrong with the hub's files now: taken away, renamed or replaced; None if nothing is."""
        return None if self._custody is None or self._is_closed else self._custody.look()

    def announce(self, url: str | None) -> None:
        """Lets whoever is refused the file know where the hub is served; None takes it back."""
        if self._lock is not None:
            self._lock.announce(url)

    def _connect(self) -> duckdb.DuckDBPyConnection:
        is_new = self.path is None or not self.path.exists()
        if self.path is None or self._lock is None:
            connection = duckdb.connect(":memory:")
        else:
            if self._custody is not None and self._custody.fate_of_database() is not None:
                self._custody.look()
                self._custody.check_known()  # not another file that came in its place
            connection = open_database(self.path)
        self.removals += 1  # nobody knows what was on disk, if it was open before
        try:
            if self.path is not None and self._lock is not None:
                self._custody = Custody(self.path, self._lock, self._log_size)
                self._custody.close_to_others()
            _prepare(connection, self.path, is_new=is_new, has_views=not self._lacks_views)
        except BaseException:
            connection.close()
            raise
        return connection

    def _make_views(self) -> None:
        """Makes the views of a hub in memory when they are first asked for: many are never asked for any."""
        if not self._lacks_views:
            return
        with self._making_views, self._translated("read"):
            if self._lacks_views:
                with self._connections.given() as connection, blobs.transaction(connection):
                    views.make(connection)
                self._lacks_views = False

    def _log_size(self) -> str:
        try:
            with self._connections.given() as connection:
                return str(connection.execute(_LOG_SIZE).fetchall()[0][0])
        except duckdb.Error:
            return ""  # nobody can say: after a fatal error

    @contextmanager
    def _custodial(self) -> Iterator[None]:
        """Around what is written: to files that others can't read, and that are in their place afterwards."""
        self._check_use()
        if self._custody is None:
            yield
            return
        self._custody.check_known()
        self._custody.close_to_others()
        yield
        self._custody.check()

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turns DuckDB's errors into the store's; after a fatal one, the next call opens the file anew."""
        self._check_use()
        writer = None
        try:
            writer = self._connections.writer()
            yield
        except (duckdb.Error, RuntimeError) as error:
            if self._is_closed:  # by another thread, meanwhile
                raise _closed() from error
            if isinstance(error, duckdb.Error):
                if self.path is not None and writer is not None and _is_fatal(error):
                    self._connections.close(writer)
                raise _store_error(doing, self.path, error) from error
            if "Query interrupted" in str(error):  # What DuckDB makes of the kernel's interrupt.
                raise KeyboardInterrupt from error
            raise

    @contextmanager
    def unless_closed(self) -> Iterator[None]:
        """Around a query: if another thread closes the hub meanwhile, that is what the error says."""
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


def in_memory(settings: dict[str, str | bool | int | float | list[str]]) -> duckdb.DuckDBPyConnection:
    """An empty journal in memory, with all tables and views; nobody can change these settings of DuckDB's."""
    connection = duckdb.connect(":memory:", config=settings)
    _prepare(connection, None, is_new=True)
    connection.execute("set lock_configuration = true")
    return connection


def fenced(
    path: Path, settings: dict[str, str | bool | int | float | list[str]]
) -> duckdb.DuckDBPyConnection:
    """A journal in a file, which reaches nothing but its folder; nobody can change DuckDB's settings."""
    connection = duckdb.connect(str(path), config=settings)
    _prepare(connection, path)
    folder = str(path.parent).replace("'", "''")
    connection.execute(f"set allowed_directories = ['{folder}']")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    return connection


def _prepare(
    connection: duckdb.DuckDBPyConnection, path: Path | None, *, is_new: bool = False, has_views: bool = True
) -> None:
    """Makes the tables and views of a new file, and checks those of an old one."""
    try:
        version = None if is_new else _format_of(connection)
        if version is not None and version > FORMAT:
            raise StoreError(
                f"{path} has format {version} of the journal; this durablenb knows up to {FORMAT}. "
                "Nothing was changed. Open it with a newer durablenb."
            )
        is_whole = version is not None and views.are_current(connection)
        if is_whole:
            connection.execute(statements.CHECK)
        else:
            with blobs.transaction(connection):  # so that a file that is refused stays as it was
                _complete(connection, version, is_new=is_new, has_views=has_views)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise StoreError(
            f"{path} can't be a hub, because of a table of its own: {error}. Give another path."
        ) from error
    except duckdb.Error as error:
        raise StoreError(
            f"{path} can't be opened: {error}. Make room if the disk is full, then open it again."
        ) from error


def _complete(
    connection: duckdb.DuckDBPyConnection, version: int | None, *, is_new: bool, has_views: bool
) -> None:
    """Makes what a file lacks of the tables and views of a hub, and those views anew that have changed."""
    views.make_tables(connection)
    connection.execute(statements.CHECK)
    blobs.show_contents(connection, has_segments=not is_new)
    if has_views:
        views.make(connection)
    if version is None:
        connection.execute("insert into durablenb_format values (?)", [FORMAT])


def _format_of(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The version of the file's tables, or None if it has none, or not all of them."""
    try:
        found = connection.execute("select max(version) from durablenb_format").fetchall()[0][0]
    except duckdb.CatalogException:
        return None
    return None if found is None else int(found)


def _closed() -> StoreError:
    return StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")


def _is_fatal(error: duckdb.Error) -> bool:
    is_named_so = isinstance(error, (duckdb.FatalException, duckdb.InternalException))
    return is_named_so or "has been invalidated" in str(error)


def _store_error(doing: str, path: Path | None, error: Exception) -> StoreError:
    if path is None:
        return StoreError(f"Could not {doing} the journal in memory: {error}.")
    return StoreError(
        f"Could not {doing} {path}: {error}. Nothing that a call had returned before is lost. "
        "Make room if the disk is full; the hub goes on by itself then."
    )
