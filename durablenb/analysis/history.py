"""The history of an instance, as a list and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from durablenb.analysis.of_instance import OfInstance
from durablenb.analysis.text import padded, plural, shortened
from durablenb.analysis.timeline import timeline_text
from durablenb.analysis.value_text import failure_line, value_text
from durablenb.core.generations import GenerationCounter, purged_text
from durablenb.core.requests import describe_event
from durablenb.model.events import VALUES, Event
from durablenb.model.failures import FailureDetails

_PAYLOADS = (*VALUES, "failure", "reason", "fire_at")


class History(OfInstance[Event]):
    """The events of an instance, oldest first. Printing the history prints a line for each.

    Parameters
    ----------
    instance_id
        The instance's id.
    events
        The events of all executions.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock())
    >>> @hub.orchestrator
    ... def double(context):
    ...     return 2 * context.get_input()
    >>> handle = hub.start(double, 21)
    >>> handle.result()
    42
    >>> print(handle.history())
        1  2026-01-01 00:00:00.000  ExecutionStarted 'double'         21
        2  2026-01-01 00:00:00.000  OrchestratorStarted
        3  2026-01-01 00:00:00.000  ExecutionCompleted                42
    >>> hub.close()
    """

    def __init__(self, instance_id: str, events: Sequence[Event]) -> None:
        super().__init__(instance_id, events)

    def timeline(self, width: int = 58) -> str:
        """Return the timeline as text: a bar for each task.

        Parameters
        ----------
        width
            The width of the whole timeline in characters.
        """
        return timeline_text(self._items, width)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        counter = GenerationCounter()
        for event in self._items:
            if gone := counter.read(event):
                yield f"       {purged_text(gone)}"
            yield event_line(event)

    def __repr__(self) -> str:
        count = plural(len(self), "event")
        last = f", the last one {describe_event(self._items[-1])}" if self._items else ""
        return f"<History of {self.instance_id}: {count}{last}>"


def event_line(event: Event) -> str:
    """Return one event as a line of text."""
    moment = f"{event.timestamp:%Y-%m-%d %H:%M:%S}.{event.timestamp.microsecond // 1000:03}"
    attempt = getattr(event, "attempt", 1)
    what = shortened(describe_event(event), 60) + (f" (attempt {attempt})" if attempt > 1 else "")
    if getattr(event, "cached_from", None) is not None:
        what += " (from cache)"
    line = f"{event.event_id:>5}  {moment}  {padded(what, 32)}"
    return f"{line}  {shortened(event_value(event), 60)}".rstrip()


def event_value(event: Event) -> str:
    """Return the payload of an event as text; empty if it has none."""
    for field in _PAYLOADS:
        value: Any = getattr(event, field, None)
        if isinstance(value, FailureDetails):
            return failure_line(value)
        if value not in (None, "null", ""):
            return value_text(value)
    return ""
