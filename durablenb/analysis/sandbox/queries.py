"""Queries of other people, one after another: a process answers them from a copy that follows the journal."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import duckdb

from durablenb.analysis.sandbox import fence, frames
from durablenb.analysis.sandbox.feed import Feed
from durablenb.analysis.sandbox.fence import QUERY_KINDS, QueryRefusedError
from durablenb.analysis.sandbox.process import ProcessDiedError, QueryProcess, QueryTimeoutError
from durablenb.analysis.sql import Parameters
from durablenb.model.errors import DurableError

_MEMORY = {"MemoryError", "OutOfMemoryException"}
_BROKEN = {"FatalException", "InternalException"}

START_SECONDS = 60.0
"""The time limit for a process to start, and to load each part of the journal."""


class QueriesUnavailableError(DurableError):
    """No query can be answered now."""


class Queries:
    """Answers queries about a hub from a copy of its journal, in a process of its own.

    Parameters
    ----------
    connect
        Gives a connection to the hub's database.

    Notes
    -----
    The process is started for the first query, and again after a query that killed it. The copy is kept in a
    folder that only this user can read. The folder is removed at the end.
    """

    def __init__(self, connect: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._connect = connect
        self._thread = ThreadPoolExecutor(1, "durablenb-sql")
        self._lock = threading.Lock()
        self._is_closed = False
        self._process: QueryProcess | None = None
        self._folder: Path | None = None
        self._feed: Feed | None = None

    @property
    def pid(self) -> int | None:
        """The process id, if there is a process."""
        process = self._process
        return None if process is None else process.pid

    def submit(self, sql: str, parameters: Parameters) -> Future[bytes]:
        """Return a future of the answer to a query, as JSON text; see `fence.answer_query`.

        Raises
        ------
        QueryRefusedError
            If it isn't one query over the hub's tables, takes too long or too much memory, or has too large
            an answer.
        ValueError, duckdb.Error
            If the query is wrong.
        DurableError
            If no query can be answered now.
        """
        try:
            return self._thread.submit(self._answer, sql, parameters)
        except RuntimeError:
            raise _closed() from None

    def close(self) -> None:
        """End the process, even during a query, and remove the copy. A second call has no effect."""
        with self._lock:
            self._is_closed = True
            process = self._process
        if process is not None:
            process.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._discard()

    def _answer(self, sql: str, parameters: Parameters) -> bytes:
        process = self._current()
        try:
            kind, body = process.ask(frames.ASK, {"sql": sql, "parameters": parameters}, fence.SECONDS)
        except QueryTimeoutError:
            raise QueryRefusedError(
                f"The query took longer than {fence.SECONDS:g} seconds and was ended. Ask for less: "
                "fewer instances, a group by."
            ) from None
        except ProcessDiedError as error:
            if self._is_closed:
                raise _closed() from None
            if error.was_memory:
                raise _too_much_memory() from None
            raise QueryRefusedError(
                f"The process in which the query ran died: {error.cause}. It may have taken too much memory. "
                "The hub is unharmed."
            ) from None
        if kind == frames.ANSWER:
            return body
        name, text = json.loads(body)
        if name in _MEMORY | _BROKEN:  # the state after such a query isn't known
            process.kill()
            process.end()
        if name in _MEMORY:
            raise _too_much_memory()
        raise QUERY_KINDS.get(name, QueryRefusedError)(text)

    def _current(self) -> QueryProcess:
        """Return the process, with a copy of all that is on disk."""
        try:
            process = self._running()
            self._follow(process)
            return process
        except (QueryTimeoutError, ProcessDiedError) as error:
            self._discard()
            if self._is_closed:
                raise _closed() from None
            reason = (
                error.cause if isinstance(error, ProcessDiedError) else f"it took {START_SECONDS:g} seconds"
            )
            raise QueriesUnavailableError(
                f"The process that answers queries did not get ready: {reason}. Ask again."
            ) from None
        except (OSError, duckdb.Error) as error:
            folder = self._folder or tempfile.gettempdir()
            self._discard()
            raise QueriesUnavailableError(
                f"The copy of the journal that queries are answered from can't be written to {folder}: "
                f"{error}. Make room there if the disk is full; TMPDIR says where it is."
            ) from None

    def _running(self) -> QueryProcess:
        if self._process is not None and self._process.is_alive():
            return self._process
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="durablenb-sql-"))
            self._feed = Feed(self._folder)
        process = QueryProcess(self._folder, fence.MEMORY, fence.SPILL)
        with self._lock:
            self._process = process
            if self._is_closed:
                process.kill()
        process.begin(START_SECONDS)
        return process

    def _follow(self, process: QueryProcess) -> None:
        assert self._feed is not None
        count = 0
        with self._connect() as connection:
            for update in self._feed.updates(connection):
                process.ask(frames.LOAD, asdict(update) | {"is_first": not count}, START_SECONDS)
                count += 1
        if count:
            process.ask(frames.COMMIT, None, START_SECONDS)

    def _discard(self) -> None:
        """End the process and remove the copy."""
        if self._process is not None:
            self._process.kill()
            self._process.end()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._feed = None


def _closed() -> DurableError:
    return QueriesUnavailableError("The server is being closed.")


def _too_much_memory() -> QueryRefusedError:
    return QueryRefusedError(
        f"The query needed more than {fence.MEMORY >> 20:,} MB of memory and was ended. Ask for less: "
        "fewer rows to sort or to join, shorter texts."
    )
