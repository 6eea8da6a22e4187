"""The journal in a hub's file that is opened to be read, and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from durablenb.journal.port import Journal
from durablenb.journal.related import has_entities
from durablenb.model.entities import EntityMetadata
from durablenb.model.errors import InstanceNotFoundError, StoreError
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.store.connections import UserConnections, close_connections
from durablenb.store.read_only import open_to_read
from durablenb.store.reader import JournalReader
from durablenb.store.schema import FORMAT
from durablenb.values.codec import ValueCodec

_LATER_TABLE = re.compile(
    "Table with name (activity_attempts|imported|log_lines|output_parts) does not exist"
)
"""DuckDB's error for a table that a file of an older version lacks: it has no rows."""


class _FileReader(JournalReader):
    """Reads the file with a new connection for each statement."""

    def __init__(self, connect: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]]) -> None:
        self._connect = connect

    def _ask(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            try:
                return connection.execute(sql, list(parameters)).fetchall()
            except duckdb.CatalogException as error:
                if _LATER_TABLE.search(str(error)):
                    return []
                raise


class FileJournal(Journal):
    """The journal in a hub's file. Nothing is locked, and nothing is changed.

    Parameters
    ----------
    path
        The file.
    connect
        Gives a connection to its database, if a hub of this process has it open. Otherwise the file is opened
        read-only.
    """

    description = "a closed file"
    is_live = False

    def __init__(self, path: Path, connect: Callable[[], duckdb.DuckDBPyConnection] | None = None) -> None:
        self.path = path
        self._reader = _FileReader(self._reading)
        self.codec = ValueCodec(self._reader.blob)
        self.is_closed = False
        self._pid = os.getpid()
        self._given = UserConnections()
        self._copy: TemporaryDirectory[str] | None = None
        if connect is None:
            database, self._copy = open_to_read(path)
            self._given.add(database)
            connect = database.cursor
        self._connect = connect
        try:
            self._check_format()
        except BaseException:
            self.close()
            raise

    def _check_format(self) -> None:
        try:
            with self.open_connection() as connection:
                ((version,),) = connection.execute("select max(version) from durablenb_format").fetchall()
        except duckdb.CatalogException:
            version = None
        if version is None:
            raise StoreError(f"{self.path} is a DuckDB database, but not a hub. Give another path.")
        if version > FORMAT:
            raise StoreError(
                f"{self.path} has format {version} of the journal; this durablenb knows up to {FORMAT}. "
                "Install a newer durablenb."
            )

    # -- reading ---------------------------------------------------------------------------------

    def of(self, instance_id: str | None = None) -> JournalReader:
        """Return what reads a history."""
        return self._reader

    def connection(self, instance_id: str | None = None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Return a connection to the file, for a moment; an error of DuckDB's says what to do."""
        return self._reading()

    def open_connection(self, instance_id: str | None = None) -> duckdb.DuckDBPyConnection:
        """Return a connection to the file, which the caller closes.

        Raises
        ------
        StoreError
            If this was closed, or belongs to the parent process of this one.
        """
        if self.is_closed:
            raise StoreError(f"{self.path} was closed. Open it again: durablenb.open_history(path).")
        if os.getpid() != self._pid:
            raise StoreError(
                f"{self.path} was opened by process {self._pid}, from which this one was forked, and DuckDB "
                "doesn't work in a fork. Open it again in the child."
            )
        connection = self._connect()
        self._given.add(connection)
        return connection

    def now(self, instance_id: str | None = None) -> datetime:
        """Return the time of the last event; without one, the machine's."""
        return self.last_written() or datetime.now(UTC)

    def last_written(self) -> datetime | None:
        """Return the time of the last event of all; None if there is none."""
        moment: datetime | None = self._reader.query("select max(timestamp) from journal")[0][0]
        return None if moment is None else moment.replace(tzinfo=UTC)

    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the log lines of an instance and of its sub-orchestrations, oldest first."""
        self.check_exists(instance_id)
        return self._reader.lines(instance_id)

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""
        self.check_exists(instance_id)
        return self._reader.outputs(instance_id)

    def unknown(self, instance_id: object) -> InstanceNotFoundError:
        """Return the error for an instance that the file hasn't got."""
        return InstanceNotFoundError(
            f"{self.path} has no instance {instance_id!r}. instances() lists the existing ones."
        )

    def origins(self, instance_ids: Iterable[str]) -> Mapping[str, str]:
        """Return where imported instances came from."""
        return dict(self._reader.query("select instance_id, origin from imported"))

    def entities(
        self, name: str | None, since: datetime | None, *, with_states: bool
    ) -> list[EntityMetadata]:
        """Return the entities that exist, by their ids."""
        with self.open_connection() as connection:
            if not has_entities(connection):
                return []
        return super().entities(name, since, with_states=with_states)

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for a moment; an error of DuckDB's, as of a damaged file, says what to do."""
        try:
            with self.open_connection() as connection:
                yield connection
        except duckdb.Error as error:
            raise StoreError(
                f"{self.path} can't be read: {error}. `durablenb repair {self.path}` says whether it is "
                "damaged."
            ) from error

    def close(self) -> None:
        """Close the file with all connections to it; closing it twice does nothing."""
        self.is_closed = True
        if os.getpid() == self._pid:
            close_connections(self._given.in_use())
            if self._copy is not None:
                self._copy.cleanup()
