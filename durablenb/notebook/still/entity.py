"""An entity as tables and as text, with its picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from durablenb.analysis.entities import EntityOperation, EntitySnapshot
from durablenb.analysis.text import shortened, table_text
from durablenb.analysis.value_text import failure_line, value_text
from durablenb.model.failures import FailureDetails
from durablenb.notebook.html import (
    Markup,
    badge,
    block,
    card,
    code,
    fold,
    heading,
    line,
    markup,
    responsive_picture,
    table,
    unbroken,
)
from durablenb.notebook.palette import status_look
from durablenb.notebook.still.entity_picture import entity_svg
from durablenb.notebook.tracebacks import failure_location
from durablenb.notebook.words import plural, time_text

_BLOCK = 20_000


def entity_card(shown: EntitySnapshot) -> str:
    """Return an entity: status, failures, picture, queue, state, and last operations."""
    about = [plural(shown.operations, "operation")]
    if shown.failures:
        about.append(f"{shown.failures:,} failed")
    if shown.queue_length:
        about.append(f"{shown.queue_length:,} in its queue")
    name = markup("<b>", line(shown.entity_id.name.lower()), "</b>")
    recent = shown.detailed
    return card(
        heading(badge(status_look(shown.word)), name, code(shown.entity_id.key, 256), "·", ", ".join(about)),
        _failures(shown) if shown.failed else "",
        _missing(shown) if shown.word == "Not loaded" else "",
        responsive_picture(partial(entity_svg, shown)),
        queue_fold(shown) if shown.locks or shown.waiting else "",
        fold("State", block(_text(shown.state), _BLOCK)) if shown.exists else "",
        fold(f"Last {plural(len(recent), 'operation')}", _operations(recent), is_open=True) if recent else "",
    )


def _failures(shown: EntitySnapshot) -> Markup:
    rows: list[Sequence[object]] = []
    for operation in shown.failed:
        failure = operation.failure
        location = None if failure is None else failure_location(failure.stack_trace)
        where = "" if location is None else markup(line(location.where), "<br>", code(location.source, 160))
        name = markup("<b>", line(operation.name), "</b>")
        rows.append((name, _by(operation), _time(operation.ended), _failed(failure, 1_000), where))
    return table(("failed", "caller", "done (UTC)", "with", "at"), rows)


def _missing(shown: EntitySnapshot) -> Markup:
    name = code(repr(shown.entity_id.name.lower()))
    return markup("<p>It waits for the cell that defines ", name, ". Run it. Nothing is lost meanwhile.</p>")


def queue_fold(shown: EntitySnapshot) -> Markup:
    """Return the locks of an entity, requests for locks, and its queue, in a fold."""
    rows: list[Sequence[object]] = []
    for lock in shown.locks:
        what = "has locked it" if lock.is_held else "waits for its lock"
        rows.append((what, code(lock.owner, 256), _time(lock.since), ""))
    for operation in shown.waiting:
        what = markup("<b>", line(operation.name), "</b> ", _json(operation.input))
        due = _time(operation.due) if operation.status == "Scheduled" else ""
        rows.append((what, _by(operation), _time(operation.queued), due))
    hidden = shown.queue_length - len(shown.waiting)
    if hidden > 0:
        rows.append((f"{hidden:,} more", "", "", ""))
    columns = 4 if any(row[3] for row in rows) else 3
    header = ("", "caller", "since (UTC)", "not before (UTC)")[:columns]
    summary = f"To do: {plural(shown.queue_length, 'operation')}"
    if shown.locks:
        summary += f", {plural(len(shown.locks), 'lock')}"
    return fold(summary, table(header, (row[:columns] for row in rows)), is_open=bool(shown.locks))


def _operations(operations: Sequence[EntityOperation]) -> Markup:
    rows = [
        (
            _time(operation.ended),
            markup("<b>", line(operation.name), "</b> ", _json(operation.input)),
            "signal" if operation.is_signal else "call",
            _by(operation),
            _failed(operation.failure, 200) if operation.failure else _json(operation.result),
            _json(operation.state),
        )
        for operation in operations
    ]
    return table(("done (UTC)", "operation", "", "caller", "result", "state after it"), rows)


def _json(text: str | None) -> Markup:
    return line("") if text in (None, "null") else code(value_text(text), 60)


def _time(when: datetime | None) -> Markup:
    return unbroken(time_text(when))


def _by(operation: EntityOperation) -> Markup:
    return line("a client") if operation.sent_by is None else code(operation.sent_by, 256)


def _failed(failure: FailureDetails | None, limit: int) -> Markup:
    if failure is None:
        return line("")
    kind, _, message = failure_line(failure).partition(": ")
    return markup("<b>", line(kind), "</b>: ", line(message, limit))


def _text(value: Any, indent: int | None = 1) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent)
    except (TypeError, ValueError):
        return repr(value)


def entity_text(shown: EntitySnapshot) -> str:
    """Return an entity as text, without times: state, locks, queue, and last operations."""
    lines = [shortened(shown.line, 200)]
    if shown.exists:
        lines.append(f"state {shortened(_text(shown.state, None), 200)}")
    lines += [
        f"{'locked by' if lock.is_held else 'lock requested by'} {shortened(lock.owner, 100)}"
        for lock in shown.locks
    ]
    if shown.waiting:
        names = ", ".join(operation.name for operation in shown.waiting)
        hidden = shown.queue_length - len(shown.waiting)
        lines.append(f"to do: {shortened(names, 100)}" + (f", and {hidden:,} more" if hidden > 0 else ""))
    rows = [
        (operation.name, _plain(operation.input), operation.sent_by or "a client", _outcome(operation))
        for operation in shown.detailed
    ]
    if rows:
        lines.append(table_text(("operation", "input", "caller", "result"), rows, 60))
    return "\n".join(lines)


def _outcome(operation: EntityOperation) -> str:
    if operation.failure is None:
        return _plain(operation.result)
    return f"failed: {failure_line(operation.failure)}"


def _plain(text: str | None) -> str:
    return "" if text in (None, "null") else value_text(text)
