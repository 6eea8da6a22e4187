"""Calls on a worker of a cluster: they run, tell the hub how far they are, and return an answer."""

from __future__ import annotations

import pickle
import platform
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, NamedTuple

from durablenb.core.ports.executor import ActivityOutcome
from durablenb.engine.pickled_calls import PickledCall, run_pickled
from durablenb.model.activities import Checkpoint, Progress, Report, Streamed
from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown
from durablenb.model.payloads import Blob, Payload, carried_blobs, disclosed, enclosed
from durablenb.model.version import VERSION
from durablenb.values.payload_files import PayloadFolder, allow, moved_to_files

PAUSE_SECONDS = 0.1
"""Seconds between two messages of a call. A call that is shorter sends none."""

IDLE_SECONDS = 2.0
"""Seconds without a call after which the thread that sends messages ends."""

RECENT_SECONDS = 2.0
"""Lines and outputs sent in the last seconds are in the answer as well: it may overtake the messages."""

LINES_AT_ONCE = 500
"""How many lines a message has at most; the answer has the rest."""

CHARACTERS_AT_ONCE = 200_000
"""How many characters a message has at most, if it has more than one line."""

OUTPUT_BYTES_AT_ONCE = 200_000
"""How many bytes of outputs a message has at most; the answer has the larger ones."""

KEPT_REVOKED = 100_000

Message = dict[str, Any]
"""News of a running call for the hub: plain data, for any transport."""


class Envelope(NamedTuple):
    """A call on its way to a worker.

    Parameters
    ----------
    versions
        Those of the hub's process, see `own_versions`.
    topic, key
        Where messages of the call go, and the name of the call there.
    session
        The session of the hub that sent it; `revoke` names it.
    attempt
        The number of the try.
    payloads
        The folder for large results; empty for none.
    call
        The pickled `PickledCall`, without its function and its large blobs.
    """

    versions: tuple[str, ...]
    topic: str
    key: str
    session: str
    attempt: int
    payloads: str
    call: bytes


class Answer(NamedTuple):
    """The answer of a worker to a call.

    Parameters
    ----------
    outcome
        The outcome; None if the call was revoked before it began.
    worker, node
        The address of the worker, and the name of its machine.
    took, ended
        How many seconds the call ran, and when it ended, by the worker's clock, in seconds since 1970.
    first, lines
        The last lines that it printed, and the number of the first one of them.
    sent
        How many lines were sent in messages before.
    latest
        Its last progress, checkpoint and outputs, if they weren't sent before.
    session
        The session of the hub that sent the call.
    attempt
        The number of the attempt, from 1.
    """

    outcome: ActivityOutcome | None
    worker: str
    node: str
    took: float = 0.0
    ended: float = 0.0
    first: int = 0
    lines: Sequence[OutputLine] = ()
    sent: int = 0
    latest: Sequence[Report] = ()
    session: str = ""
    attempt: int = 1


@cache
def own_versions() -> tuple[str, ...]:
    """Return the versions on which pickled functions depend: of Python, durablenb and cloudpickle."""
    import cloudpickle

    return f"{sys.version_info.major}.{sys.version_info.minor}", VERSION, cloudpickle.__version__


def refusal(wanted: tuple[str, ...], worker: str) -> str | None:
    """Return why a worker can't run calls of a hub with these versions; None if it can."""
    own = own_versions()
    if own == wanted:
        return None
    names = ("Python", "durablenb", "cloudpickle")
    here, there = (
        ", ".join(
            f"{name} {version}"
            for name, version, other in zip(names, ours, theirs, strict=True)
            if version != other
        )
        for ours, theirs in ((own, wanted), (wanted, own))
    )
    return (
        f"the worker {worker} has {here}, and the hub has {there}. Functions are sent by value, which needs "
        "the same versions on both sides: install them on the workers"
    )


def run_envelope(
    envelope: Envelope,
    function: bytes,
    blobs: Mapping[str, bytes],
    send: Callable[[Message], None],
    worker: str,
) -> Answer | str:
    """Return the answer to a call, or the reason why this worker can't run it.

    Parameters
    ----------
    envelope, function, blobs
        The call, its pickled function, and large blobs of its input, by their hashes.
    send
        Sends a message to the hub; from any thread.
    worker
        The worker's address.
    """
    why_not = refusal(envelope.versions, worker) or _folder_refusal(envelope.payloads, worker)
    if why_not is not None:
        return why_not
    node = platform.node()
    running = RunningCall(envelope, send, worker, node)
    if not _calls.begin(envelope.session, running):
        return Answer(None, worker, node)
    started = time.perf_counter()
    try:
        call: PickledCall = replace(pickle.loads(envelope.call), function=function)
        if blobs:
            large = [Blob(hash, "", content) for hash, content in blobs.items()]
            call = replace(call, text=Payload(str(call.text), (*carried_blobs(call.text), *large)))
        outcome = run_pickled(call, running.report, running.is_cancelled)
        if envelope.payloads and isinstance(outcome, str):
            try:
                outcome = moved_to_files(outcome, PayloadFolder(envelope.payloads))
            except Exception as error:
                outcome = call.codec.failure(error)
    finally:
        _calls.end(running)
    took, ended = time.perf_counter() - started, time.time()
    return Answer(
        outcome,
        worker,
        node,
        took,
        ended,
        *running.rest(),
        session=envelope.session,
        attempt=envelope.attempt,
    )


@lru_cache(maxsize=256)
def _sees(folder: str) -> bool:
    allow(folder)
    return PayloadFolder(folder).is_there()


def _folder_refusal(folder: str, worker: str) -> str | None:
    """Return why a worker can't use a folder for large results; None if it can."""
    if not folder or _sees(folder):
        return None
    _sees.cache_clear()  # it may be mounted later
    return (
        f"the worker {worker} doesn't see the payload folder {folder}: it isn't there, or it is another one "
        "of the same name. Mount the folder on all workers, or set payloads= to a URL that all of them reach"
    )


class RunningCall:
    """A call that runs in this process, and what it has to tell the hub.

    Parameters
    ----------
    envelope
        The call.
    send
        Sends a message.
    worker, node
        The worker's address, and the name of its machine.
    """

    def __init__(self, envelope: Envelope, send: Callable[[Message], None], worker: str, node: str) -> None:
        self.key = envelope.key
        self._send = send
        self._about: Message = {
            "key": envelope.key,
            "attempt": envelope.attempt,
            "worker": worker,
            "node": node,
            "began": time.time(),
        }
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._lines: deque[OutputLine] = deque()
        self._recent: deque[tuple[float, OutputLine]] = deque()
        self._sent = 0
        self._latest: dict[type, Report] = {}
        self._pieces: list[str] = []
        self._shown: dict[str, Shown] = {}
        self._shown_recently: dict[str, tuple[float, Shown]] = {}
        self._has_announced = False
        self._must_stop = False

    def is_cancelled(self) -> bool:
        """Tell whether the hub wants the call to stop."""
        return self._must_stop

    def cancel(self) -> None:
        """Ask the call to stop."""
        self._must_stop = True

    def report(self, report: Report) -> None:
        """Keep a report for the next message."""
        with self._lock:
            if isinstance(report, OutputLine):
                self._lines.append(report)
            elif isinstance(report, Shown):
                self._shown.pop(report.output_id, None)
                self._shown[report.output_id] = report
            elif isinstance(report, Streamed):
                self._pieces.append(report.text)
            else:
                self._latest[type(report)] = report

    def tell(self) -> None:
        """Send what there is, once the call has run for a while."""
        with self._lock:
            if time.monotonic() - self._began < PAUSE_SECONDS:
                return
            outputs = self._next_outputs()
            if self._has_announced and not (self._lines or self._latest or self._pieces or outputs):
                return
            self._has_announced = True
            message = dict(self._about)
            lines = self._next_lines()
            if lines:
                message["first"] = self._sent - len(lines)
                message["lines"] = [[_encodable(part) for part in line] for line in lines]
            if outputs:
                message["outputs"] = [
                    [_encodable(output_id), [[_encodable(part) for part in content] for content in contents]]
                    for output_id, contents in outputs
                ]
            for report in self._latest.values():
                if isinstance(report, Checkpoint):
                    message["checkpoint"] = enclosed(report.text)
                else:
                    message["progress"] = [_encodable(part) for part in report]
            self._latest.clear()
            if self._pieces:
                message["streamed"] = _encodable("".join(self._pieces))
                self._pieces.clear()
            self._send(message)  # under the lock, so that messages don't overtake each other

    def rest(self) -> tuple[int, list[OutputLine], int, list[Report]]:
        """Return the last lines, with the number of the first one, the number of lines sent, and the rest."""
        with self._lock:
            self._forget_old()
            recent = [line for _, line in self._recent]
            shown = [one for _, one in self._shown_recently.values()]
            streamed = [Streamed("".join(self._pieces))] if self._pieces else []
            latest = [*self._latest.values(), *shown, *self._shown.values(), *streamed]
            return self._sent - len(recent), [*recent, *self._lines], self._sent, latest

    def _next_lines(self) -> list[OutputLine]:
        lines: list[OutputLine] = []
        characters = 0
        self._forget_old()
        while self._lines and len(lines) < LINES_AT_ONCE:
            characters += len(self._lines[0].message)
            if lines and characters > CHARACTERS_AT_ONCE:
                break
            lines.append(self._lines.popleft())
            self._recent.append((time.monotonic(), lines[-1]))
        self._sent += len(lines)
        return lines

    def _next_outputs(self) -> list[Shown]:
        """Return the outputs that the next message has: small ones, in their last states."""
        self._forget_old()
        outputs: list[Shown] = []
        room = OUTPUT_BYTES_AT_ONCE
        for shown in list(self._shown.values()):
            if shown.size <= room:
                room -= shown.size
                outputs.append(self._shown.pop(shown.output_id))
                self._shown_recently.pop(shown.output_id, None)
                self._shown_recently[shown.output_id] = time.monotonic(), shown
        return outputs

    def _forget_old(self) -> None:
        limit = time.monotonic() - RECENT_SECONDS
        while self._recent and self._recent[0][0] < limit:
            self._recent.popleft()
        while self._shown_recently:
            output_id, (sent_at, _) = next(iter(self._shown_recently.items()))
            if sent_at >= limit:
                break
            del self._shown_recently[output_id]


def _encodable(part: Any) -> Any:
    """Return a text without lone surrogates, which messages can't carry; anything else as it is."""
    return part.encode(errors="backslashreplace").decode() if isinstance(part, str) else part


class _Calls:
    """The calls that run in this process, and the thread that sends their messages."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, RunningCall] = {}
        self._revoked: dict[tuple[str, str], None] = {}
        self._thread: threading.Thread | None = None

    def begin(self, session: str, call: RunningCall) -> bool:
        """Add a call; return False if its session has revoked it."""
        with self._lock:
            if (session, call.key) in self._revoked:
                return False
            self._running[call.key] = call
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="durablenb-messages", daemon=True)
                self._thread.start()
        return True

    def end(self, call: RunningCall) -> None:
        """Remove a call."""
        with self._lock:
            if self._running.get(call.key) is call:
                del self._running[call.key]

    def revoke(self, session: str, keys: Iterable[str]) -> None:
        """Don't run calls of a session that have not begun."""
        with self._lock:
            self._revoked.update(((session, key), None) for key in keys)
            while len(self._revoked) > KEPT_REVOKED:
                del self._revoked[next(iter(self._revoked))]

    def cancel(self, keys: Iterable[str]) -> None:
        """Ask calls to stop."""
        with self._lock:
            for key in keys:
                if key in self._running:
                    self._running[key].cancel()

    def _run(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(PAUSE_SECONDS)
            with self._lock:
                calls = list(self._running.values())
                if calls:
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > IDLE_SECONDS:
                    self._thread = None
                    return
            for call in calls:
                call.tell()


_calls = _Calls()


def revoke(session: str, keys: Sequence[str]) -> None:
    """Don't run these calls of a session, unless they have begun; called on each worker."""
    _calls.revoke(session, keys)


def cancel(keys: Sequence[str]) -> None:
    """Ask these calls to stop; called on their workers."""
    _calls.cancel(keys)


def reports_in(message: Message) -> list[Report]:
    """Return the outputs, the progress, the checkpoint and the streamed text in a message."""
    reports: list[Report] = [
        Shown(output_id, tuple((mime_type, content, metadata) for mime_type, content, metadata in contents))
        for output_id, contents in message.get("outputs", ())
    ]
    if "progress" in message:
        reports.append(Progress(*message["progress"]))
    if "checkpoint" in message:
        reports.append(Checkpoint(disclosed(message["checkpoint"])))
    if "streamed" in message:
        reports.append(Streamed(message["streamed"]))
    return reports
