"""The HTML form of each kind of object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from durablenb.analysis.fleet import Fleet
from durablenb.analysis.history import History
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.snapshot import InstanceSnapshot, instance_snapshot
from durablenb.model.display import Card, HubView
from durablenb.model.events import ExecutionStarted
from durablenb.model.failures import FailureDetails
from durablenb.model.retries import RetryOptions
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.fleet import fleet_svg
from durablenb.notebook.graph import graph_svg
from durablenb.notebook.history import history_table
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
    picture,
    table,
)
from durablenb.notebook.palette import LOOKS, VIOLET, Look, look_of
from durablenb.notebook.retries import retries_svg
from durablenb.notebook.timeline import timeline_svg
from durablenb.notebook.traces import chain_of, is_wrapper, operation_of, place_of, short_type
from durablenb.notebook.waiting import waits_table
from durablenb.notebook.words import bare, lasting, moment, plural, step_text

MOST_FORKS = 3
"""Of an instance that are named."""

_WHOLE = 2_000  # characters: an error of our own, with a long path in it
_STEPS = 40
_INSTANCES = 20


def picture_card(shown: InstanceSnapshot) -> str:
    """Return an instance: where it stands, what it waits for, its graph, its timeline, its history."""
    status = shown.status
    about = [plural(len(shown.flow.steps), "step"), plural(len(shown.events), "event")]
    if shown.executions > 1:
        about.append(plural(shown.executions, "execution"))
    if status.parent_instance_id:
        about.append(f"child of {status.parent_instance_id}")
    about += origin_words(shown)
    word = str(status.runtime_status)
    also = () if shown.word == word else (badge(look_of(shown.word)),)
    name = markup("<b>", line(status.name or ""), "</b>")
    return card(
        heading(
            badge(look_of(word)), *also, name, code(status.instance_id or "", 256), "·", ", ".join(about)
        ),
        failure_table(status.failure_details) if status.failure_details else "",
        waits_table(shown.waits, shown.now) if shown.waits else "",
        picture(graph_svg(shown)),
        picture(timeline_svg(shown)),
        _steps(shown),
        fold("Input and output", table((), _values(status))),
        fold(f"History: {plural(len(shown.events), 'event')}", history_table(shown.events)),
        _traceback(status.failure_details),
    )


def origin_words(shown: InstanceSnapshot) -> list[str]:
    """Return where an instance came from, and which instances were forked from it."""
    words = []
    if shown.status.imported_from:
        words.append(f"imported from {shown.status.imported_from}")
    if shown.status.forked_from:
        words.append(f"forked from {shown.status.forked_from} at event {shown.status.forked_at}")
    if shown.forks:
        more = f" and {len(shown.forks) - MOST_FORKS:,} more" if len(shown.forks) > MOST_FORKS else ""
        words.append(f"forked as {', '.join(shown.forks[:MOST_FORKS])}{more}")
    return words


def _steps(shown: InstanceSnapshot) -> str:
    if not shown.flow.steps:
        return ""
    rows: list[Sequence[object]] = [
        (
            step.name,
            step.kind,
            f"{len(step.calls):,}",
            step_text(step),
            moment(min(call.asked for call in step.calls)),
            lasting(max(call.ended for call in step.calls) - min(call.asked for call in step.calls)),
        )
        for step in shown.flow.steps[:_STEPS]
    ]
    if len(shown.flow.steps) > _STEPS:
        rows.append((f"{len(shown.flow.steps) - _STEPS:,} more", "", "", "", "", ""))
    header = ("step", "kind", "calls", "state", "asked for (UTC)", "within")
    return fold(f"Steps: {len(shown.flow.steps):,}", table(header, rows))


def _values(status: DurableOrchestrationStatus) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = [("input", _value(status.input_))]
    if status.output is not None and status.failure_details is None:
        rows.append(("output", _value(status.output)))
    if status.custom_status is not None:
        rows.append(("custom status", _value(status.custom_status)))
    if status.tags:
        rows.append(("tags", _value(status.tags)))
    return rows


def _value(value: Any) -> Markup:
    if isinstance(value, str):
        return block(value)
    try:
        return block(json.dumps(value, ensure_ascii=False, indent=1))
    except (TypeError, ValueError):
        return block(repr(value))


def failure_table(failure: FailureDetails) -> str:
    """Return a failure: what it began with, and through which of the user's lines it came here."""
    rows: list[Sequence[object]] = []
    for number, one in enumerate(list(chain_of(failure))[::-1]):
        place = place_of(one.stack_trace)
        where = "" if place is None else markup(line(place.where), "<br>", code(place.source, 160))
        if number and is_wrapper(one):
            operation = operation_of(one)
            rows.append(("which was waited for", "" if operation is None else code(operation), where))
        else:
            message = bare(one.message)
            text = block(message, 1_000) if "\n" in message.strip() else line(message, 1_000)
            kind = markup("then " if number else "", "<b>", line(short_type(one)), "</b>")
            rows.append((kind, text, where))
    return table(("failed with", "message", "at"), rows[:12])


def _traceback(failure: FailureDetails | None) -> str:
    traces = [one.stack_trace for one in chain_of(failure) if one.stack_trace] if failure else []
    return fold("Traceback", block("\n".join(traces[::-1]), 12_000)) if traces else ""


def status_card(status: DurableOrchestrationStatus) -> str:
    """Return where an instance stands."""
    if not status:
        return card(
            heading(badge(replace(LOOKS["Canceled"], word="Not found")), "no such instance"),
            table((), [("instance", "none")]),
        )
    rows: list[Sequence[object]] = [
        ("created (UTC)", moment(status.created_time)),
        ("last heard of (UTC)", moment(status.last_updated_time)),
    ]
    for label, value in (
        ("starts at (UTC)", moment(status.scheduled_start_time)),
        ("version", status.version),
        ("child of", status.parent_instance_id),
        ("imported from", status.imported_from),
        ("forked from", status.forked_from and f"{status.forked_from}, at event {status.forked_at}"),
    ):
        if value:
            rows.append((label, value))
    name = markup("<b>", line(status.name or ""), "</b>")
    return card(
        heading(badge(look_of(status.runtime_status)), name, code(status.instance_id or "", 256)),
        failure_table(status.failure_details) if status.failure_details else "",
        table((), [*rows, *_values(status)]),
        _traceback(status.failure_details),
    )


def hub_card(shown: HubView) -> str:
    """Return a hub: how many instances of each status, and those last heard of."""
    fleet = shown.fleet
    assert isinstance(fleet, Fleet)
    header = ("orchestrator", "instance", "status", "created (UTC)", "last heard of (UTC)")
    rows = [
        (seen.name, code(seen.instance_id, 256), seen.status, moment(seen.created), moment(seen.updated))
        for seen in fleet.latest
    ]
    names = sorted(fleet.counts.items(), key=lambda row: (-sum(row[1].values()), row[0]))
    counts = [
        (name, f"{sum(by.values()):,}", ", ".join(f"{count:,} {status}" for status, count in by.items()))
        for name, by in names[:_STEPS]
    ]
    latest = f"Last heard of: {plural(len(rows), 'instance')}"
    about = plural(fleet.total, "instance")
    if fleet.entities:
        about += f", {plural(sum(one.existing for one in fleet.entities), 'entity', 'entities')}"
    return card(
        heading(markup("<b>", line(shown.text.strip("<>")), "</b>"), "·", about),
        picture(fleet_svg(fleet)),
        fold("Counts", table(("orchestrator", "instances", "by status"), counts)) if counts else "",
        _entities(fleet) if fleet.entities else "",
        fold(latest, table(header, rows), is_open=True) if rows else "",
        "" if rows or fleet.entities else table((), [_EMPTY]),
    )


def _entities(fleet: Fleet) -> Markup:
    """Return the entities by name, those with most failures and most to do first."""
    ordered = sorted(fleet.entities, key=lambda one: (-one.failed, -one.waiting, one.name))
    rows: list[Sequence[object]] = [
        (
            one.name,
            f"{one.existing:,}",
            f"{one.completed + one.failed:,}",
            f"{one.failed:,}",
            f"{one.waiting:,}",
            f"{one.locked:,}",
        )
        for one in ordered[:_STEPS]
    ]
    if len(ordered) > _STEPS:
        rows.append((f"{len(ordered) - _STEPS:,} more", "", "", "", "", ""))
    header = ("entity", "existing", "operations", "failed", "in queues", "locked")
    return fold(f"Entities: {plural(len(ordered), 'name')}", table(header, rows), is_open=True)


_EMPTY = ("No instances yet. Start one:", Markup("<code>hub.start(orchestrator, input)</code>"))


def instances_card(shown: InstanceList) -> str:
    """Return several instances as a table: the first ones and the last ones."""
    rows: list[Sequence[object]] = [_instance_row(status) for status in shown[:_INSTANCES]]
    if len(shown) > 2 * _INSTANCES:
        rows.append((f"… {len(shown) - 2 * _INSTANCES:,} more", "", "", "", ""))
        rows += [_instance_row(status) for status in shown[-_INSTANCES:]]
    else:
        rows += [_instance_row(status) for status in shown[_INSTANCES:]]
    header = ("orchestrator", "instance", "status", "created (UTC)", "last heard of (UTC)")
    counts = Fleet({plural(len(shown), "instance"): shown.counts()}, ())
    return card(
        picture(fleet_svg(counts if shown else Fleet({}, ()))),
        table(header, rows or [("none", "", "", "", "")]),
    )


def _instance_row(status: DurableOrchestrationStatus) -> Sequence[object]:
    return (
        status.name or "",
        code(status.instance_id or "", 256),
        str(status.runtime_status),
        moment(status.created_time),
        moment(status.last_updated_time),
    )


def history_card(shown: History) -> str:
    """Return a history: when what was asked for, and the events."""
    started = next((event for event in reversed(shown) if isinstance(event, ExecutionStarted)), None)
    status = DurableOrchestrationStatus(started.name if started else "", shown.instance_id)
    return card(
        heading(
            markup("<b>History</b>"), "of", code(shown.instance_id, 256), "·", plural(len(shown), "event")
        ),
        picture(timeline_svg(instance_snapshot(status, list(shown)))),
        history_table(list(shown)),
    )


def failure_card(failure: FailureDetails) -> str:
    """Return a failure."""
    name = markup("<b>", line(failure.error_type), "</b>")
    return card(heading(badge(LOOKS["Failed"]), name), failure_table(failure), _traceback(failure))


def retries_card(options: RetryOptions) -> str:
    """Return retry options."""
    rows = [
        (field.name, "None" if (value := getattr(options, field.name)) is None else _named(value))
        for field in fields(options)
    ]
    return card(heading(markup("<b>RetryOptions</b>")), picture(retries_svg(options)), table((), rows))


def _named(value: object) -> str:
    return str(getattr(value, "__qualname__", value))


def plain_card(shown: Card) -> str:
    """Return a few named values under a word, each in full: what to do often comes last."""
    look = Look(shown.word, VIOLET, _CLOCK)
    rows = [(name, line(value, _WHOLE)) for name, value in shown.rows]
    return card(heading(badge(look)), table((), rows))


_CLOCK = (("s", "M14 8A6 6 0 1 1 2 8A6 6 0 1 1 14 8Z"), ("s", "M8 4.4V8L10.4 9.6"))
