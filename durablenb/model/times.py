"""Times as users give them."""

from __future__ import annotations

from datetime import UTC, datetime


def aware(moment: datetime | None) -> datetime | None:
    """The moment in UTC; a naive one is UTC already."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise TypeError(f"Expected a datetime, not {moment!r}.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
