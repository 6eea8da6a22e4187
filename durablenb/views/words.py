"""Figures in words: durations, moments, counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from durablenb.queries.steps import CallState, Step

_UNITS = (
    (86_400.0, "d", 345_600.0),
    (3_600.0, "h", 6_840.0),
    (60.0, "min", 114.0),
    (1.0, "s", 1.0),
    (0.001, "ms", 0.0),
)
"""Size in seconds, name, and from how many seconds on it is used."""

_WORDS: dict[CallState, str] = {
    "failed": "failed",
    "not loaded": "not loaded",
    "retrying": "retrying",
    "open": "running",
    "canceled": "canceled",
    "left open": "left open",
    "completed": "completed",
}


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


def moment(when: datetime | None, *, with_date: bool = True) -> str:
    """Return a time, UTC, to the millisecond."""
    if when is None:
        return ""
    text = f"{when:%H:%M:%S}.{when.microsecond // 1000:03}"
    return f"{when:%Y-%m-%d} {text}" if with_date else text


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> plural(1, "step"), plural(12_000, "step"), plural(2, "child", "children")
    ('1 step', '12,000 steps', '2 children')
    """
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def compact(count: int) -> str:
    """Return a count that takes little room.

    Examples
    --------
    >>> compact(950), compact(10_000), compact(1_250_000)
    ('950', '10k', '1.2M')
    """
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.3g}k" if count < 1_000_000 else f"{count / 1_000_000:.2g}M"


def states_text(states: Mapping[CallState, int], kind: str = "activity") -> str:
    """Return how many calls are in each state; a timer or an event that is open is waited for."""
    words = dict(_WORDS)
    if kind == "timer":
        words |= {"open": "waiting", "completed": "fired"}
    elif kind == "external event":
        words |= {"open": "waiting", "completed": "arrived"}
    return ", ".join(f"{count:,} {words[state]}" for state, count in states.items())


def step_text(step: Step) -> str:
    """Return what became of a step, in a few words without times."""
    states = states_text(step.states, step.kind)
    if len(step.calls) == 1:
        states = states.removeprefix("1 ")
        if step.attempts > 1:
            states += f", {step.attempts:,} tries"
    elif step.attempts > len(step.calls):
        states += f", {step.attempts:,} tries"
    return states


def bare(message: str) -> str:
    """Return a failure's message without the traceback that Azure's library puts behind it."""
    return message.partition(" \n ")[0]
