"""The orchestrator's clock: a datetime that can be compared with ISO 8601 text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


class Moment(datetime):
    """An aware datetime in UTC. Compared with text it reads the text as ISO 8601; naive text is UTC.

    Examples
    --------
    >>> from datetime import datetime, timedelta, timezone
    >>> now = Moment.of(datetime(2024, 5, 1, tzinfo=timezone.utc))
    >>> now + timedelta(hours=1) < "2024-05-01T02:00:00Z"
    True

    Notes
    -----
    The overview of Durable Functions compares ``current_utc_datetime`` with a time read from JSON.
    """

    __slots__ = ()

    @classmethod
    def of(cls, moment: datetime) -> Moment:
        """Return a datetime as a `Moment`."""
        return cls(
            moment.year,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond,
            moment.tzinfo,
        )

    @staticmethod
    def plain(moment: datetime) -> datetime:
        """Return this moment as a plain datetime."""
        return datetime.combine(moment.date(), moment.timetz())

    def __lt__(self, other: Any) -> bool:
        return super().__lt__(_read(other))

    def __le__(self, other: Any) -> bool:
        return super().__le__(_read(other))

    def __gt__(self, other: Any) -> bool:
        return super().__gt__(_read(other))

    def __ge__(self, other: Any) -> bool:
        return super().__ge__(_read(other))

    def __eq__(self, other: object) -> bool:
        return super().__eq__(_read(other))

    def __hash__(self) -> int:
        return super().__hash__()


def _read(other: Any) -> Any:
    """Return text as a datetime, a naive datetime as UTC, and anything else unchanged."""
    if isinstance(other, str):
        try:
            other = datetime.fromisoformat(other)
        except ValueError:
            return other
    if isinstance(other, datetime) and other.tzinfo is None:
        return other.replace(tzinfo=UTC)
    return other
