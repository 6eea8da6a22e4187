"""Durations in words."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (
    (86_400.0, "d", 345_600.0),
    (3_600.0, "h", 6_840.0),
    (60.0, "min", 114.0),
    (1.0, "s", 1.0),
    (0.001, "ms", 0.0),
)
"""Size in seconds, name, and from how many seconds on it is used."""


def lasting(duration: timedelta | float) -> str:
    """Return a duration in one unit.

    Examples
    --------
    >>> [lasting(seconds) for seconds in (0, 0.0004, 0.012, 3.21, 61, 5400, 259200)]
    ['0 s', '0.4 ms', '12 ms', '3.21 s', '61 s', '90 min', '72 h']
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds < 1e-6:
        return "0 s"
    size, unit = next((one for one in _UNITS if seconds >= one[2]), _UNITS[-1])[:2]
    return f"{seconds / size:.3g} {unit}" if seconds / size < 1_000 else f"{seconds / size:,.0f} {unit}"
