"""The waits of an instance: looks, words, remedies, and a table."""

from __future__ import annotations

from datetime import datetime

from durablenb.analysis.waits import Wait
from durablenb.notebook.html import Markup, badge, code, dense_table, line, markup, unbroken
from durablenb.notebook.palette import LOOKS, Look
from durablenb.notebook.words import lasting

_MOST = 20

_LOOKS = {
    "mending": LOOKS["Held"],
    "code": LOOKS["Not loaded"],
    "executor": LOOKS["Blocked"],
    "continuation": LOOKS["Waiting"],
    "child": LOOKS["Blocked"],
    "resuming": LOOKS["Suspended"],
    "retry": LOOKS["Retrying"],
    "activity": LOOKS["Running"],
    "queued": LOOKS["Queued"],
    "sub-orchestration": LOOKS["Running"],
    "entity call": LOOKS["Running"],
    "start": LOOKS["Pending"],
    "turn": LOOKS["Pending"],
}


def wait_look(wait: Wait) -> Look:
    """Return the look of a wait."""
    return _LOOKS.get(wait.kind, LOOKS["Waiting"])


def wait_text(wait: Wait) -> str:
    """Return the object of a wait in words, without times and details."""
    name, many = repr(wait.name), f" \N{MULTIPLICATION SIGN} {wait.count:,}" if wait.count > 1 else ""
    again = f", {_attempts(wait)}" if wait.attempts[1] > 1 else ""
    texts = {
        "mending": "a fix of its code",
        "code": f"the cell that defines {name}",
        "executor": f"another executor for {name}",
        "continuation": "more code",
        "child": f"{'an entity' if wait.name == 'entity' else 'a sub-orchestration'} that is blocked",
        "resuming": "being resumed",
        "start": "the time of its start",
        "turn": "its turn",
        "timer": f"a timer{many}",
        "retry": f"{_attempts(wait)} of {name}{many}",
        "external event": f"the external event {name}{many}" + (", left" if wait.is_left else ""),
        "place": f"a place in {wait.name}{many}",
        "activity": f"the activity {name}{many}{again}",
        "queued": f"a worker for the activity {name}{many}{again}",
        "sub-orchestration": f"the sub-orchestration {name}{many}",
        "entity call": f"the entity's operation {name}{many}",
        "lock": f"the lock of {wait.name}{many}",
        "signal": f"the signal {name}{many}",
    }
    return texts[wait.kind]


def _attempts(wait: Wait) -> str:
    lowest, highest = wait.attempts
    return f"attempt {lowest}" if lowest == highest else f"attempts {lowest} to {highest}"


def wait_remedy(wait: Wait) -> Markup:
    """Return what the user can do about a wait; empty if nothing."""
    if wait.kind == "mending":
        return line("Fix the orchestrator's cell and rerun it.")
    if wait.kind == "code":
        return line("Run it. Nothing is lost meanwhile.")
    if wait.kind == "executor":
        return line("Register it with one that works. Nothing is lost meanwhile.")
    if wait.kind == "continuation":
        return markup("Write on from ", code("yield ..."), " and run the cell again.")
    if wait.kind == "resuming":
        return code("handle.resume()")
    is_open = wait.kind == "external event" and not wait.is_left
    return code(f"handle.raise_event({wait.name!r}, ...)", 300) if is_open else line("")


def waits_table(waits: tuple[Wait, ...], now: datetime | None) -> Markup:
    """Return waits as a table, most urgent first, without empty columns."""
    rows: list[tuple[Markup, ...]] = []
    for wait in waits[:_MOST]:
        what = markup("<b>", line(wait_text(wait)), "</b>")
        todo, detail = wait_remedy(wait), wait.detail.partition("\n")[0]
        more = markup(todo, " " if todo and detail else "", line(detail, 600))
        rows.append((badge(wait_look(wait)), what, _since(wait, now), _time(wait.due), more))
    if len(waits) > _MOST:
        rows.append((line(""), line(f"{len(waits) - _MOST:,} more"), line(""), line(""), line("")))
    header = ("", "waits for", "since (UTC)", "until (UTC)", "")
    return dense_table(header, rows)


def _since(wait: Wait, now: datetime | None) -> Markup:
    if wait.since is None or now is None:
        return _time(wait.since)
    length = lasting(max((now - wait.since).total_seconds(), 0.0))
    # "by" a time stays true in a saved page
    return unbroken(f"{wait.since:%Y-%m-%d %H:%M:%S}, {length} by {now:%H:%M:%S}")


def _time(when: datetime | None) -> Markup:
    return line("") if when is None else unbroken(f"{when:%Y-%m-%d %H:%M:%S}")
