"""Writing beside the journal: what no fact follows from is written between the commits."""

from __future__ import annotations

from collections.abc import Callable

from durablenb.engine import locks


class SideWriter:
    """Gathers entries from any thread, and writes them when the committer is not busy.

    Subclasses say whether something waits, and write it.

    Parameters
    ----------
    nudge
        Tells the committer that there is something to write.

    Notes
    -----
    Nothing in a history depends on these entries. Entries that can't be written are dropped; no call fails
    or waits because of them.
    """

    def __init__(self, nudge: Callable[[], None]) -> None:
        self._nudge = nudge
        self._flushes: list[locks.Event] = []
        self._written_at = 0.0
        self._is_nudged = False
        self._is_writing = False
        self._is_closed = False

    @property
    def _pause(self) -> float:
        """Seconds between two writes, so that entries of about the same time are one write."""
        raise NotImplementedError

    @property
    def _has_waiting(self) -> bool:
        raise NotImplementedError

    def _write_waiting(self) -> None:
        raise NotImplementedError

    def _remind(self) -> None:
        """Have the committer visit soon; from any thread, after an entry was added."""
        if not self._is_nudged:
            self._is_nudged = True
            self._nudge()

    def visit(self) -> float | None:
        """Write what waits, if it is time; return the seconds until the next visit, None if none is needed.

        The committer calls it, in its own thread.
        """
        if not self._is_nudged and not self._flushes:
            return None
        seconds = self._written_at + self._pause - locks.monotonic()
        if seconds > 0 and not self._flushes:
            return seconds
        # While the flag is set, a visit is still to come. It is cleared before entries are taken: an entry
        # that found it set is among them, one that finds it cleared nudges for another visit.
        self._is_nudged = False
        self._write()
        if not self._has_waiting:
            return None
        self._is_nudged = True  # the committer comes by itself
        return self._pause

    def flush(self, can_wait: Callable[[], bool]) -> None:
        """Wait until the entries that are there now are on disk, while `can_wait` allows that."""
        if not self._has_waiting and not self._is_writing:
            return
        written = locks.Event()
        self._flushes.append(written)
        self._nudge()
        while can_wait() and not written.wait(0.1):
            pass

    def end(self) -> None:
        """Write what is left after the committer's thread has ended. Later entries are dropped."""
        self._is_closed = True
        self._write()

    def _write(self) -> None:
        self._is_writing = True
        flushes, self._flushes = self._flushes, []
        self._write_waiting()
        for written in flushes:
            written.set()
        self._is_writing = False
        self._written_at = locks.monotonic()
