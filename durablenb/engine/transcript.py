"""What one call of the user's code prints, line by line, within limits; and whose code runs here."""

from __future__ import annotations

import codecs
import contextlib
import logging
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from copy import copy
from threading import get_ident
from typing import Protocol

from durablenb.core.ports.output import Output
from durablenb.model.logs import Said

LINES = 10_000
"""Lines that are kept of one call."""

CHARACTERS = 1_000_000
"""Characters that are kept of one call."""

LINE_CHARACTERS = 10_000
"""Characters that are kept of one line, or of one record."""

_FORMAT = logging.Formatter()


class Speaker(Protocol):
    """Somebody whose code runs."""

    @property
    def output(self) -> Output | None:
        """Where what that code prints goes; None where it is to go nowhere."""
        ...


current: ContextVar[Speaker | None] = ContextVar("current", default=None)
"""Whose code runs here: a call of an activity, or an orchestrator; None where it is neither.

An interrupt can come between the step that sets it and the block that sets it back. So the methods with which
a caller's thread enters the engine set it back themselves: else whatever is printed later would be lost.
"""


class Silence:
    """One who isn't heard: an orchestrator that is replayed, or let go of."""

    output: Output | None = None


SILENCE = Silence()


@contextlib.contextmanager
def speaking(speaker: Speaker | None) -> Iterator[None]:
    """What is printed inside goes where this one's output goes; with None, where it went without a hub."""
    token = current.set(speaker)
    try:
        yield
    finally:
        current.reset(token)


class Transcript:
    """What one call prints.

    Parameters
    ----------
    keep
        Takes each line.
    is_shown
        Whether it is printed as usual, too.

    Notes
    -----
    Threads of one call don't mix their lines: each has a line of its own on each stream. There is no lock
    that an interrupt could leave taken; where several threads print, a few lines more may be kept.
    """

    def __init__(self, keep: Callable[[Said], None], *, is_shown: bool = False) -> None:
        self._keep = keep
        self._begun: dict[tuple[str, int], _Line] = {}
        self._lines = 0
        self._characters = 0
        self._dropped = 0
        self.is_shown = is_shown

    @property
    def output(self) -> Transcript:
        """Itself, so that it can speak where there is nobody else."""
        return self

    def write(self, stream: str, text: str | bytes, encoding: str = "utf-8") -> None:
        """Takes what is written to a stream, whole lines or not."""
        place = stream, get_ident()
        line = self._begun.get(place)
        if line is None:
            line = self._begun[place] = _Line()
        for whole in line.add(text if isinstance(text, str) else line.decoded(text, encoding)):
            self._add(Said(stream, whole))

    def log(self, record: logging.LogRecord) -> None:
        """Takes a record of `logging`, with its traceback if it has one."""
        try:
            message = _FORMAT.format(copy(record))  # it notes things on the record that are others' to note
        except Exception:  # its arguments don't fit its text
            message = f"{record.msg} {record.args}"
        self.tell(record.levelname, record.name, message)

    def tell(self, level: str, logger: str, message: str) -> None:
        """Takes a message as a whole."""
        self._add(Said("logging", _cut(message), level, logger))

    def take(self, said: Said) -> None:
        """Takes a line that came from another process, where the limits were kept."""
        self._keep(said)

    def mute(self) -> None:
        """Keeps nothing from here on."""
        self._keep = _nowhere

    @property
    def unfinished(self) -> list[Said]:
        """The lines that have no end yet, as they stand."""
        begun = list(self._begun.items())
        return [
            *(Said(stream, line.shown) for (stream, _), line in begun if line.shown.strip()),
            *self._note(),
        ]

    def close(self) -> None:
        """The call ended: its last lines end, too."""
        for said in self.unfinished:
            self._keep(said)
        self._begun.clear()
        self._dropped = 0

    def _add(self, said: Said) -> None:
        if self._lines >= LINES or self._characters >= CHARACTERS:
            self._dropped += 1
            return
        self._lines += 1
        self._characters += len(said.message)
        self._keep(said)

    def _note(self) -> list[Said]:
        if not self._dropped:
            return []
        more = f"{self._dropped:,} line{' more was' if self._dropped == 1 else 's more were'}"
        limits = f"{LINES:,} lines or {CHARACTERS:,} characters"
        return [Said("logging", f"{more} not kept: a call keeps up to {limits}.", "WARNING", "durablenb")]


class _Line:
    """A line that has no end yet; of what a carriage return takes back, the last state is kept."""

    __slots__ = ("_decoder", "_more", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._more = 0  # characters that aren't kept
        self._decoder: codecs.IncrementalDecoder | None = None

    def decoded(self, data: bytes, encoding: str) -> str:
        """The text of bytes, of which a character's may come in parts."""
        if self._decoder is None:
            try:
                kind = codecs.getincrementaldecoder(encoding)
            except LookupError:
                kind = codecs.getincrementaldecoder("utf-8")
            self._decoder = kind("replace")
        return self._decoder.decode(data)

    def add(self, text: str) -> Iterator[str]:
        """The lines that this ends."""
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._extend(text[start:end])
            yield self.shown
            self._text, self._more = "", 0
            start = end + 1
        self._extend(text[start:])

    @property
    def shown(self) -> str:
        """What a terminal would show of it."""
        text = self._text.removesuffix("\r")
        return f"{text}… {self._more:,} characters more" if self._more else text

    def _extend(self, text: str) -> None:
        if "\r" in text or self._text.endswith("\r"):
            # One at the end takes nothing back yet: it may be the first half of a Windows line end.
            whole = self._text + text
            bare = whole.rstrip("\r")
            text = bare.rpartition("\r")[2] + ("\r" if len(bare) < len(whole) else "")
            self._text, self._more = "", 0
        room = max(0, LINE_CHARACTERS - len(self._text))
        self._more += len(text) - len(text[:room])
        self._text += text[:room]


def _nowhere(said: Said) -> None:
    """Takes a line, and keeps it not."""


def _cut(text: str) -> str:
    more = len(text) - LINE_CHARACTERS
    return text if more <= 0 else f"{text[:LINE_CHARACTERS]}… {more:,} characters more"
