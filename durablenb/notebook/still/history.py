"""Histories and logs as rows: the first and the last ones, with runs of similar events as one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from durablenb.analysis.history import History
from durablenb.analysis.logs import Log, line_text
from durablenb.analysis.snapshot import instance_snapshot
from durablenb.analysis.text import table_text
from durablenb.analysis.timeline import family_name
from durablenb.analysis.value_text import failure_line, value_text
from durablenb.core.requests import subject_name
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.failures import FailureDetails
from durablenb.model.logs import LogLine
from durablenb.model.status import DurableOrchestrationStatus
from durablenb.notebook.html import (
    Markup,
    block,
    card,
    code,
    fold,
    heading,
    line,
    markup,
    picture,
    table,
    unbroken,
)
from durablenb.notebook.still.timeline import timeline_svg
from durablenb.notebook.words import plural, time_text

_FEWEST = 4
_ENDS = 20
_PAYLOADS = ("input", "result", "failure", "reason", "status", "state", "fire_at")


@dataclass(frozen=True, slots=True)
class Run:
    """A run of consecutive events of one type and name, or a single event."""

    first: Event
    last: Event
    count: int

    @property
    def kind(self) -> str:
        """The type of the events."""
        return type(self.first).__name__

    @property
    def name(self) -> str:
        """The name of the calls."""
        first, last = subject_name(self.first), subject_name(self.last)
        return first if first == last else family_name(self.first)

    @property
    def ids(self) -> str:
        """The ids of the events."""
        first, last = self.first.event_id, self.last.event_id
        return f"{first:,}" if self.count == 1 else f"{first:,}\N{EN DASH}{last:,}"

    @property
    def text(self) -> str:
        """The type, the name and the count."""
        times = f" \N{MULTIPLICATION SIGN} {self.count:,}" if self.count > 1 else ""
        return self.kind + (f" {self.name}" if self.name else "") + times


def event_runs(events: Sequence[Event]) -> list[Run]:
    """Return events as runs; short runs stay single events."""
    runs: list[Run] = []
    index = 0
    while index < len(events):
        end = index + 1
        while end < len(events) and _is_similar(events[index], events[end]):
            end += 1
        if end - index >= _FEWEST:
            runs.append(Run(events[index], events[end - 1], end - index))
        else:
            runs += [Run(event, event, 1) for event in events[index:end]]
        index = end
    return runs


def _is_similar(event: Event, other: Event) -> bool:
    return type(event) is type(other) and family_name(event) == family_name(other)


def shown_runs(events: Sequence[Event]) -> tuple[list[Run], int, list[Run]]:
    """Return the first runs, the number of omitted events, and the last runs."""
    runs = event_runs(events)
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
    time = time_text(run.first.timestamp, with_date=is_new_day)
    task = getattr(run.first, "task_id", None) if run.count == 1 else None
    attempt = getattr(run.first, "attempt", 1)
    number = "" if task is None else f"#{task}" + (f", attempt {attempt}" if attempt > 1 else "")
    if run.count == 1 and getattr(run.first, "cached_from", None) is not None:
        number += ", from cache"
    value = event_value(run.first) if run.count == 1 else ""
    return unbroken(run.ids), unbroken(time), run.text, number, code(value, 100) if value else ""


def event_value(event: Event) -> str:
    """Return the payload of an event as text."""
    for field in _PAYLOADS:
        value = getattr(event, field, None)
        if isinstance(value, FailureDetails):
            return failure_line(value)
        if value not in (None, "null", ""):
            return value_text(value)
    return ""


def history_card(shown: History) -> str:
    """Return a history as a timeline and a table of events."""
    started = next((event for event in reversed(shown) if isinstance(event, ExecutionStarted)), None)
    status = DurableOrchestrationStatus(started.name if started else "", shown.instance_id)
    return card(
        heading(
            markup("<b>History</b>"), "of", code(shown.instance_id, 256), "·", plural(len(shown), "event")
        ),
        picture(timeline_svg(instance_snapshot(status, list(shown)))),
        history_table(list(shown)),
    )


def history_text(shown: History) -> str:
    """Return a history as text, without times: the first and the last events, as runs."""
    first, hidden, last = shown_runs(list(shown))
    rows = [(run.ids, run.text) for run in first]
    if hidden:
        rows.append(("…", f"{hidden:,} events more"))
        rows += [(run.ids, run.text) for run in last]
    return f"{shown!r}\n{table_text(('event', 'what'), rows, 80)}" if rows else repr(shown)


_LAST_LINES = 40
_FOLDED_LINES = 200


def log_card(shown: Log) -> str:
    """Return a log as a table: the last lines, and earlier ones in a fold."""
    before, last = shown[:-_LAST_LINES], shown[-_LAST_LINES:]
    title = heading(markup("<b>Log</b>"), "of", code(shown.instance_id, 256), "·", plural(len(shown), "line"))
    if not shown:
        return card(title, table((), [("Nothing was printed or logged.",)]))
    hidden = len(before) - _FOLDED_LINES
    more = f"; print(handle.logs()) shows the {hidden:,} before them" if hidden > 0 else ""
    summary = f"{plural(min(len(before), _FOLDED_LINES), 'line')} before{more}"
    return card(
        title,
        fold(summary, log_table(shown, before[-_FOLDED_LINES:])) if before else "",
        log_table(shown, last),
    )


def log_table(shown: Log, lines: Iterable[LogLine]) -> Markup:
    """Return lines of a log as a table."""
    rows: list[Sequence[object]] = [
        (
            time_text(entry.timestamp),
            code(shown.author_of(entry), 100),
            entry.level or ("stderr" if entry.stream == "stderr" else ""),
            block(entry.message, 1_000) if "\n" in entry.message else line(entry.message, 300),
        )
        for entry in lines
    ]
    return table(("time (UTC)", "printed by", "level", "message"), rows)


def log_text(shown: Log) -> str:
    """Return the last lines of a log as text, without times."""
    if not shown:
        return repr(shown)
    last = shown[-_LAST_LINES:]
    rows = [(shown.author_of(entry), line_text(entry)) for entry in last]
    more = f"… {len(shown) - len(last):,} lines before\n" if len(shown) > len(last) else ""
    return f"{shown!r}\n{more}{table_text(('printed by', 'message'), rows, 100)}"
