"""The files of an open hub: for their owner only, and still those that were opened."""

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

LOOK_SECONDS = 1.0
"""After a commit the files are looked at, unless that was done so shortly before."""

_OTHERS = 0o077
_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class Custody:
    """Knows whether a hub's files were taken away: removed, renamed, or replaced by others.

    Parameters
    ----------
    path
        The database, which is open.
    lock
        The lock that is held for it.
    log_size
        Tells, as DuckDB does, how much of the log isn't in the database yet.

    Notes
    -----
    A system that lets an open file be removed lets it be written to as well, and all of that is gone when it
    is closed. The log is known by its size, since DuckDB itself replaces it.
    """

    def __init__(self, path: Path, lock: HubLock, log_size: Callable[[], str]) -> None:
        self._path = path
        self._log = path.with_name(path.name + ".wal")
        self._lock = lock
        self._log_size = log_size
        self._opened = path.stat()
        self._looked = time.monotonic()
        self._found: StoreError | None = None

    def close_to_others(self) -> None:
        """Lets nobody but the owner read the log, which DuckDB makes anew after each checkpoint."""
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
        """Raises what is wrong with the files, if it is known or it is time to look.

        Raises
        ------
        StoreError
            If they were taken away; it says what to do.
        """
        if self._found is not None or time.monotonic() - self._looked >= LOOK_SECONDS:
            self.look()
        if self._found is not None:
            raise copy(self._found)

    def check_known(self) -> None:
        """Raises what was wrong with the files when they were last looked at, if it still is."""
        if self._found is not None:
            self.check()

    def look(self) -> StoreError | None:
        """What is wrong with the files now; None if nothing is."""
        fate = self.fate_of_database()
        if fate is not None:
            self._found = StoreError(
                f"{self._path} was {fate} while the hub had it open. What is done now would be lost with "
                "the old file, so nothing more is accepted. Put the old file back in its place, and the hub "
                "resumes. If it is gone, its contents can still be read here until you close the hub: "
                "hub.export(None, 'rescued.parquet') saves them."
            )
        elif not self._lock.is_in_place():
            self._found = StoreError(
                f"The lock {self._lock.lock_path} was removed or replaced while the hub was open. Another "
                "process could open the hub now, so nothing more is accepted. Close the hub and open it "
                "again."
            )
        elif self._is_log_gone():
            self._found = StoreError(
                f"The log {self._log} was removed or replaced while the hub was open. A crash would lose "
                "what was in it, so nothing more is accepted. Close the hub, which writes all of it into "
                f"{self._path.name}; then open it again."
            )
        else:
            self._found = None
        self._looked = time.monotonic()
        return self._found

    def fate_of_database(self) -> str | None:
        """How the database was taken away; None if it is in its place."""
        try:
            found = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return "removed or renamed"
        except OSError:
            return None  # Nobody can say: a network disk that doesn't answer.
        return None if os.path.samestat(found, self._opened) else "replaced by another file"

    def keep_foreign_log(self) -> None:
        """Renames a log that isn't the hub's: DuckDB would delete it on closing."""
        with contextlib.suppress(OSError):
            if self._is_log_gone() and self._log.stat().st_size:
                self._log.rename(f"{aside_name(self._path)}.wal")

    def remove_empty_log(self) -> None:
        """Removes the log that was made for DuckDB, if it never wrote to it; once the database is closed."""
        with contextlib.suppress(OSError):
            if not self._log.stat().st_size:
                self._log.unlink()

    def _is_log_gone(self) -> bool:
        for _ in range(2):  # A checkpoint may come between the two looks.
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
    """DuckDB's ``259.9 KiB``, rounded down."""
    found = re.fullmatch(r"([\d.]+) (\w+)", size)
    if found is None or found[2] not in _UNITS:
        return 0
    return int(float(found[1]) * _UNITS[found[2]] * (1 if found[2] == "bytes" else 0.95))
