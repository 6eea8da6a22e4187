"""The context of an activity's call: what it knows of itself, and how it reports to the hub."""

from __future__ import annotations

import logging
import math
import sys
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from durablenb.model.activities import ActivityInfo
from durablenb.model.address import served_at
from durablenb.model.errors import ActivityCancelledError
from durablenb.model.events import Event

_LARGEST = sys.float_info.max


class ActivityContext:
    """The context of a running call of an activity; `current_activity` returns it.

    A parameter of an activity that is annotated with this class gets the context as well. The methods may be
    called from any thread.

    A context that you create yourself reports nothing. With it, a function that has such a parameter can be
    called and tested without a hub.

    Parameters
    ----------
    instance_id, execution_id
        The ids of the instance and of its execution; empty outside an activity.
    name
        The activity's name.
    task_id
        The id of the task in the execution's history; -1 outside an activity.
    attempt
        The number of this attempt of the call, from 1. It counts the attempts of a retry policy, and
        those that were interrupted, for example because the kernel was killed.
    key
        The idempotency key: the same text for all attempts of this call, and for no other call. Pass it to a
        service that must not act twice, such as a bank.
    deadline
        When the call times out, aware, UTC; None for no limit.
    last_checkpoint
        The last value that an earlier attempt of this call passed to `checkpoint`; None if there is none.
    is_cancelled
        Whether the call should stop, since its result isn't needed any more.

    Examples
    --------
    >>> import durablenb as df
    >>> def load(pages: int, activity: df.ActivityContext):
    ...     first = activity.last_checkpoint or 0
    ...     for page in range(first, pages):
    ...         activity.progress(page, pages)
    ...     return f"{pages - first} pages, attempt {activity.attempt}"
    >>> load(10, df.ActivityContext(attempt=2, last_checkpoint=7))
    '3 pages, attempt 2'
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> load = hub.activity(load)
    >>> @hub.orchestrator
    ... def main(context):
    ...     return (yield context.call_activity(load, 10))
    >>> hub.run(main)
    '10 pages, attempt 1'
    >>> hub.close()
    """

    def __init__(
        self,
        *,
        instance_id: str = "",
        execution_id: str = "",
        name: str = "",
        task_id: int = -1,
        attempt: int = 1,
        key: str = "",
        deadline: datetime | None = None,
        last_checkpoint: Any = None,
        is_cancelled: bool = False,
    ) -> None:
        self._info = ActivityInfo(instance_id, execution_id, name, task_id, attempt, key, deadline)
        self._last_checkpoint = last_checkpoint
        self._is_cancelled = is_cancelled

    @property
    def instance_id(self) -> str:
        """The id of the instance; empty outside an activity."""
        return self._info.instance_id

    @property
    def execution_id(self) -> str:
        """The id of the execution; empty outside an activity."""
        return self._info.execution_id

    @property
    def name(self) -> str:
        """The activity's name; empty outside an activity."""
        return self._info.name

    @property
    def task_id(self) -> int:
        """The id of the task in the execution's history; -1 outside an activity."""
        return self._info.task_id

    @property
    def attempt(self) -> int:
        """The number of this attempt of the call, from 1; retries and interrupted attempts count."""
        return self._info.attempt

    @property
    def key(self) -> str:
        """The idempotency key: the same for all attempts of this call, and for no other call."""
        return self._info.key

    @property
    def deadline(self) -> datetime | None:
        """When the call times out, aware, UTC; None for no limit."""
        return self._info.deadline

    @property
    def last_checkpoint(self) -> Any:
        """The last value that an earlier attempt passed to `checkpoint`; None if there is none."""
        return self._last_checkpoint

    @property
    def is_cancelled(self) -> bool:
        """True if the call should stop, since its result isn't needed any more."""
        return self._is_cancelled

    def management_urls(self) -> dict[str, str]:
        """Return the URLs by which the instance is managed over HTTP, by Azure's names, for a mail or a chat.

        They are those of ``client.create_http_management_payload(instance_id)``. Each of them contains the
        server's key: whoever has one can raise events and terminate instances.

        Raises
        ------
        DurableError
            If the hub wasn't served when the call began, or if this is no call.
        """
        return served_at(self._info.address).management_urls(self._info.instance_id)

    def raise_if_cancelled(self) -> None:
        """Raise if the call is to stop; call it between two steps of a long activity.

        Raises
        ------
        ActivityCancelledError
            If the call is to stop.
        """
        if self.is_cancelled:
            raise ActivityCancelledError(
                f"The call of {self.name!r} was cancelled: its result isn't needed any more."
            )

    @property
    def logger(self) -> logging.Logger:
        """The logger of the activity's name; records that your configuration lets through are in the log."""
        return logging.getLogger(self.name or "durablenb.activity")

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Report how far the call is; the last report counts.

        Views and tables show it, a few times a second at most. A call costs less than a microsecond, so you
        can report each step of a loop. It can't make the call slower or fail because of the hub or the disk.

        Parameters
        ----------
        done
            How much is done, in any unit.
        total
            How much there is to do, in the same unit; None if that is unknown.
        note
            A short text on what is being done, such as the name of a file.

        Raises
        ------
        TypeError
            If `done` or `total` is no number, or `note` no text.
        """
        checked_progress(done, total, note)

    def stream(self, text: str) -> None:
        """Send the next piece of a text that comes bit by bit, such as the tokens of a language model.

        ``handle.stream()`` yields the pieces a few times a second while the call runs, and live views show
        the last ones. The journal keeps nothing of them: what the activity returns is the result. A piece is
        a sign of life, as `heartbeat` is. A call costs less than a microsecond.

        Parameters
        ----------
        text
            The piece. Pieces that follow each other quickly may be joined.

        Raises
        ------
        TypeError
            If it is no text.
        """
        checked_piece(text)

    def checkpoint(self, value: Any) -> None:
        """Keep a value for the next attempt of this call, in case this one fails or is interrupted.

        The next attempt gets it as `last_checkpoint`. The last value counts. It is on disk within half a
        second, and before a failure of this call.

        Parameters
        ----------
        value
            Any value that an activity may return. Keep it small: it is encoded each time.

        Raises
        ------
        NotSerializableError
            If the value can't be kept.
        """

    def heartbeat(self) -> None:
        """Report that the call is alive, where there is neither progress nor a checkpoint to report.

        A call of an activity with a ``heartbeat_timeout=`` that reports nothing for that long counts as lost.
        `progress` and `checkpoint` are signs of life, too. A call costs less than a microsecond.
        """

    def _history(self) -> list[Event]:
        """Return the instance's events in the journal, since its last start or rewind; none outside a call.

        Raises
        ------
        DurableError
            In another process than the hub's.
        """
        return []

    def __repr__(self) -> str:
        if not self.name:
            return "<no activity>"
        return f"<{self.name} #{self.task_id} of {self.instance_id}, attempt {self.attempt}>"


def checked_piece(text: Any) -> str:
    """Return the argument of `ActivityContext.stream`."""
    if not isinstance(text, str):
        raise TypeError(f"stream got {text!r}; expected text.")
    return text


def checked_progress(done: Any, total: Any, note: Any) -> tuple[float, float | None, str | None]:
    """Return the arguments of `ActivityContext.progress`, as plain numbers and text."""
    try:
        numbers = float(done), None if total is None else float(total)
        if math.isnan(numbers[0]) or not (note is None or isinstance(note, str)):
            raise TypeError
    except (TypeError, ValueError):
        raise TypeError(
            f"progress got done={done!r}, total={total!r}, note={note!r}; expected numbers, and text or None."
        ) from None
    count, whole = numbers
    is_known = whole is not None and math.isfinite(whole)  # tqdm's totals may be infinite
    return min(max(count, -_LARGEST), _LARGEST), whole if is_known else None, note


current_context: ContextVar[ActivityContext | None] = ContextVar("current_context", default=None)
"""The context of the call that runs here; None outside an activity."""

_NOWHERE = ActivityContext()


def current_activity() -> ActivityContext:
    """Return the context of the activity that runs here.

    Outside an activity it is a context that does nothing, so functions that use it can be called anywhere.
    A thread that an activity starts by itself doesn't have the context: pass it on.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.activity
    ... def greet(name):
    ...     activity = df.current_activity()
    ...     activity.progress(1, 1)
    ...     return f"Hello {name}, from {activity.name} #{activity.task_id}, attempt {activity.attempt}"
    >>> @hub.orchestrator
    ... def main(context):
    ...     return (yield context.call_activity(greet, "Ada"))
    >>> hub.run(main)
    'Hello Ada, from greet #0, attempt 1'
    >>> df.current_activity()
    <no activity>
    >>> hub.close()
    """
    return current_context.get() or _NOWHERE
