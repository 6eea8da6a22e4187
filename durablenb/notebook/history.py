"""A history as rows: the first ones and the last ones, runs of the same folded into one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from durablenb.analysis.timeline import family_name
from durablenb.core.requests import name_in
from durablenb.model.events import Event
from durablenb.model.failures import FailureDetails
from durablenb.notebook.html import Markup, code, table, unbroken
from durablenb.notebook.traces import short_type
from durablenb.notebook.words import bare, moment

_FEWEST = 4
_ENDS = 20
_PAYLOADS = ("input", "result", "failure", "reason", "status", "state", "fire_at")


@dataclass(frozen=True, slots=True)
class Run:
    """Events of one type and name in a row, or a single one."""

    first: Event
    last: Event
    count: int

    @property
    def kind(self) -> str:
        """The event's type."""
        return type(self.first).__name__

    @property
    def name(self) -> str:
        """What it is about."""
        first, last = name_in(self.first), name_in(self.last)
        return first if first == last else family_name(self.first)

    @property
    def ids(self) -> str:
        """The ids of its events."""
        first, last = self.first.event_id, self.last.event_id
        return f"{first:,}" if self.count == 1 else f"{first:,}\N{EN DASH}{last:,}"

    @property
    def text(self) -> str:
        """What happened, how often."""
        times = f" \N{MULTIPLICATION SIGN} {self.count:,}" if self.count > 1 else ""
        return self.kind + (f" {self.name}" if self.name else "") + times


def runs_of(events: Sequence[Event]) -> list[Run]:
    """Return events as runs; a few of the same stay single."""
    runs: list[Run] = []
    place = 0
    while place < len(events):
        end = place + 1
        while end < len(events) and _is_same(events[place], events[end]):
            end += 1
        if end - place >= _FEWEST:
            runs.append(Run(events[place], events[end - 1], end - place))
        else:
            runs += [Run(event, event, 1) for event in events[place:end]]
        place = end
    return runs


def _is_same(one: Event, other: Event) -> bool:
    return type(one) is type(other) and family_name(one) == family_name(other)


def shown_runs(events: Sequence[Event]) -> tuple[list[Run], int, list[Run]]:
    """Return the first runs, how many events are left out, and the last runs."""
    runs = runs_of(events)
    if len(runs) <= 2 * _ENDS:
        return runs, 0, []
    hidden = sum(run.count for run in runs[_ENDS:-_ENDS])
    return runs[:_ENDS], hidden, runs[-_ENDS:]


def history_table(events: Sequence[Event]) -> Markup:
    """Return a history as a table."""
    first, hidden, last = shown_runs(events)
    rows: list[Sequence[object]] = []
    before: Event | None = None
    for run in [*first, None, *last] if hidden else first:
        if run is None:
            rows.append(("…", "", f"{hidden:,} events more; print(handle.history()) shows all", "", ""))
        else:
            rows.append(_row(run, before))
            before = run.first
    return table(("event", "time (UTC)", "what", "task", "value"), rows)


def _row(run: Run, before: Event | None) -> Sequence[object]:
    is_new_day = before is None or before.timestamp.date() != run.first.timestamp.date()
    time = moment(run.first.timestamp, with_date=is_new_day)
    task = getattr(run.first, "task_id", None) if run.count == 1 else None
    attempt = getattr(run.first, "attempt", 1)
    number = "" if task is None else f"#{task}" + (f", attempt {attempt}" if attempt > 1 else "")
    value = value_of(run.first) if run.count == 1 else ""
    return unbroken(run.ids), unbroken(time), run.text, number, code(value, 100) if value else ""


def value_of(event: Event) -> str:
    """Return what an event carries, as text."""
    for field in _PAYLOADS:
        value = getattr(event, field, None)
        if isinstance(value, FailureDetails):
            return f"{short_type(value)}: {bare(value.message)}"
        if value not in (None, "null", ""):
            return readable(str(value))
    return ""


def readable(text: str) -> str:
    """Return JSON with its letters as they are, other text as it is."""
    if "\\u" not in text:
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text
