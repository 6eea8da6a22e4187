"""The lock of a hub's file, which one process holds, and the places where such a file can be."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import weakref
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from durablenb.model.errors import HubLockedError, StoreError
from durablenb.model.plain import Plain, plain

if sys.platform == "win32":
    import msvcrt

    _FAR_BYTE = 1 << 30  # Windows locks are mandatory: lock a byte that is never read

    def _take(fd: int) -> bool:
        os.lseek(fd, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _give_back(fd: int) -> None:
        os.lseek(fd, _FAR_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _take(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _give_back(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


_LOG_SUFFIXES = (".wal", ".wal.checkpoint", ".wal.recovery")
_NOTE_BYTES = 512  # Notes are padded to this, so that a new one hides all of the old one.


@plain
class Holder(Plain):
    """The holder of a hub's file, as noted in its lock file."""

    pid: int
    host: str
    started: str
    url: str | None = None

    def __str__(self) -> str:
        served = f", which serves it at {self.url}" if self.url else ""
        return f"process {self.pid} on {self.host} (since {self.started}){served}"


class HubLock:
    """The right to open a hub's database, held until `release` or the end of the process.

    DuckDB's own lock is not enough: on POSIX it is an `fcntl` lock, which vanishes as soon as
    the holder opens and closes the database file for any reason, a plain copy included.
    This one is an exclusive `flock` on ``<file>.lock``, which stays.

    Parameters
    ----------
    path
        The hub's database file; it need not exist. Symbolic links are followed, so two names of
        one file share a lock. Two hard links have two locks: don't use hard links for hubs.

    Raises
    ------
    HubLockedError
        If another process, or another hub in this one, holds the file.
    StoreError
        If the file can't be locked: no such folder, no right to write, no locks on this disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = resolve_place(path)
        self.lock_path = hub_lock_path(self.path)
        self._holder = Holder(
            os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat(timespec="seconds")
        )
        self._fd: int | None = None
        _living.add(self)
        self._acquire()
        self._write_note()

    def _acquire(self) -> None:
        try:
            fd = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(
                f"The lock file {self.lock_path} can't be opened: {error.strerror}. A hub needs a "
                "folder that you may write to; choose another place for it."
            ) from None
        try:
            taken = _take(fd)
        except OSError as error:
            os.close(fd)
            raise StoreError(
                f"The disk of {self.lock_path} doesn't lock files ({error.strerror}), so two "
                "kernels could damage a hub there. Put it on a local disk."
            ) from None
        if not taken:
            os.close(fd)
            raise HubLockedError(_refusal(self.path, read_holder(self.lock_path)))
        self._fd = fd

    def announce(self, url: str | None) -> None:
        """Record where this hub is served, for processes that are refused the lock; None removes that."""
        self.check_owner()
        self._holder = replace(self._holder, url=url)
        self._write_note()

    def check_owner(self) -> None:
        """Do nothing in the process that took the lock.

        Raises
        ------
        StoreError
            In a child forked from it, whose writes DuckDB would accept and lose.
        """
        if self.is_foreign:
            raise StoreError(
                f"{self.path} belongs to process {self._holder.pid}, and this is process "
                f"{os.getpid()}, forked from it: whatever it wrote would be lost. Open a hub in "
                "the child instead, on another file, or start workers by multiprocessing's "
                "'spawn' method and hand their results back."
            )

    @property
    def is_foreign(self) -> bool:
        """True in a forked child, whose copy must touch neither file nor database."""
        return os.getpid() != self._holder.pid

    def is_in_place(self) -> bool:
        """Return True if the lock file is still the one that was locked, or that is unknown."""
        if self._fd is None:
            return True
        try:
            return os.path.samestat(self.lock_path.stat(), os.fstat(self._fd))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def release(self) -> None:
        """Release the lock. A second call, or one in a forked child, does nothing."""
        fd, self._fd = self._fd, None
        if fd is None:
            return
        try:
            if not self.is_foreign:
                # The lock file stays, empty. If it were removed, a process that had just opened
                # it would lock a file without a name while a third locks a new one: two holders.
                os.ftruncate(fd, 0)
                _give_back(fd)
        finally:
            os.close(fd)

    def _write_note(self) -> None:
        if self._fd is None:
            return
        note = json.dumps(asdict(self._holder)).ljust(_NOTE_BYTES - 1) + "\n"
        with contextlib.suppress(OSError):  # on a full disk the lock has no note
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.ftruncate(self._fd, os.write(self._fd, note.encode()))

    def _abandon(self) -> None:
        """Close the file that a fork copied: unlike unlocking, that leaves the parent's lock alone."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def real_path(path: Path) -> Path:
    """Return the path without links, whether it exists or not; a link to itself stays."""
    return Path(os.path.realpath(path))  # Path.resolve raises at such a link, up to Python 3.12


def resolve_place(path: Path) -> Path:
    """Return the real path, links followed, of a place where a hub's file can be.

    Raises
    ------
    StoreError
        If its folder doesn't exist, or it is a folder itself, or DuckDB could not name its log.
    """
    try:
        place = real_path(path)
        has_folder, is_folder, is_loop = place.parent.is_dir(), place.is_dir(), place.is_symlink()
    except OSError as error:  # no right to look
        raise StoreError(f"{path} can't be used: {error.strerror}. Give another path.") from None
    if is_loop:
        raise StoreError(f"{path} is a link that leads to itself. Remove it, or give another path.")
    if not has_folder:
        raise StoreError(f"{place.parent} is not an existing folder. Create it first, or give another path.")
    if is_folder:
        raise StoreError(f"{place} is a folder. Give the path of a file inside it.")
    if "?" in str(place):  # DuckDB would put the log of `a?b` at `a.wal?b`.
        raise StoreError(f"{place} has a '?' in its path, which DuckDB can't use. Rename it.")
    return place


def hub_lock_path(path: Path) -> Path:
    """Return where the lock of a hub's file is, by its real path."""
    return path.with_name(path.name + ".lock")


def durable_log_path(path: Path) -> Path:
    """Return where the durable log of a hub's file is."""
    return path.with_name(path.name + ".log")


def new_log_path(log: Path) -> Path:
    """Return where a durable log is while it is created."""
    return log.with_name(log.name + ".new")


def check_files(path: Path, *, must_exist: bool = False) -> bool:
    """Return whether a database has yet to be made at this resolved path.

    Raises
    ------
    StoreError
        If DuckDB must not open it: a log without its database, an empty file, a device.
    """
    if not path.exists():
        orphans = [*log_files(path), *filter(Path.exists, [durable_log_path(path)])]
        if orphans:
            raise StoreError(
                f"{path} is missing, but its log {orphans[0].name} is there. Put the database back beside "
                "its log, which may have what the database lacks; to start afresh, move the log to another "
                "folder first."
            )
        if must_exist:
            raise StoreError(f"{path} doesn't exist. Check the path.")
        return True
    if not path.is_file():
        raise StoreError(f"{path} is not a regular file. Give another path.")
    if path.stat().st_size == 0:
        raise StoreError(
            f"{path} is an empty file (0 bytes), not a DuckDB database: perhaps a copy that "
            "failed. Put a backup in its place, or remove it if nothing is lost with it."
        )
    return False


def log_files(path: Path) -> list[Path]:
    """Return DuckDB's own logs beside a database that aren't empty."""
    logs = [path.with_name(path.name + suffix) for suffix in _LOG_SUFFIXES]
    return [log for log in logs if log.is_file() and log.stat().st_size]


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder's files are on disk, where the system supports that."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # Not every disk can.
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def aside_name(path: Path) -> Path:
    """Return a free name for a damaged database; its logs get the same and their own suffix."""
    return path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")


def read_holder(lock_path: Path) -> Holder | None:
    """Return what the lock file says about its holder, or None if it says nothing readable."""
    try:
        # What a longer note left behind may still follow.
        note, _ = json.JSONDecoder().raw_decode(lock_path.read_text(encoding="utf-8"))
        url = note["url"]
        return Holder(int(note["pid"]), str(note["host"]), str(note["started"]), str(url) if url else None)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _refusal(path: Path, holder: Holder | None) -> str:
    if holder and holder.pid == os.getpid() and holder.host == socket.gethostname():
        return (
            f"{path} is already open in this process, since {holder.started}. A hub's file is "
            "opened once: use that hub, or close it first."
        )
    return (
        f"{path} is held by {holder or 'another process, which left no name'}. A hub's file belongs to "
        f"one process at a time: {way_in(holder)}close the hub there with hub.close(), or shut that kernel "
        "down, then open it here."
    )


def way_in(holder: Holder | None) -> str:
    """Return how to reach a hub over HTTP, in words; empty if it isn't served."""
    if holder is None or holder.url is None:
        return ""
    return f"use it from here, df.TaskHub.connect({holder.url!r}, key=...) with server.key from there; or "


_living: weakref.WeakSet[HubLock] = weakref.WeakSet()


def _abandon_all() -> None:
    for lock in list(_living):
        lock._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
