"""The durable log of an open hub: entries are on disk at once; the tables follow in large transactions."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from copy import copy
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple
from uuid import uuid4

from durablenb.model.errors import StoreError
from durablenb.store import entries
from durablenb.store.entries import Bundle, Entry, Events, Forget, Outputs, Purge
from durablenb.store.lockfile import durable_log_path, log_files
from durablenb.store.log_file import LogFile
from durablenb.store.log_format import Position
from durablenb.store.tables import JournalTables

log = logging.getLogger("durablenb")

REST_SECONDS = 0.1
"""Seconds without a write after which the tables are updated, even without a reader."""

ROWS_AT_ONCE = 20_000
"""Rows that may wait before the tables are brought up to date."""

BYTES_AT_ONCE = 16 << 20
"""Bytes that may wait before the tables are brought up to date."""

LARGE_BYTES = 4 << 20
"""Bytes that go to the database's own file without being written to DuckDB's log before."""

MOST_BEHIND = 4
"""How many times as many may wait before a write waits for the tables."""

CHECKPOINT_BYTES = 16 << 20
"""Bytes of the log after which the database's own file gets everything, and the log begins again."""

RETRY_SECONDS = 1.0
"""Seconds between two tries to bring the tables up to date, after one that failed."""


class _Waiting(NamedTuple):
    """An entry that the tables don't have yet."""

    position: Position
    entry: Entry
    rows: int
    bytes: int


class _Request(NamedTuple):
    """Work for the log's thread, and the promise for its caller."""

    work: Callable[[], None] | None = None
    reply: SimpleQueue[StoreError | None] | None = None


_NUDGE = _Request()
_END = _Request(work=lambda: None)


class DurableLog:
    """Writes entries to the log, and applies them to the tables in a thread of its own.

    Parameters
    ----------
    path
        The hub's file. The log is beside it from the first write until the hub is closed.
    tables
        The tables; everything in a log that was there before has been applied to them.
    is_watched
        Returns True while a reader uses the tables without calling `catch_up` first.

    Notes
    -----
    One thread writes; any thread may call `catch_up`. Only the log's own thread changes the tables, so that
    an interrupt, which the main thread gets, never meets a transaction.
    """

    def __init__(self, path: Path, tables: JournalTables, is_watched: Callable[[], bool]) -> None:
        self._path = path
        self._tables = tables
        self._is_watched = is_watched
        state = tables.log_state()
        self.hub = state.hub or uuid4()
        """The hub's id; that of a new hub is on disk with the first entry."""
        self._state = state._replace(hub=self.hub)
        self._file: LogFile | None = None
        self._writing = threading.RLock()
        """Held while the log is written, and while what waits is changed."""
        self._waiting: deque[_Waiting] = deque()
        self._rows = self._bytes = 0  # of what waits
        self._written = self._applied = self._state.position.number
        self._written_at = 0.0
        self._waiting_blobs: set[str] = set()
        self.failure: StoreError | None = None
        """Why the tables couldn't be brought up to date at the last try."""
        self._checkpoint_at = CHECKPOINT_BYTES
        self._requests: SimpleQueue[_Request] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._end: StoreError | None = None
        """Why nothing is done any more."""

    # -- for the writing thread, and for readers ---------------------------------------------------

    def write(self, entry: Entry) -> None:
        """Write an entry; it is on disk when this returns.

        Raises
        ------
        StoreError
            If it can't be written. It isn't in the log then; write it again.
        """
        if self.failure is not None or self._is_far_behind:
            self.catch_up()
        content = self._encoded(entry)
        if self._file is None or self._file.is_broken:
            self._do(self._create_file)
        with self._writing:
            assert self._file is not None
            position = self._file.append(content)
            was_idle = not self._waiting
            self._waiting.append(_Waiting(position, entry, entries.size(entry), sum(map(len, content))))
            self._rows += self._waiting[-1].rows
            self._bytes += self._waiting[-1].bytes
            self._written, self._written_at = position.number, time.monotonic()
            if isinstance(entry, Events | Outputs):
                self._waiting_blobs.update(blob.hash for blob in entry.blobs())
        if was_idle or self._is_behind:
            self._requests.put(_NUDGE)
        if isinstance(entry, Purge | Forget | Bundle | Outputs):
            self.catch_up()  # which blobs are in the journal is known only then
        elif self._is_watched():
            with contextlib.suppress(StoreError):  # the entry itself is on disk
                self.catch_up()

    def _encoded(self, entry: Entry) -> list[bytes]:
        try:
            return entries.encode(entry, self._known_blobs)
        except UnicodeEncodeError as error:
            raise StoreError(
                f"Could not write to {self._path.name}: {error}. No file can hold half of a surrogate pair."
            ) from error

    def catch_up(self) -> None:
        """Wait until the tables have all that was written; from any thread.

        Raises
        ------
        StoreError
            If they can't be brought up to date now.
        """
        if self._applied < self._written:
            self._do(self._apply_waiting)

    @property
    def _is_behind(self) -> bool:
        return self._rows >= ROWS_AT_ONCE or self._bytes >= BYTES_AT_ONCE

    @property
    def _is_far_behind(self) -> bool:
        return self._rows >= MOST_BEHIND * ROWS_AT_ONCE or self._bytes >= MOST_BEHIND * BYTES_AT_ONCE

    def _known_blobs(self, hashes: list[str]) -> set[str]:
        """Return which blobs are in the log, or in the tables."""
        known = self._waiting_blobs.intersection(hashes)
        rest = [blob_hash for blob_hash in hashes if blob_hash not in known]
        return known | self._tables.known_blobs(rest) if rest else known

    # -- the end -----------------------------------------------------------------------------------

    def close(self) -> None:
        """Bring the tables up to date, and end; the log stays until `remove`.

        Raises
        ------
        StoreError
            If the tables can't be brought up to date. The log has everything: it is applied when the hub is
            opened again.
        """
        try:
            if self._file is not None:
                self._do(self._finish)
        finally:
            self.end()

    def end(self) -> None:
        """End the thread, and close the file. The tables may lack what the log has."""
        self._end = StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")
        if self._thread is not None:
            self._requests.put(_END)
            self._thread.join()
            self._thread = None
        self._refuse_rest(self._end)
        if self._file is not None:
            self._file.close()

    def remove(self) -> None:
        """Remove the log after the database was closed, unless DuckDB still has a log of its own."""
        if self._file is not None and self._file.is_in_place() and not log_files(self._path):
            with contextlib.suppress(OSError):
                self._file.path.unlink()

    def is_in_place(self) -> bool:
        """Return True if the log wasn't removed, renamed or replaced."""
        return self._file is None or self._file.is_in_place()

    # -- the thread --------------------------------------------------------------------------------

    def _do(self, work: Callable[[], None]) -> None:
        """Have the log's thread do some work; raise what goes wrong."""
        if self._thread is None and self._end is None:
            self._thread = threading.Thread(target=self._run, name="durablenb-log", daemon=True)
            self._thread.start()
        reply: SimpleQueue[StoreError | None] = SimpleQueue()
        self._requests.put(_Request(work, reply))
        # Checked after the put, so that either this thread or the ending one sees the other's change.
        if self._end is not None:
            self._refuse_rest(self._end)
        error = reply.get()
        if error is not None:
            raise copy(error)

    def _refuse_rest(self, error: StoreError) -> None:
        with contextlib.suppress(Empty):
            while True:
                reply = self._requests.get_nowait().reply
                if reply is not None:
                    reply.put(error)

    def _run(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=self._patience)
            except Empty:
                request = _NUDGE
            if request is _END:
                return
            error = self._try(request.work or self._apply_if_due)
            if request.reply is not None:
                request.reply.put(error)
            if self._file is not None and self._file.size >= self._checkpoint_at:
                self._try(self._begin_again)

    def _try(self, work: Callable[[], None]) -> StoreError | None:
        try:
            work()
        except StoreError as error:
            return error
        except BaseException as mistake:
            log.exception("The tables of %s can't be brought up to date", self._path.name)
            return _mistake(mistake)
        return None

    @property
    def _patience(self) -> float | None:
        if not self._waiting:
            return None
        return REST_SECONDS if self.failure is None else RETRY_SECONDS

    def _apply_if_due(self) -> None:
        if self._is_behind or self.failure or time.monotonic() - self._written_at >= REST_SECONDS:
            self._apply_waiting()

    def _apply_waiting(self) -> None:
        """Apply what waits to the tables."""
        with self._writing:
            batch = list(self._waiting)
        if batch:
            self._apply(batch)

    def _apply(self, batch: list[_Waiting]) -> None:
        try:
            new = batch if self.failure is None else self._without_applied(batch)
            if new:
                state = self._state._replace(position=new[-1].position)
                is_large = sum(one.bytes for one in new) >= LARGE_BYTES
                self._tables.apply([one.entry for one in new], state, is_checkpoint=is_large)
        except BaseException as error:
            self.failure = error if isinstance(error, StoreError) else _mistake(error)
            raise
        self.failure = None
        self._state = self._state._replace(position=batch[-1].position)
        with self._writing:
            for one in batch:
                self._waiting.popleft()
                self._rows -= one.rows
                self._bytes -= one.bytes
            if not self._waiting:
                self._waiting_blobs.clear()
        self._applied = self._state.position.number

    def _without_applied(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Return what is left after a failure, which may have come after the commit."""
        last = self._tables.log_state().position.number
        left = [one for one in batch if one.position.number > last]
        if left and left[0].position.number != last + 1:
            raise StoreError(
                f"{self._path.name} lost what was in it. Its log has everything: close the hub, then open it "
                "again."
            )
        return left

    def _create_file(self) -> None:
        """Create the log, or another one if the present one's contents on disk are unknown."""
        if self._file is not None:
            self._apply_waiting()
            self._tables.checkpoint()
            self._file.close()
        file = LogFile(durable_log_path(self._path), self.hub, self._state.position)
        try:
            self._state = self._state._replace(has_log=True)
            self._tables.set_log_state(self._state)
            with contextlib.suppress(StoreError):  # else the hub's id may be in DuckDB's log alone
                self._tables.checkpoint()
        except BaseException:
            file.is_broken = True
            raise
        finally:
            self._file = file

    def _begin_again(self) -> None:
        """Begin the log again, once the database's own file has everything."""
        self._checkpoint_at = (self._file.size if self._file else 0) + CHECKPOINT_BYTES  # if this fails
        self._apply_waiting()
        self._tables.checkpoint()  # most of the work, while others write
        with self._writing:
            if self._waiting:
                self._apply(list(self._waiting))
                self._tables.checkpoint()
            if self._file is not None and not self._file.is_broken:
                self._file.begin_generation()
        self._checkpoint_at = CHECKPOINT_BYTES

    def _finish(self) -> None:
        self._apply_waiting()
        self._tables.set_log_state(self._state._replace(has_log=False))


def _mistake(error: BaseException) -> StoreError:
    return StoreError(
        f"The tables can't be brought up to date because of a mistake in durablenb itself: "
        f"{type(error).__name__}: {error}. What was written is in the log, and unharmed. Close the hub and "
        "open it again, and please report what led to this."
    )
