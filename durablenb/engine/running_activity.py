"""The context of a running call, in any process: it sends the call's reports, a few times a second."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from contextvars import Token
from typing import Any, Protocol, Self

from durablenb.core.activity_context import (
    ActivityContext,
    checked_piece,
    checked_progress,
    current_context,
)
from durablenb.engine import locks
from durablenb.engine.capture.progress_bars import follow_bars
from durablenb.model.activities import ActivityInfo, Checkpoint, Progress, Report, Streamed
from durablenb.model.events import Event
from durablenb.model.payloads import Codec

PAUSE_SECONDS = 0.2
"""Seconds between two reports of progress of a call, two checkpoints, and two pieces of its stream."""

IDLE_SECONDS = 2.0
"""Seconds after which the thread that sends reports ends, if there are none."""


_Latest = tuple[float, float | None, str | None]


class ReportingCall(Protocol):
    """A call, as its context needs it: a job of this process, or its substitute in another one."""

    @property
    def info(self) -> ActivityInfo:
        """The context of the call."""
        ...

    @property
    def codec(self) -> Codec:
        """The codec of checkpoints."""
        ...

    @property
    def is_cancelled(self) -> bool:
        """True if the call is to stop."""
        ...

    def report(self, report: Report) -> None:
        """Receive a report; from any thread."""
        ...

    def history(self) -> list[Event]:
        """Return the events of the instance's last execution that are in the journal."""
        ...


class RunningActivity(ActivityContext):
    """The context of a call while its function runs, which is the ``with`` block.

    Parameters
    ----------
    call
        The call.

    Notes
    -----
    `progress` and `checkpoint` only keep the latest value. A thread that all calls of the process share sends
    it, so that the activity never waits. What is left at the end is sent there, before the outcome.
    """

    # Defaults, so that a call that reports nothing costs next to nothing.
    _token: Token[ActivityContext | None]
    _latest: _Latest | None = None
    _sent: _Latest | None = None
    _text: str | None = None
    _sent_text: str | None = None
    _pieces: deque[str] | None = None
    _lock: threading.Lock | None = None
    _is_beating = False
    _is_due = False
    _is_over = False

    def __init__(self, call: ReportingCall) -> None:
        self._call = call

    def __enter__(self) -> Self:
        follow_bars()
        self._token = current_context.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        current_context.reset(self._token)
        self._is_over = True
        if self._lock is not None:
            with self._lock:
                if self._is_due:
                    self._send()

    @property
    def _info(self) -> ActivityInfo:  # type: ignore[override]  # an attribute of one without a call
        return self._call.info

    @property
    def last_checkpoint(self) -> Any:
        """The last value that an earlier try passed to `checkpoint`; None if there is none."""
        text = self._call.info.last_checkpoint
        return None if text is None else self._call.codec.decode(text)

    @property
    def is_cancelled(self) -> bool:
        """True if the call should stop, since its result isn't needed any more."""
        return self._call.is_cancelled

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Report how far the call is; see `ActivityContext.progress`."""
        self._latest = done, total, note
        if not self._is_due:
            self._latest = checked_progress(done, total, note)
            self._be_due()

    def stream(self, text: str) -> None:
        """Send the next piece of a text; see `ActivityContext.stream`."""
        pieces = self._pieces
        if pieces is None:
            pieces = self.__dict__.setdefault("_pieces", deque())  # one of several threads makes it
        pieces.append(checked_piece(text))
        if not self._is_due:
            self._be_due()

    def checkpoint(self, value: Any) -> None:
        """Keep a value for the next try; see `ActivityContext.checkpoint`."""
        self._text = self._call.codec.encode(value, "checkpoint")
        if not self._is_due:
            self._be_due()

    def heartbeat(self) -> None:
        """Report that the call is alive; see `ActivityContext.heartbeat`."""
        self._is_beating = True
        if not self._is_due:
            self._be_due()

    def _history(self) -> list[Event]:
        return self._call.history()

    def send(self) -> None:
        """Send what was reported since the last time, unless the call has ended."""
        assert self._lock is not None
        with self._lock:
            if not self._is_over:
                self._send()

    def _be_due(self) -> None:
        if self._is_over:  # a thread that the activity has left behind
            return
        self._is_due = True
        _sender.add(self)

    def make_lock(self) -> None:
        """Create the lock of its reports before the first one; one thread at a time."""
        if self._lock is None:
            self._lock = threading.Lock()

    def _send(self) -> None:
        self._is_due = False  # before the values are read: a later one is due again
        is_beating, self._is_beating = self._is_beating, False
        latest, text = self._latest, self._text
        if latest is not None and (is_beating or latest is not self._sent):
            self._sent = latest
            with contextlib.suppress(TypeError):  # the next report that is checked raises it
                self._call.report(Progress(*checked_progress(*latest)))
        elif is_beating:
            self._call.report(Progress(None))
        if pieces := self._pieces:
            self._call.report(Streamed("".join(pieces.popleft() for _ in range(len(pieces)))))
        if text is not self._sent_text and text is not None:
            self._sent_text = text
            self._call.report(Checkpoint(text))


class _Sender:
    """Sends the reports of this process's calls, in a thread that exists while there are any."""

    def __init__(self) -> None:
        self._due: list[RunningActivity] = []
        self._wake = locks.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, context: RunningActivity) -> None:
        """Have a context's reports sent soon."""
        with self._lock:
            context.make_lock()
            self._due.append(context)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="durablenb-reports", daemon=True)
                with contextlib.suppress(RuntimeError):  # the system has no more threads: sent at the end
                    thread.start()
                    self._thread = thread
        self._wake.set()

    def _run(self) -> None:
        while self._wake.wait(IDLE_SECONDS) or not self._has_ended():
            self._wake.clear()
            with self._lock:
                due, self._due = self._due, []
            for context in due:
                context.send()
            del due
            time.sleep(PAUSE_SECONDS)

    def _has_ended(self) -> bool:
        with self._lock:
            if self._due:
                return False
            self._thread = None
            return True


_sender = _Sender()
