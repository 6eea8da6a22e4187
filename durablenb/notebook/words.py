"""Numbers in words: durations, times, counts, states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from durablenb.analysis.calls import Call, CallState
from durablenb.analysis.graph import GraphStep

# These belong to the words of the notebook, too.
from durablenb.analysis.text import lasting as lasting
from durablenb.analysis.text import plural as plural
from durablenb.analysis.text import short_message as short_message
from durablenb.analysis.timeline import ENTITY_KINDS
from durablenb.model.events import TaskKind

_WORDS: dict[CallState, str] = {
    "failed": "failed",
    "not loaded": "not loaded",
    "retrying": "retrying",
    "running": "running",
    "open": "open",
    "queued": "queued",
    "interrupted": "interrupted",
    "canceled": "canceled",
    "left open": "left open",
    "completed": "completed",
}

_KINDS: dict[TaskKind, dict[CallState, str]] = {
    "timer": {"open": "waiting", "completed": "fired"},
    "external event": {"open": "waiting", "completed": "arrived"},
    "lock": {"open": "waiting", "completed": "granted"},
    "sub-orchestration": {"open": "running"},
    "entity call": {"open": "running"},
    "signal": {"completed": "sent"},
}
"""Words that differ for some kinds of tasks."""


def time_text(when: datetime | None, *, with_date: bool = True) -> str:
    """Return a UTC time with milliseconds."""
    if when is None:
        return ""
    text = f"{when:%H:%M:%S}.{when.microsecond // 1000:03}"
    return f"{when:%Y-%m-%d} {text}" if with_date else text


def figure(value: float) -> str:
    """Return a number; integers with all their digits.

    Examples
    --------
    >>> figure(1234567.0), figure(0.1 + 0.2), figure(-2.5e20)
    ('1,234,567', '0.3', '-2.5e+20')
    """
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"


def compact(count: int) -> str:
    """Return a count in short form.

    Examples
    --------
    >>> compact(950), compact(10_000), compact(1_250_000)
    ('950', '10k', '1.2M')
    """
    if count < 1_000:
        return str(count)
    return f"{count / 1_000:.3g}k" if count < 1_000_000 else f"{count / 1_000_000:.2g}M"


def states_text(states: Mapping[CallState, int], kind: TaskKind = "activity") -> str:
    """Return the counts of calls by state, in words that suit the kind."""
    words = _WORDS | _KINDS.get(kind, {})
    return ", ".join(f"{count:,} {words[state]}" for state, count in states.items())


def step_text(step: GraphStep) -> str:
    """Return the outcome of a step in a few words, without times."""
    states = states_text(step.states, step.kind)
    if len(step.calls) == 1:
        states = states.removeprefix("1 ")
        if step.attempts > 1:
            states += f", {step.attempts:,} tries"
    elif step.attempts > len(step.calls):
        states += f", {step.attempts:,} tries"
    if step.cached:
        states += ", from cache" if step.cached == len(step.calls) else f", {step.cached:,} from cache"
    return states


def length_text(call: Call, end: datetime) -> str:
    """Return how long a call took until its end, in a few words; empty if it took no time."""
    if call.is_cached:
        return "from cache"
    seconds = (end - call.scheduled).total_seconds()
    tries = len(call.attempts)
    return "" if seconds < 0.001 else lasting(seconds) + (f", {tries} tries" if tries > 1 else "")


def operation_and_entity(name: str, call: Call) -> tuple[str, str]:
    """Return the name of a call as an operation and its entity; without an entity if it has none."""
    if call.kind == "lock":
        return "lock", name
    request = call.attempts[0].request
    if call.kind not in ENTITY_KINDS or request is None:
        return name, ""
    operation = str(getattr(request, "name", ""))
    return operation, name.removesuffix(f".{operation}")
