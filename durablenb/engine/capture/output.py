"""Output of one call of user code, line by line and within limits; and whose code runs in a context."""

from __future__ import annotations

import codecs
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import partial
from threading import get_ident
from typing import Any

from durablenb.core.ports.output import Output, OutputOwner, current_owner
from durablenb.core.running_loop import RunningLoop
from durablenb.engine.capture.shown import Redraw, ShownOutputs
from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown

LINES = 10_000
"""Lines that are kept of one call."""

CHARACTERS = 1_000_000
"""Characters that are kept of one call."""

LINE_CHARACTERS = 10_000
"""Characters that are kept of one line, or of one record."""

_FORMAT = logging.Formatter()


class _Muted:
    """Owner of output that is discarded: that of an orchestrator that is replayed or unloaded."""

    output: Output | None = None


MUTED = _Muted()


@contextlib.contextmanager
def capturing_for(owner: OutputOwner | None) -> Iterator[None]:
    """Give what is printed inside to this owner; with None, to where it would go without a hub."""
    before = current_owner.get()
    try:
        current_owner.set(owner)  # in the block: an interrupt may come as soon as this is done
        yield
    finally:
        current_owner.set(before)


@contextlib.contextmanager
def replaying_for(owner: OutputOwner | None) -> Iterator[None]:
    """Give what a replay prints to this owner; an interrupt in it leaves no event loop behind."""
    before = RunningLoop.now()
    try:
        with capturing_for(owner):
            yield
    finally:
        before.restore()


class CapturedOutput:
    """The output of one call.

    Parameters
    ----------
    keep
        Takes each line and each rich output.
    is_shown
        Whether the output also appears where it would without a hub.

    Notes
    -----
    Lines of a call's threads don't mix: each thread has a line of its own on each stream. There is no lock
    that an interrupt could leave taken; where several threads print, a few lines more may be kept.
    """

    def __init__(self, keep: Callable[[OutputLine | Shown], None], *, is_shown: bool = False) -> None:
        self._keep = keep
        self._shown: ShownOutputs | None = None
        self._unfinished: dict[tuple[str, int], _Line] = {}
        self._lines = 0
        self._characters = 0
        self._dropped = 0
        self.is_shown = is_shown

    @property
    def output(self) -> CapturedOutput:
        """Itself, so that it can be the owner where no other one is known."""
        return self

    def write(self, stream: str, text: str | bytes, encoding: str = "utf-8") -> None:
        """Accept what is written to a stream: whole lines or parts of them."""
        key = stream, get_ident()
        line = self._unfinished.get(key)
        if line is None:
            line = self._unfinished[key] = _Line()
        for whole in line.add(text if isinstance(text, str) else line.decoded(text, encoding)):
            self._add(OutputLine(stream, whole))

    def log(self, record: logging.LogRecord) -> None:
        """Accept a record of `logging`, with its traceback if it has one."""
        try:
            message = _FORMAT.format(copy(record))  # formatting sets attributes, which handlers would see
        except Exception:  # its arguments don't fit its text
            message = f"{record.msg} {record.args}"
        self.tell(record.levelname, record.name, message)

    def tell(self, level: str, logger: str, message: str) -> None:
        """Accept a whole message."""
        self._add(OutputLine("logging", _shortened(message), level, logger))

    def show(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        display_id: str | None = None,
        redraw: Redraw | None = None,
    ) -> None:
        """Accept a rich output; see `ShownOutputs.show`."""
        self._rich.show(data, metadata, display_id, redraw)

    def clear(self) -> None:
        """Drop the rich outputs so far."""
        if self._shown is not None:
            self._shown.clear()

    def at_end(self, callback: Callable[[], None]) -> None:
        """Have something called when the call has ended, as long as it may still display something."""
        self._rich.at_end(callback)

    @property
    def _rich(self) -> ShownOutputs:
        if self._shown is None:
            self._shown = ShownOutputs(
                lambda shown: self._keep(shown), partial(self.tell, "WARNING", "durablenb")
            )
        return self._shown

    def flush_shown(self) -> None:
        """Keep the present states of the rich outputs."""
        if self._shown is not None:
            self._shown.flush()

    def take(self, report: OutputLine | Shown) -> None:
        """Accept a line or an output from another process, which has applied the limits."""
        self._keep(report)

    def mute(self) -> None:
        """Discard all further output."""
        self._keep = _discard

    @property
    def unfinished(self) -> list[OutputLine]:
        """The lines that have no end yet, as they are now."""
        unfinished = list(self._unfinished.items())
        return [
            *(OutputLine(stream, line.shown) for (stream, _), line in unfinished if line.shown.strip()),
            *self._note_on_dropped(),
        ]

    def close(self) -> None:
        """Keep the last outputs and the unfinished lines: the call has ended."""
        if self._shown is not None:
            with capturing_for(self):
                self._shown.close()
        for line in self.unfinished:
            self._keep(line)
        self._unfinished.clear()
        self._dropped = 0

    def _add(self, line: OutputLine) -> None:
        if self._lines >= LINES or self._characters >= CHARACTERS:
            self._dropped += 1
            return
        self._lines += 1
        self._characters += len(line.message)
        self._keep(line)

    def _note_on_dropped(self) -> list[OutputLine]:
        if not self._dropped:
            return []
        more = f"{self._dropped:,} line{' more was' if self._dropped == 1 else 's more were'}"
        limits = f"{LINES:,} lines or {CHARACTERS:,} characters"
        return [
            OutputLine("logging", f"{more} not kept: a call keeps up to {limits}.", "WARNING", "durablenb")
        ]


class _Line:
    """A line that has no end yet; of what a carriage return overwrites, only the last version is kept."""

    __slots__ = ("_decoder", "_more", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._more = 0  # characters beyond the limit
        self._decoder: codecs.IncrementalDecoder | None = None

    def decoded(self, data: bytes, encoding: str) -> str:
        """Return the text of bytes; the bytes of one character may come in parts."""
        if self._decoder is None:
            try:
                kind = codecs.getincrementaldecoder(encoding)
            except LookupError:
                kind = codecs.getincrementaldecoder("utf-8")
            self._decoder = kind("replace")
        return self._decoder.decode(data)

    def add(self, text: str) -> Iterator[str]:
        """Add text, and yield the lines that it ends."""
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._extend(text[start:end])
            yield self.shown
            self._text, self._more = "", 0
            start = end + 1
        self._extend(text[start:])

    @property
    def shown(self) -> str:
        """The line as a terminal would show it."""
        text = self._text.removesuffix("\r")
        return f"{text}… {self._more:,} characters more" if self._more else text

    def _extend(self, text: str) -> None:
        if "\r" in text or self._text.endswith("\r"):
            # One at the end overwrites nothing yet: it may be the first half of a Windows line end.
            whole = self._text + text
            bare = whole.rstrip("\r")
            text = bare.rpartition("\r")[2] + ("\r" if len(bare) < len(whole) else "")
            self._text, self._more = "", 0
        room = max(0, LINE_CHARACTERS - len(self._text))
        self._more += len(text) - len(text[:room])
        self._text += text[:room]


def _discard(report: OutputLine | Shown) -> None:
    """Accept a line or an output and discard it."""


def _shortened(text: str) -> str:
    more = len(text) - LINE_CHARACTERS
    return text if more <= 0 else f"{text[:LINE_CHARACTERS]}… {more:,} characters more"
