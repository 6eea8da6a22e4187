"""The context of an activity's call, and the reports that the call sends to the hub while it runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple, Self

from durablenb.model.address import Address
from durablenb.model.logs import OutputLine
from durablenb.model.outputs import Shown
from durablenb.model.plain import Plain, plain


def call_key(hub_id: str, execution_id: str, task_id: int, name: str, text: str) -> str:
    """Return the key of a call: the same for all its tries.

    After a rewind another call may have the same task id, so name and input count as well.

    Parameters
    ----------
    hub_id, execution_id
        The hub and the execution.
    task_id
        The task of the call's first try.
    name, text
        The activity's name, and its input as text.
    """
    call = f"{name}\n{text}".encode(errors="backslashreplace")
    return f"{hub_id}:{execution_id}:{task_id}:{sha256(call).hexdigest()[:8]}"


@plain
class ActivityInfo(Plain):
    """The context of one attempt of a call; it can be pickled.

    Parameters
    ----------
    instance_id, execution_id
        The ids of the instance and of its execution.
    name
        The activity's name.
    task_id
        The task of that execution.
    attempt
        The number of the try, from 1: a retry policy's tries and those that a crash interrupted.
    key
        The same for all tries of the call, and for no other call.
    deadline
        When the call times out, aware, UTC; None for no limit.
    last_checkpoint
        The last checkpoint of an earlier try, as text of the codec; None if there is none.
    address
        Where the hub was served when the try began; None if it wasn't.
    """

    instance_id: str
    execution_id: str
    name: str
    task_id: int
    attempt: int = 1
    key: str = ""
    deadline: datetime | None = None
    last_checkpoint: str | None = None
    address: Address | None = None


class Progress(NamedTuple):
    """How far a call is: `done` of `total`, in units of the activity's own, and a note.

    `done` is None if that isn't known: the call only says that it is alive.
    """

    done: float | None
    total: float | None = None
    note: str | None = None


class Checkpoint(NamedTuple):
    """A value for the next try of the call, as text of the codec."""

    text: str


class Streamed(NamedTuple):
    """The next text of a call's stream."""

    text: str


Report = OutputLine | Shown | Progress | Checkpoint | Streamed
"""The reports of a running call to the hub."""

REPORTS = (OutputLine, Shown, Progress, Checkpoint, Streamed)
"""The classes of reports, for `isinstance`."""


class StreamPiece(str):
    """A piece of the text that a running activity streams; `handle.stream()` yields them.

    It is a `str` that knows where it comes from.

    Examples
    --------
    >>> import durablenb as df
    >>> piece = df.StreamPiece("Hel", "order-7", "write", 0, 2)
    >>> piece + "lo", piece.name, piece.task_id, piece.attempt
    ('Hello', 'write', 0, 2)
    """

    __slots__ = ("attempt", "instance_id", "name", "task_id")

    instance_id: str
    """The instance whose activity it is; it may be a sub-orchestration of the one that is read."""
    name: str
    """The activity's name."""
    task_id: int
    """The id of the task in the execution's history."""
    attempt: int
    """The number of the attempt, from 1. A new attempt streams its text from the beginning."""

    def __new__(
        cls, text: str, instance_id: str = "", name: str = "", task_id: int = -1, attempt: int = 1
    ) -> Self:
        """Return a piece with this text."""
        piece = super().__new__(cls, text)
        piece.instance_id, piece.name, piece.task_id, piece.attempt = instance_id, name, task_id, attempt
        return piece


class TextStream:
    """The pieces of text that activities of an instance stream, for ``for`` and ``async for``.

    `Handle.stream` returns it. This class has none; that of a hub that is open has those that come.
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> StreamPiece:
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamPiece:
        raise StopAsyncIteration

    def close(self) -> None:
        """Read no more pieces."""


class ActivityAttempt(NamedTuple):
    """An attempt of a call, as it was last reported. No event of a history depends on it.

    Parameters
    ----------
    instance_id, execution_id, task_id
        The task.
    key
        The key of the call, which all its tries have.
    attempt
        The number of the try, from 1.
    retry
        The number of the try as a retry policy counts: without tries that were interrupted.
    started_at
        When it began, aware, UTC.
    worker
        Where it runs; None for the hub's own thread.
    done, total, note
        Its progress; `done` is None if it has reported none.
    checkpoint
        Its last checkpoint, as text of the codec.
    reported_at
        When it last reported something, aware, UTC.
    """

    instance_id: str
    execution_id: str
    task_id: int
    key: str
    attempt: int
    retry: int
    started_at: datetime
    worker: str | None = None
    done: float | None = None
    total: float | None = None
    note: str | None = None
    checkpoint: str | None = None
    reported_at: datetime | None = None


def latest(attempts: Iterable[ActivityAttempt]) -> list[ActivityAttempt]:
    """Return the last of the rows of each try."""
    return list({(row.execution_id, row.task_id, row.attempt): row for row in attempts}.values())


class EarlierTries(NamedTuple):
    """The state that the attempts of a call leave to the next one.

    Parameters
    ----------
    last
        The number of the last one; 0 if there was none.
    uncounted
        How many of them the retry policy doesn't count: they were interrupted, or rewound.
    checkpoint
        The last checkpoint of any of them, as text of the codec.
    """

    last: int = 0
    uncounted: int = 0
    checkpoint: str | None = None

    def number(self, retry: int) -> int:
        """Return the number of the next try, which is the `retry`-th one for the retry policy."""
        return max(retry + self.uncounted, self.last + 1)
