"""The crash marker: a small file beside the journal that names the instance being replayed."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path


class CrashMarker:
    """Records which instance is being replayed, and counts the crashes of the process in its replays.

    Parameters
    ----------
    path
        The hub's file; None for a hub in memory, which doesn't survive a crash.

    Notes
    -----
    Nothing is synced: the file is read after the death of a process, not of a machine. If it can't be written
    (a full disk), crashes aren't counted, and nothing else changes.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = None if path is None else path.with_name(path.name + ".replaying")
        self._fd: int | None = None
        self._replaying: str | None = None
        self.crashes: dict[str, int] = {}
        if self._path is not None:
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
                self._read(self._path.read_text(encoding="utf-8"))

    def mark(self, instance_id: str | None) -> None:
        """Record the instance that is about to be replayed; None after its replay."""
        if instance_id is None and self._replaying is not None:
            self.crashes.pop(self._replaying, None)
        self._replaying = instance_id
        self._write()

    def forget(self, instance_ids: Iterable[str]) -> None:
        """Forget the crashes of instances that are purged."""
        known = self.crashes.keys() & set(instance_ids)
        if known:
            for instance_id in known:
                del self.crashes[instance_id]
            self._write()

    def close(self) -> None:
        """Remove the file if it records nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if self._path is not None and not self.crashes and self._replaying is None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._path is None:
            return
        note = json.dumps({"replaying": self._replaying, "crashes": self.crashes})
        with contextlib.suppress(OSError):
            if self._fd is None:
                self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            # The new note overwrites the old one, so that there is one at every moment.
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.ftruncate(self._fd, os.write(self._fd, note.encode()))

    def _read(self, text: str) -> None:
        note, _ = json.JSONDecoder().raw_decode(text)  # the rest of a longer note may follow
        crashes = {str(instance_id): int(count) for instance_id, count in note["crashes"].items()}
        crashed = note["replaying"]
        if crashed is not None:
            crashes[crashed] = crashes.get(crashed, 0) + 1
        self.crashes = crashes
