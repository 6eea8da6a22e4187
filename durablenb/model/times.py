"""Times that users pass, and times in UTC with and without their zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

LONGEST_TIMEOUT = timedelta(days=36_525)
"""The longest time-out: a hundred years."""


@overload
def aware(moment: datetime) -> datetime: ...
@overload
def aware(moment: None) -> None: ...
@overload
def aware(moment: datetime | None) -> datetime | None: ...
def aware(moment: datetime | None) -> datetime | None:
    """Return a datetime in UTC; a naive one counts as UTC."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise TypeError(f"Expected a datetime, not {moment!r}.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def naive(moment: datetime) -> datetime:
    """Return an aware datetime in UTC without its zone, as tables and durabletask have it."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def checked_timeout(timeout: object, name: str = "timeout") -> float | None:
    """Return a time-out in seconds, or None for none.

    Raises
    ------
    TypeError
        If it is neither a number of seconds nor a `timedelta`.
    ValueError
        If it isn't more than 0, or longer than a hundred years.
    """
    if timeout is None:
        return None
    if isinstance(timeout, timedelta):
        seconds = timeout.total_seconds()
    elif isinstance(timeout, (int, float)) and not isinstance(timeout, bool):
        seconds = timeout
    else:
        raise TypeError(f"{name} is {timeout!r}; expected a number of seconds, a timedelta, or None.")
    if not 0 < seconds <= LONGEST_TIMEOUT.total_seconds():
        raise ValueError(
            f"{name} is {timeout!r}; expected more than 0 seconds and at most a hundred years. Leave it out "
            "for no limit."
        )
    return float(seconds)
