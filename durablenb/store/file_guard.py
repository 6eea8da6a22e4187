"""The guard of an open hub's files: only their owner can read them, and nobody has replaced them."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from copy import copy
from pathlib import Path

from durablenb.model.errors import StoreError
from durablenb.store.lockfile import HubLock, aside_name, sync_folder

CHECK_SECONDS = 1.0
"""Seconds after which a commit checks the files again."""

_OTHERS = 0o077
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class FileGuard:
    """Detects that a hub's files were removed, renamed or replaced.

    Parameters
    ----------
    path
        The open database.
    lock
        The lock held for it.
    log_size
        Returns how much of the log isn't in the database yet, as DuckDB writes sizes.

    Notes
    -----
    Where an open file can be removed, it can still be written to, and all of that is lost when it is closed.
    The log is recognized by its size, since DuckDB itself replaces it.
    """

    def __init__(self, path: Path, lock: HubLock, log_size: Callable[[], str]) -> None:
        self._path = path
        self._log = path.with_name(path.name + ".wal")
        self._lock = lock
        self._log_size = log_size
        self._opened = path.stat()
        self._checked_at = time.monotonic()
        self._problem: StoreError | None = None

    def close_to_others(self) -> None:
        """Let only the owner read the log, which DuckDB creates again after each checkpoint."""
        if os.name != "posix":
            return
        with contextlib.suppress(FileExistsError, FileNotFoundError, PermissionError):
            try:
                if self._log.stat().st_mode & _OTHERS:
                    self._log.chmod(0o600)
            except FileNotFoundError:
                os.close(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
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
        elif self._is_log_gone():
            self._problem = StoreError(
                f"The log {self._log} was removed or replaced while the hub was open. A crash would lose "
                "what was in it, so nothing more is accepted. Close the hub, which writes all of it into "
                f"{self._path.name}; then open it again."
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

    def keep_foreign_log(self) -> None:
        """Rename a log that isn't the hub's: DuckDB would delete it on closing."""
        with contextlib.suppress(OSError):
            if self._is_log_gone() and self._log.stat().st_size:
                self._log.rename(f"{aside_name(self._path)}.wal")

    def remove_empty_log(self) -> None:
        """Remove the log that was created for DuckDB if it is empty, after the database was closed."""
        with contextlib.suppress(OSError):
            if not self._log.stat().st_size:
                self._log.unlink()

    def _is_log_gone(self) -> bool:
        for _ in range(2):  # a checkpoint may come between reading the two sizes
            expected = _least_bytes(self._log_size())
            try:
                if self._log.stat().st_size >= expected:
                    return False
            except FileNotFoundError:
                if not expected:
                    return False
            except OSError:
                return False
        return True


def _least_bytes(size: str) -> int:
    """Return the bytes of a size such as ``259.9 KiB``, rounded down."""
    match = re.fullmatch(r"([\d.]+) (\w+)", size)
    if match is None or match[2] not in _UNITS:
        return 0
    return int(float(match[1]) * _UNITS[match[2]] * (1 if match[2] == "bytes" else 0.95))
