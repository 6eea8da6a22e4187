"""The history of an instance, as a list and as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from durablenb.core.records import described
from durablenb.model.events import Event
from durablenb.model.failures import FailureDetails
from durablenb.queries.text import shortened

_PAYLOADS = ("input", "result", "failure", "reason", "status", "fire_at")


class History(Sequence[Event]):
    """The events of an instance, oldest first; printed, a line for each.

    Parameters
    ----------
    instance_id
        Whose they are.
    events
        Of all its executions.
    """

    def __init__(self, instance_id: str, events: Sequence[Event]) -> None:
        self.instance_id = instance_id
        self._events = tuple(events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> History: ...
    def __getitem__(self, index: int | slice) -> Event | History:
        if isinstance(index, slice):
            return History(self.instance_id, self._events[index])
        return self._events[index]

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, History):
            return self._events == other._events
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.instance_id)

    def __str__(self) -> str:
        return "\n".join(line_of(event) for event in self._events)

    def __repr__(self) -> str:
        count = f"{len(self):,} event" + ("" if len(self) == 1 else "s")
        last = f", the last one {described(self._events[-1])}" if self._events else ""
        return f"<History of {self.instance_id}: {count}{last}>"


def line_of(event: Event) -> str:
    """Return one event as a line of text."""
    moment = f"{event.timestamp:%Y-%m-%d %H:%M:%S}.{event.timestamp.microsecond // 1000:03}"
    line = f"{event.event_id:>5}  {moment}  {described(event)}"
    for field in _PAYLOADS:
        value: Any = getattr(event, field, None)
        if isinstance(value, FailureDetails):
            value = f"{value.error_type}: {value.message}"
        if value not in (None, "null", ""):
            line += f"  {shortened(str(value), 60)}"
    return line
