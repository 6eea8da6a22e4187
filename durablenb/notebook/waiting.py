"""What an instance waits for, in words."""

from __future__ import annotations

from datetime import datetime

from durablenb.analysis.waits import Wait
from durablenb.notebook.html import Markup, badge, code, line, markup, table, unbroken
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
    "sub-orchestration": LOOKS["Running"],
    "entity call": LOOKS["Running"],
    "start": LOOKS["Pending"],
    "turn": LOOKS["Pending"],
}


def look_of_wait(wait: Wait) -> Look:
    """Return the look of a wait."""
    return _LOOKS.get(wait.kind, LOOKS["Waiting"])


def wait_text(wait: Wait) -> str:
    """Return what is waited for, without times and details."""
    name, many = repr(wait.name), f" \N{MULTIPLICATION SIGN} {wait.count:,}" if wait.count > 1 else ""
    texts = {
        "mending": "its code to be mended",
        "code": f"the cell that defines {name}",
        "executor": f"another executor for {name}",
        "continuation": "more code",
        "child": f"{'an entity' if wait.name == 'entity' else 'a sub-orchestration'} that can't go on",
        "resuming": "being resumed",
        "start": "the time of its start",
        "turn": "its turn",
        "timer": f"a timer{many}",
        "retry": f"attempt {wait.attempt} of {name}{many}",
        "external event": f"the external event {name}{many}" + (", left" if wait.is_left else ""),
        "activity": f"the activity {name}{many}" + (f", attempt {wait.attempt}" if wait.attempt > 1 else ""),
        "sub-orchestration": f"the sub-orchestration {name}{many}",
        "entity call": f"the entity's operation {name}{many}",
        "lock": f"the lock of {wait.name}{many}",
        "signal": f"the signal {name}{many}",
    }
    return texts[wait.kind]


def todo_of(wait: Wait) -> Markup:
    """Return what somebody may do about it, or nothing."""
    if wait.kind == "mending":
        return line("Mend the orchestrator's cell and run it again.")
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
    """Return what is waited for as a table, the most pressing first; columns that are empty are left out."""
    rows: list[tuple[Markup, ...]] = []
    for wait in waits[:_MOST]:
        what = markup("<b>", line(wait_text(wait)), "</b>")
        todo, detail = todo_of(wait), wait.detail.partition("\n")[0]
        more = markup(todo, " " if todo and detail else "", line(detail, 600))
        rows.append((badge(look_of_wait(wait)), what, _since(wait, now), _time(wait.due), more))
    if len(waits) > _MOST:
        rows.append((line(""), line(f"{len(waits) - _MOST:,} more"), line(""), line(""), line("")))
    header = ("", "waits for", "since (UTC)", "until (UTC)", "")
    columns = [place for place in range(len(header)) if any(row[place] for row in rows)]
    return table([header[place] for place in columns], ([row[place] for place in columns] for row in rows))


def _since(wait: Wait, now: datetime | None) -> Markup:
    if wait.since is None or now is None:
        return _time(wait.since)
    length = lasting(max((now - wait.since).total_seconds(), 0.0))
    return unbroken(f"{wait.since:%Y-%m-%d %H:%M:%S}, {length} by {now:%H:%M:%S}")  # true in a saved one, too


def _time(when: datetime | None) -> Markup:
    return line("") if when is None else unbroken(f"{when:%Y-%m-%d %H:%M:%S}")
