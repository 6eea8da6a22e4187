"""The tables of a journal: what an entry does to them, and up to which frame of the log they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import duckdb

from durablenb.model.activities import latest
from durablenb.store import attempts, blobs, bundles, cached_calls, log_lines, outputs, queue_rows, statements
from durablenb.store.connections import Connections
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
    merged,
)
from durablenb.store.log_format import Position
from durablenb.store.opening import NO_CHECKPOINT
from durablenb.store.row_codec import Row
from durablenb.values.payload_files import remove_files

_STATE = "select hub, number, checksum, has_log from durablenb_log order by number desc limit 1"
_SET_STATE = "insert into durablenb_log values (?, ?, ?, ?)"
_FORGET_OLD_STATES = "delete from durablenb_log where number < (select max(number) from durablenb_log)"
_KNOWN_BLOBS = "select hash from blobs where list_contains(?, hash)"


class LogState(NamedTuple):
    """The place of a database in its log.

    Parameters
    ----------
    hub
        The hub's id, which its log has, too; None if the hub had no log yet.
    position
        The last frame that was applied.
    has_log
        False if the hub was closed, so that everything is in the database.
    """

    hub: UUID | None = None
    position: Position = Position()
    has_log: bool = False


def log_state(connection: duckdb.DuckDBPyConnection) -> LogState:
    """Return what a database says about its log."""
    try:
        rows = connection.execute(_STATE).fetchall()
    except duckdb.CatalogException:  # a file in which there was no log yet
        return LogState()
    if not rows:
        return LogState()
    hub, number, checksum, has_log = rows[0]
    return LogState(UUID(hub), Position(number, checksum), has_log)


class JournalTables:
    """Writes entries into the tables of a journal, some in a transaction; one thread at a time.

    Parameters
    ----------
    connections
        The database.
    translated
        Gives a context that turns DuckDB's errors into a `StoreError`.
    hub
        The id of the hub, unless the database has one.
    """

    def __init__(
        self,
        connections: Connections,
        translated: Callable[[str], AbstractContextManager[None]],
        hub: UUID | None = None,
    ) -> None:
        self._connections = connections
        self._translated = translated
        self._hub = hub
        self._last_line: int | None = None
        """The number of the last line of all logs; None if it is unknown."""
        self._unused_files: list[str] = []

    def apply(
        self, entries: Iterable[Entry], state: LogState | None = None, *, is_checkpoint: bool = False
    ) -> None:
        """Apply all of these entries or none, and record what is true of the log then.

        With `is_checkpoint` they go to the database's own file at once, and not to DuckDB's log, unless
        another transaction runs. After an error they may be in memory alone, so the file is opened again.
        """
        with self._translated("write to"):
            if not is_checkpoint:
                self._apply_all(list(merged(entries)), state)
                return
            writer = self._connections.writer()
            try:
                writer.execute("set checkpoint_threshold = '1B'")
                self._apply_all(list(merged(entries)), state)
                writer.execute(f"set checkpoint_threshold = '{NO_CHECKPOINT}'")
            except BaseException:
                self._connections.close(writer)
                raise

    def _apply_all(self, parts: Sequence[Entry], state: LogState | None) -> None:
        last_line, self._last_line = self._last_line, None  # unknown until these are on disk
        writer = self._connections.writer()
        try:
            if (
                state is None
                and len(parts) == 1
                and isinstance(parts[0], Events)
                and not parts[0].calls
                and not blobs.uses_in(parts[0].rows)
            ):
                self._append(parts[0].rows)  # a transaction by itself
            else:
                with blobs.transaction(writer):
                    for part in parts:
                        last_line = self._apply_to(writer, part, last_line)
                    if state is not None:
                        writer.execute(_SET_STATE, _as_row(state)).fetchall()
        except BaseException:
            self._connections.drop_appender()
            self._unused_files.clear()
            raise
        self._last_line = last_line
        if self._unused_files:
            self._remove_unused_files(writer)
        for part in parts:
            if isinstance(part, Events):
                blobs.release(part.rows)

    def _remove_unused_files(self, writer: duckdb.DuckDBPyConnection) -> None:
        """Remove the files that were purged; those of a hub that an import came from stay."""
        unused, self._unused_files = self._unused_files, []
        hub = log_state(writer).hub or self._hub
        remove_files(one for one in unused if hub is not None and f"/{hub.hex}#" in one)

    def _apply_to(self, writer: duckdb.DuckDBPyConnection, entry: Entry, last_line: int | None) -> int | None:
        """Apply an entry; return the number of the last line then, if it is known."""
        match entry:
            case Events(rows, calls, code_parts):
                uses = blobs.uses_in(rows)
                if uses:
                    blobs.write(writer, rows, uses)
                self._append(rows)
                if calls:
                    self._unused_files += cached_calls.append(writer, calls, code_parts)
            case Lines(lines):
                last = _last_line(writer) if last_line is None else last_line
                log_lines.append(writer, lines, last)
                return last + len(lines)
            case Attempts(rows):
                attempts.put(writer, latest(rows))
            case Outputs(states, carried):
                outputs.write(writer, states, carried)
            case Sources(sources):
                for source in sources:
                    writer.execute(statements.KEEP, [source.hash, source.text]).fetchall()
            case Forget(name):
                self._unused_files += cached_calls.forget(writer, name)
            case Purge(instance_ids, execution_ids, needed):
                if instance_ids:
                    self._unused_files += _purge(writer, blobs.OF_INSTANCES, {"ids": instance_ids})
                    writer.execute(statements.FORGET_IMPORTS, [instance_ids]).fetchall()
                    queue_rows.forget_instances(writer, instance_ids)
                if execution_ids:
                    needs: dict[str, list[Any]] = {"ids": execution_ids, "needed": list(needed)}
                    self._unused_files += _purge(writer, blobs.OF_EXECUTIONS, needs)
                return None
            case Queues(queues, starts):
                queue_rows.write(writer, queues, starts)
            case Bundle(bundle, imports, after):
                return bundles.write(writer, bundle, imports, after, last_line)
        return last_line

    def _append(self, rows: Sequence[Row]) -> None:
        appender = self._connections.appender()
        appender.append_rows(rows)
        appender.flush()

    def log_state(self) -> LogState:
        """Return what the database says about its log."""
        with self._translated("read"):
            return log_state(self._connections.writer())

    def set_log_state(self, state: LogState) -> LogState:
        """Record what is true of the log, with a new id if the hub has none; return that."""
        state = state._replace(hub=state.hub or uuid4())
        with self._translated("write to"), blobs.transaction(self._connections.writer()):
            writer = self._connections.writer()
            writer.execute("delete from durablenb_log").fetchall()
            writer.execute(_SET_STATE, _as_row(state)).fetchall()
        return state

    def checkpoint(self) -> None:
        """Write everything into the database's own file, so that DuckDB's log is empty."""
        with self._translated("write to"):
            writer = self._connections.writer()
            writer.execute(_FORGET_OLD_STATES).fetchall()
            writer.execute("checkpoint").fetchall()

    def known_blobs(self, hashes: list[str]) -> set[str]:
        """Return which of these blobs are in the tables."""
        with self._translated("read"):
            rows = self._connections.reader().execute(_KNOWN_BLOBS, [hashes]).fetchall()
        return {blob_hash for (blob_hash,) in rows}


def _purge(
    writer: duckdb.DuckDBPyConnection, purged: blobs.Purged, parameters: dict[str, list[Any]]
) -> list[str]:
    """Delete what is purged; return the files to which nothing refers any more."""
    cached_calls.before_purge(writer, purged, parameters)
    unused = blobs.free(writer, purged, parameters)
    writer.execute(f"delete from journal where {purged.events}", parameters).fetchall()
    for table in ("log_lines", "activity_attempts", "output_parts"):
        writer.execute(f"delete from {table} where {purged.lines}", {"ids": parameters["ids"]}).fetchall()
    return unused


def _last_line(writer: duckdb.DuckDBPyConnection) -> int:
    return int(writer.execute(log_lines.LAST).fetchall()[0][0])


def _as_row(state: LogState) -> list[object]:
    return [str(state.hub), *state.position, state.has_log]
