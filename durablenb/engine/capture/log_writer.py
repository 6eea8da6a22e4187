"""Captured lines on their way to the store: the log writer, and the log of an orchestrator's episode."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Token
from datetime import datetime
from functools import partial
from typing import NamedTuple, Self

from durablenb.core.ports.output import OutputOwner, current_owner
from durablenb.core.ports.store import Store
from durablenb.engine.capture.output import CapturedOutput, capturing_for
from durablenb.engine.capture.streams import enter
from durablenb.engine.side_writer import SideWriter
from durablenb.model.display import options
from durablenb.model.logs import LogLine, OutputLine
from durablenb.model.outputs import OutputState, Shown, stored_part
from durablenb.model.payloads import Blob

log = logging.getLogger("durablenb")

PAUSE_SECONDS = 0.05
"""Seconds between two writes, so that lines printed at about the same time are one write."""

WAITING_CHARACTERS = 32_000_000
"""Characters that may wait for the disk; more are dropped."""

LINES_AT_ONCE = 10_000


class LogSource(NamedTuple):
    """The call that a line comes from; `task_id` is None for an orchestrator."""

    instance_id: str
    execution_id: str
    task_id: int | None
    name: str
    attempt: int = 1


class LogWriter(SideWriter):
    """Gathers the lines and outputs of a hub's calls, and writes them when the committer is not busy.

    Parameters
    ----------
    store
        Where the lines go.
    now
        Returns the time.
    redact
        Takes each message, and returns what is kept of it.
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
        super().__init__(nudge)
        self._store = store
        self._now = now
        self._redact = redact
        self._waiting: deque[LogLine | _Output] = deque()
        self._characters = 0
        self._open: dict[LogSource, CapturedOutput] = {}
        self._lost = 0
        self._has_warned = False
        self._is_shown = True

    def hide(self) -> None:
        """Only log what is printed from now on; until then, it also appears where it always did."""
        self._is_shown = False

    def open(self, source: LogSource) -> CapturedOutput:
        """Return the output of a call; all threads of the call share it."""
        output = self._open.get(source)
        if output is None:
            new = CapturedOutput(partial(self._keep, source), is_shown=self._is_shown)
            output = self._open.setdefault(source, new)
        return output

    def close(self, source: LogSource) -> None:
        """Keep the last lines of a call that has ended."""
        output = self._open.pop(source, None)
        if output is not None:
            output.close()

    def unfinished(self, instance_ids: Sequence[str]) -> list[LogLine]:
        """Return the lines of these instances that have no end yet."""
        outputs = [
            (source, output)
            for source, output in list(self._open.items())
            if source.instance_id in instance_ids
        ]
        with capturing_for(None):
            return [self._line(source, line) for source, output in outputs for line in output.unfinished]

    def _line(self, source: LogSource, line: OutputLine) -> LogLine:
        stream, message, level, logger = line
        return LogLine(*source, self._now(), stream, level, logger, encodable(self._redacted(message)))

    def _output(self, source: LogSource, shown: Shown) -> _Output:
        task = "" if source.task_id is None else f"{source.task_id}.{source.attempt}."
        parts, blobs = [], []
        for mime_type, content, metadata in shown.contents:
            kept = encodable(self._redacted(content)) if isinstance(content, str) else content
            part, blob = stored_part(mime_type, kept, metadata and encodable(metadata))
            parts.append(part)
            blobs += [] if blob is None else [blob]
        state = OutputState(*source, self._now(), encodable(task + shown.output_id), tuple(parts))
        return _Output(state, tuple(blobs))

    def _redacted(self, message: str) -> str:
        try:
            return self._redact(message)
        except Exception as error:
            return f"redact failed on a line of the log: {type(error).__name__}"

    def _keep(self, source: LogSource, report: OutputLine | Shown) -> None:
        kept: LogLine | _Output
        with capturing_for(None):  # the user's `redact` and the echo's stream may print
            if isinstance(report, Shown):
                kept = self._output(source, report)
            else:
                kept = self._line(source, report)
                _echo(kept)
        if self._is_closed:
            return
        if self._characters > WAITING_CHARACTERS:
            self._lost += 1
            return
        self._characters += _size(kept)
        self._waiting.append(kept)
        self._remind()

    # -- writing ---------------------------------------------------------------------------------

    @property
    def _pause(self) -> float:
        return PAUSE_SECONDS

    @property
    def _has_waiting(self) -> bool:
        return bool(self._waiting)

    def flush(self, can_wait: Callable[[], bool]) -> None:
        """Wait until what was printed and displayed by now is on disk, while `can_wait` allows that."""
        for output in list(self._open.values()):
            output.flush_shown()
        super().flush(can_wait)

    def forget(self, instance_ids: Sequence[str], execution_ids: Sequence[str]) -> None:
        """Write the lines of what is about to be purged, and keep no more of them."""
        instances, executions = set(instance_ids), set(execution_ids)
        for source, output in list(self._open.items()):
            if source.instance_id in instances or source.execution_id in executions:
                output.mute()
        self._write()

    def _write_waiting(self) -> None:
        left = len(self._waiting)  # what comes meanwhile is for the next visit
        while left > 0:
            lines: list[LogLine] = []
            outputs: dict[tuple[str, str], _Output] = {}  # of several states only the last one
            for _ in range(min(left, LINES_AT_ONCE)):
                entry = self._waiting.popleft()
                left -= 1
                self._characters -= _size(entry)
                if isinstance(entry, LogLine):
                    lines.append(entry)
                else:
                    outputs[entry.state.key] = entry
            self._write_to_store(lines, list(outputs.values()))
        if not self._waiting:
            self._characters = 0  # threads that add to it at the same time may have lost count

    def _write_to_store(self, lines: Sequence[LogLine], outputs: Sequence[_Output]) -> None:
        reason = "they came faster than the disk took them"
        try:
            if lines:
                self._store.append_lines(lines)
        except Exception as error:
            self._lost += len(lines)
            reason = str(error)
        try:
            if outputs:
                blobs = [blob for output in outputs for blob in output.blobs]
                self._store.append_outputs([output.state for output in outputs], blobs)
        except Exception as error:
            self._lost += len(outputs)
            reason = str(error)
        if self._lost and not self._has_warned:
            self._has_warned = True
            log.warning("Lines or outputs of the log were dropped, and more may be: %s", reason)


class _Output(NamedTuple):
    """The state of an output, and the blobs that it refers to."""

    state: OutputState
    blobs: tuple[Blob, ...]


def _size(kept: LogLine | _Output) -> int:
    return len(kept.message) if isinstance(kept, LogLine) else sum(part.size for part in kept.state.parts)


class OrchestratorLog:
    """Context that captures what an orchestrator prints in an episode that is no replay.

    Parameters
    ----------
    writer
        Where the lines go.
    instance_id, execution_id, name
        The instance, its execution, and the name of the orchestrator.
    """

    __slots__ = ("_output", "_source", "_token", "_writer")

    _token: Token[OutputOwner | None]

    def __init__(self, writer: LogWriter, instance_id: str, execution_id: str, name: str) -> None:
        self._writer = writer
        self._source = LogSource(instance_id, execution_id, None, name)
        self._output: CapturedOutput | None = None

    @property
    def output(self) -> CapturedOutput:
        """Takes what the orchestrator prints."""
        if self._output is None:
            self._output = self._writer.open(self._source)
        return self._output

    def warn(self, message: str, shown: str) -> None:
        """Add a warning to the instance's log, and show another one unless that is empty."""
        self.output.tell("WARNING", log.name, message)
        if shown:
            with capturing_for(None):
                log.warning("%s", shown)

    def __enter__(self) -> Self:
        self._token = enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        current_owner.reset(self._token)
        if self._output is not None:
            self._writer.close(self._source)


def _echo(line: LogLine) -> None:
    stream = options.echo
    if stream is not None:
        with contextlib.suppress(Exception):
            stream.write(f"{line.instance_id} {line.author}: {line.message}\n")
            stream.flush()


def encodable(text: str) -> str:
    """Return the text without lone surrogates, which UTF-8 can't encode."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
