"""Tooltips of steps, calls and cells: what the picture itself doesn't say."""

from __future__ import annotations

from datetime import datetime
from statistics import median

from durablenb.analysis.calls import Call
from durablenb.analysis.graph import GraphStep
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.notebook.keys import cell_call_key, find_target
from durablenb.notebook.live.details import attempt_outcome, call_input
from durablenb.notebook.palette import call_look
from durablenb.notebook.words import lasting, step_text, time_text

_LONGEST = 160


def tooltip(shown: InstanceSnapshot | None, key: str, now: datetime) -> str:
    """Return the words for a mark, a line for each fact; empty if there is no such mark.

    Parameters
    ----------
    shown
        The instance in the picture.
    key
        The key of the mark, or of a cell.
    now
        The time, from which a countdown counts.
    """
    target = find_target(shown, cell_call_key(shown, key) if key.startswith("cell ") else key)
    if target is None:
        return ""
    if target.only_call is not None:
        return "\n".join(_call_lines(target.only_call, now))
    return "" if target.step is None else "\n".join(_step_lines(target.step))


def _call_lines(call: Call, now: datetime) -> list[str]:
    last = call.attempts[-1]
    tries = f", {len(call.attempts):,} tries" if len(call.attempts) > 1 else ""
    lines = [f"{call.name} #{call.number}: {call_look(call.state, call.kind).word.lower()}{tries}"]
    due = getattr(last.request, "fire_at", None)
    if due is not None and last.answer is None:
        left = (due - now).total_seconds()
        lines.append(f"due in {lasting(left)}, at {time_text(due)} UTC" if left > 0 else "due now")
    elif last.answer is None:
        lines.append(f"scheduled {lasting(max((now - last.scheduled).total_seconds(), 0))} ago")
    elif call.is_cached:
        lines.append("from cache")
    else:
        waited = (last.started - last.scheduled).total_seconds()
        began = f"waited {lasting(waited)}, " if waited >= 0.001 else ""
        at = time_text(last.scheduled, with_date=False)
        lines.append(f"{began}took {lasting(last.ended - last.started)}, scheduled at {at} UTC")
    given, came = call_input(call), attempt_outcome(last)
    lines += [f"input {given[:_LONGEST]}"] if given else []
    return lines + ([came[:_LONGEST]] if came and last.answer is not None and came != given else [])


def _step_lines(step: GraphStep) -> list[str]:
    lines = [f"{step.name}, {step.kind}: {step_text(step)}"]
    took = sorted(
        (call.attempts[-1].ended - call.attempts[-1].started).total_seconds()
        for call in step.calls
        if call.attempts[-1].answer is not None and not call.is_cached
    )
    if took and took[-1] > 0:
        lines.append(f"{lasting(took[0])} to {lasting(took[-1])} each, half within {lasting(median(took))}")
    return lines
