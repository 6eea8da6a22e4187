"""The guard of an open hub's files: only their owner can read them, and no other file has replaced them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path

from durablenb.model.errors import StoreError
from durablenb.store.lockfile import HubLock, durable_log_path, sync_folder

CHECK_SECONDS = 1.0
"""Seconds after which a commit checks the files again."""

_OTHERS = 0o077


class FileGuard:
    """Detects that a hub's files were removed, renamed or replaced.

    Parameters
    ----------
    path
        The open database.
    lock
        The lock held for it.
    is_log_in_place
        Returns False if the durable log was taken away.

    Notes
    -----
    Where an open file can be removed, it can still be written to, and all of that is lost when it is closed.
    """

    def __init__(self, path: Path, lock: HubLock, is_log_in_place: Callable[[], bool]) -> None:
        self._path = path
        self._duckdb_log = path.with_name(path.name + ".wal")
        self._lock = lock
        self._is_log_in_place = is_log_in_place
        self._opened = path.stat()
        self._checked_at = time.monotonic()
        self._problem: StoreError | None = None

    def close_to_others(self) -> None:
        """Let only the owner read DuckDB's log, which it creates again after each checkpoint."""
        if os.name != "posix":
            return
        with contextlib.suppress(FileExistsError, FileNotFoundError, PermissionError):
            try:
                if self._duckdb_log.stat().st_mode & _OTHERS:
                    self._duckdb_log.chmod(0o600)
            except FileNotFoundError:
                os.close(os.open(self._duckdb_log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                sync_folder(self._path.parent)

    def check(self) -> None:
        """Raise if the files were taken away; check that, unless it was checked just before.

        Raises
        ------
        StoreError
            If they were taken away; the message says what to do.
        """
        if self._problem is not None or time.monotonic() - self._checked_at >= CHECK_SECONDS:
            self.problem()
        if self._problem is not None:
            raise copy(self._problem)

    def check_known(self) -> None:
        """Raise if the files were taken away when last checked, and still are."""
        if self._problem is not None:
            self.check()

    def problem(self) -> StoreError | None:
        """Check the files; return the problem, or None."""
        loss = self.database_loss()
        if loss is not None:
            self._problem = StoreError(
                f"{self._path} was {loss} while the hub had it open. What is done now would be lost with "
                "the old file, so nothing more is accepted. Put the old file back in its place, and the hub "
                "resumes. If it is gone, its contents can still be read here until you close the hub: "
                "hub.export(None, 'rescued.parquet') saves them."
            )
        elif not self._lock.is_in_place():
            self._problem = StoreError(
                f"The lock {self._lock.lock_path} was removed or replaced while the hub was open. Another "
                "process could open the hub now, so nothing more is accepted. Close the hub and open it "
                "again."
            )
        elif not self._is_log_in_place():
            self._problem = StoreError(
                f"The log {durable_log_path(self._path)} was removed or replaced while the hub was open. A "
                "crash would lose what was in it, so nothing more is accepted. Close the hub, which writes "
                f"all of it into {self._path.name}; then open it again."
            )
        else:
            self._problem = None
        self._checked_at = time.monotonic()
        return self._problem

    def database_loss(self) -> str | None:
        """Return how the database was taken away; None if it is in its place."""
        try:
            current = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "removed or renamed"
        except OSError:
            return None  # unknown: a network disk that doesn't answer
        return None if os.path.samestat(current, self._opened) else "replaced by another file"

    def remove_empty_log(self) -> None:
        """Remove the log that was created for DuckDB if it is empty, after the database was closed."""
        with contextlib.suppress(OSError):
            if not self._duckdb_log.stat().st_size:
                self._duckdb_log.unlink()
