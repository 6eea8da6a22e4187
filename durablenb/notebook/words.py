"""Figures in words: durations, moments, counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from durablenb.analysis.calls import Call, CallState
from durablenb.analysis.graph import GraphStep
from durablenb.analysis.text import lasting as lasting  # it belongs to these words, too
from durablenb.analysis.timeline import ENTITY_KINDS
from durablenb.model.events import TaskKind

_WORDS: dict[CallState, str] = {
    "failed": "failed",
    "not loaded": "not loaded",
    "retrying": "retrying",
    "open": "running",
    "canceled": "canceled",
    "left open": "left open",
    "completed": "completed",
}

_KINDS: dict[TaskKind, dict[CallState, str]] = {
    "timer": {"open": "waiting", "completed": "fired"},
    "external event": {"open": "waiting", "completed": "arrived"},
    "lock": {"open": "waiting", "completed": "granted"},
    "signal": {"completed": "sent"},
}
"""Where the words of a kind of task are other ones."""


def moment(when: datetime | None, *, with_date: bool = True) -> str:
    """Return a time, UTC, to the millisecond."""
    if when is None:
        return ""
    text = f"{when:%H:%M:%S}.{when.microsecond // 1000:03}"
    return f"{when:%Y-%m-%d} {text}" if with_date else text


def figure(value: float) -> str:
    """Return a number, whole ones with all their digits.

    Examples
    --------
    >>> figure(1234567.0), figure(0.1 + 0.2), figure(-2.5e20)
    ('1,234,567', '0.3', '-2.5e+20')
    """
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"


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


def states_text(states: Mapping[CallState, int], kind: TaskKind = "activity") -> str:
    """Return how many calls are in each state; a timer, an event or a lock that is open is waited for."""
    words = _WORDS | _KINDS.get(kind, {})
    return ", ".join(f"{count:,} {words[state]}" for state, count in states.items())


def step_text(step: GraphStep) -> str:
    """Return what became of a step, in a few words without times."""
    states = states_text(step.states, step.kind)
    if len(step.calls) == 1:
        states = states.removeprefix("1 ")
        if step.attempts > 1:
            states += f", {step.attempts:,} tries"
    elif step.attempts > len(step.calls):
        states += f", {step.attempts:,} tries"
    return states


def parted(name: str, call: Call) -> tuple[str, str]:
    """Return the name of a call, or of several, as what is asked for and of which entity, if of one."""
    if call.kind == "lock":
        return "lock", name
    request = call.attempts[0].request
    if call.kind not in ENTITY_KINDS or request is None:
        return name, ""
    operation = str(getattr(request, "name", ""))
    return operation, name.removesuffix(f".{operation}")


def bare(message: str) -> str:
    """Return a failure's message without the traceback that Azure's library puts behind it."""
    return message.partition(" \n ")[0]
