"""The file of the durable log: bytes are appended and synced, and read when a hub is opened."""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from durablenb.model.errors import StoreError
from durablenb.store.lockfile import new_log_path, sync_folder
from durablenb.store.log_format import (
    FRAMES_AT,
    Damage,
    Frame,
    Header,
    Position,
    encode_frame,
    read_frames,
    read_header,
)

_ROOM = 1 << 18
"""Bytes of zeros that are written at first; twice as many each time, up to `_MOST_ROOM`."""

_MOST_ROOM = 1 << 22

_FLAGS = os.O_RDWR | getattr(os, "O_BINARY", 0)

_LARGE = 1 << 16
"""Bytes of a frame for which no zeros are written first, and which isn't copied into one piece."""


def _sync_of_platform() -> Callable[[int], None]:
    if sys.platform == "darwin":  # fsync leaves the bytes in the drive's cache there
        import fcntl

        return lambda fd: fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # type: ignore[func-returns-value]
    return getattr(os, "fdatasync", os.fsync)


sync = _sync_of_platform()
"""Waits until the bytes of a file are on disk."""


class LogFile:
    """A durable log that is written.

    Parameters
    ----------
    path
        Where to create it; a file in its place is replaced.
    hub
        The id of the hub.
    start
        The position before its first frame.

    Raises
    ------
    StoreError
        If it can't be created.

    Notes
    -----
    The file is filled with zeros ahead of its end: a sync is faster if the size stays the same. After a sync
    that failed, the contents on disk are unknown, and a second one may succeed without writing anything.
    So the file is written no more then: `is_broken`.
    """

    def __init__(self, path: Path, hub: UUID, start: Position) -> None:
        self.path = path
        self.position = start
        self.is_broken = False
        self._header = Header(hub, 1, start)
        self._end = FRAMES_AT
        self._room_until = 0
        self._next_room = _ROOM
        new = new_log_path(path)
        try:
            self._fd = os.open(new, _FLAGS | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                self._make_room(FRAMES_AT)
                self._write(self._header.slot(), [self._header.encoded()])
                sync(self._fd)
            except BaseException:
                self.close()
                with contextlib.suppress(OSError):
                    new.unlink()
                raise
            self.close()  # Windows doesn't rename an open file
            new.replace(path)
            sync_folder(path.parent)
            self._fd = os.open(path, _FLAGS)
            self._stat = os.fstat(self._fd)
        except OSError as error:
            raise _unwritable(path, error) from error

    @property
    def size(self) -> int:
        """The bytes of the current generation's frames."""
        return self._end - FRAMES_AT

    def append(self, parts: Sequence[bytes]) -> Position:
        """Append a frame with this content; return its position once it is on disk.

        Raises
        ------
        StoreError
            If it can't be written. Without `is_broken`, it can be tried again.
        """
        position, frame = encode_frame(self._header.generation, self.position, parts)
        length = sum(map(len, frame))
        try:
            if length < _LARGE:
                self._make_room(self._end + length)
                frame = [b"".join(frame)]
            self._write(self._end, frame)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._sync()
        self._end, self.position = self._end + length, position
        self._room_until = max(self._room_until, self._end)
        return position

    def begin_generation(self) -> None:
        """Begin again at the start of the file: all frames are in the database for good.

        Raises
        ------
        StoreError
            If the header can't be written; the file is broken then.
        """
        header = Header(self._header.hub, self._header.generation + 1, self.position)
        try:
            self._write(header.slot(), [header.encoded()])
        except OSError as error:
            self.is_broken = True
            raise _unwritable(self.path, error) from error
        self._sync()
        self._header, self._end = header, FRAMES_AT

    def is_in_place(self) -> bool:
        """Return True if the file at its path is still this one, or that is unknown."""
        try:
            return os.path.samestat(self.path.stat(), self._stat)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _sync(self) -> None:
        try:
            sync(self._fd)
        except OSError as error:
            self.is_broken = True
            raise _unwritable(self.path, error) from error

    def _make_room(self, until: int) -> None:
        while self._room_until < until:
            self._write(self._room_until, [bytes(self._next_room)])
            self._room_until += self._next_room
            self._next_room = min(2 * self._next_room, _MOST_ROOM)

    def _write(self, offset: int, parts: Sequence[bytes]) -> None:
        os.lseek(self._fd, offset, os.SEEK_SET)
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(self._fd, view) :]


def _unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"Could not write to the log {path}: {error.strerror or error}. Nothing that a call had returned "
        "before is lost. Make room if the disk is full; the hub goes on by itself then."
    )


@contextmanager
def reading(path: Path) -> Iterator[tuple[Header | None, Iterator[Frame | Damage]]]:
    """Yield the header and the frames of a log that no process writes; no header if it has none."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            yield None, iter(())
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            header = read_header(content)
            yield header, iter(()) if header is None else read_frames(content, header)
