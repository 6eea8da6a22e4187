"""Times that users pass."""

from __future__ import annotations

from datetime import UTC, datetime


def aware(moment: datetime | None) -> datetime | None:
    """Return a datetime in UTC; a naive one counts as UTC."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise TypeError(f"Expected a datetime, not {moment!r}.")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
