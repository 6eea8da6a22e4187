"""The log book: the lines that a hub's calls print, on their way to the store."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from durablenb.core.ports.store import Store
from durablenb.engine import locks
from durablenb.engine.transcript import Transcript, speaking
from durablenb.model.display import options
from durablenb.model.logs import LogLine, Said

log = logging.getLogger("durablenb")

PAUSE_SECONDS = 0.05
"""Between two writes of lines, so that those of a moment are one."""

WAITING_CHARACTERS = 32_000_000
"""Characters that may wait for the disk; more are dropped."""

LINES_AT_ONCE = 10_000


class Author(NamedTuple):
    """Whose lines they are."""

    instance_id: str
    execution_id: str
    task_id: int | None
    name: str
    attempt: int = 1


class LogBook:
    """Gathers lines, and writes them when the committer has time for it.

    Parameters
    ----------
    store
        Where they go.
    now
        What time it is.
    redact
        Sees each message before it is kept, and gives what is kept.
    nudge
        Tells the committer that there is something to write.

    Notes
    -----
    A log is no journal. Lines that can't be written are dropped, with one warning; no call fails or waits
    because of them.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        redact: Callable[[str], str],
        nudge: Callable[[], None],
    ) -> None:
        self._store = store
        self._now = now
        self._redact = redact
        self._nudge = nudge
        self._waiting: deque[LogLine | locks.Event] = deque()
        self._characters = 0
        self._open: dict[Author, Transcript] = {}
        self._written_at = 0.0
        self._lost = 0
        self._has_warned = False
        self._is_nudged = False
        self._is_urgent = False
        self._is_writing = False
        self._is_closed = False
        self.is_shown = True
        """Whether what is printed appears as usual, too: as long as the caller's thread runs all."""

    def open(self, author: Author) -> Transcript:
        """The transcript of a call; threads of one call share it."""
        found = self._open.get(author)
        if found is None:
            made = Transcript(partial(self._keep, author), is_shown=self.is_shown)
            found = self._open.setdefault(author, made)
        return found

    def close(self, author: Author) -> None:
        """The call has ended."""
        transcript = self._open.pop(author, None)
        if transcript is not None:
            transcript.close()

    def unfinished(self, instance_ids: Sequence[str]) -> list[LogLine]:
        """What these instances have printed of lines that aren't ended."""
        found = [
            (author, one) for author, one in list(self._open.items()) if author.instance_id in instance_ids
        ]
        with speaking(None):
            return [self._line(author, said) for author, one in found for said in one.unfinished]

    def _line(self, author: Author, said: Said) -> LogLine:
        stream, message, level, logger = said
        return LogLine(*author, self._now(), stream, level, logger, _storable(self._redacted(message)))

    def _redacted(self, message: str) -> str:
        try:
            return self._redact(message)
        except Exception as error:
            return f"redact failed on a line of the log: {type(error).__name__}"

    def _keep(self, author: Author, said: Said) -> None:
        with speaking(None):  # what redact and the echo's stream print is nobody's line
            line = self._line(author, said)
            _echo(line)
        if self._is_closed:
            return
        if self._characters > WAITING_CHARACTERS:
            self._lost += 1
            return
        self._characters += len(line.message)
        self._waiting.append(line)
        if not self._is_nudged:
            self._is_nudged = True
            self._nudge()

    # -- writing ---------------------------------------------------------------------------------

    def visit(self) -> float | None:
        """Writes what waits, if it is time; says in how many seconds it is, None if nothing waits.

        It is called by the committer, in the committer's thread.
        """
        # While the flag is set, a visit is still to begin. It is cleared before the look at what waits: a
        # line that found it set is seen by this visit, and one that finds it cleared nudges for another.
        self._is_nudged = False
        if not self._waiting:
            return None
        seconds = self._written_at + PAUSE_SECONDS - locks.monotonic()
        if seconds > 0 and not self._is_urgent:
            self._is_nudged = True  # the committer comes by itself
            return seconds
        self._write()
        return None

    def flush(self, can_wait: Callable[[], bool]) -> None:
        """Waits until what was printed by now is on disk, as long as that can be waited for."""
        if not self._waiting and not self._is_writing:
            return
        written = locks.Event()
        self._waiting.append(written)
        self._is_urgent = True
        self._nudge()
        while can_wait() and not written.wait(0.1):
            pass

    def end(self) -> None:
        """Writes what is left; the committer's thread has ended. What comes later is dropped."""
        self._is_closed = True
        self._write()

    def forget(self, instance_ids: Sequence[str]) -> None:
        """These instances are about to be purged: their lines are written, and no more are kept."""
        for author, transcript in list(self._open.items()):
            if author.instance_id in instance_ids:
                transcript.mute()
        self._write()

    def _write(self) -> None:
        self._is_writing = True
        self._is_urgent = False
        while self._waiting:
            lines: list[LogLine] = []
            written: list[locks.Event] = []
            while self._waiting and len(lines) < LINES_AT_ONCE:
                one = self._waiting.popleft()
                if isinstance(one, LogLine):
                    lines.append(one)
                else:
                    written.append(one)
            self._characters -= sum(len(line.message) for line in lines)
            self._write_lines(lines)
            for event in written:
                event.set()
        self._characters = 0  # threads that add to it at one time may have lost count
        self._is_writing = False
        self._written_at = locks.monotonic()

    def _write_lines(self, lines: Sequence[LogLine]) -> None:
        reason = "they came faster than the disk took them"
        try:
            if lines:
                self._store.append_lines(lines)
        except Exception as error:
            self._lost += len(lines)
            reason = str(error)
        if self._lost and not self._has_warned:
            self._has_warned = True
            log.warning("Lines of the log were dropped, and more may be: %s", reason)


def _echo(line: LogLine) -> None:
    stream = options.echo
    if stream is not None:
        with contextlib.suppress(Exception):
            stream.write(f"{line.instance_id} {line.author}: {line.message}\n")
            stream.flush()


def _storable(text: str) -> str:
    """The text without what UTF-8 can't hold: halves of characters."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
