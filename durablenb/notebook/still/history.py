"""Histories and logs as tables: the first and the last rows, with the events of a step as one row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from durablenb.analysis.history import History, event_value
from durablenb.analysis.logs import Log, line_text
from durablenb.analysis.snapshot import instance_snapshot
from durablenb.analysis.text import table_text
from durablenb.model.events import Event, ExecutionStarted
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
    table,
    unbroken,
    wide_picture,
)
from durablenb.notebook.still.history_runs import EventRun, event_runs, split_executions
from durablenb.notebook.still.timeline import timeline_svg
from durablenb.notebook.words import plural, time_text

_ENDS = 20
_EXECUTIONS = 12
"""Executions that are shown; earlier ones are counted."""

_FAILED = 6
_HEADER = ("event", "time (UTC)", "what", "task", "value")


def shown_runs(events: Sequence[Event], ends: int = _ENDS) -> tuple[list[EventRun], int, list[EventRun]]:
    """Return the first runs of an execution, the number of omitted events, and the last runs."""
    runs = event_runs(events)
    if len(runs) <= 2 * ends:
        return runs, 0, []
    hidden = sum(len(run.events) for run in runs[ends:-ends])
    return runs[:ends], hidden, runs[-ends:]


def history_table(events: Sequence[Event]) -> Markup:
    """Return a history as a table for each execution; those before the last one are folded."""
    executions = split_executions(events)
    if len(executions) < 2:
        return _execution_table(events, _ENDS)
    shown = executions[-_EXECUTIONS:]
    parts: list[Markup] = []
    if len(executions) > len(shown):
        hidden = plural(len(executions) - len(shown), "earlier execution")
        parts.append(heading(f"{hidden}; print(handle.history()) shows all"))
    for execution in shown:
        is_last = execution is shown[-1]
        parts += [heading(execution.gone)] * bool(execution.gone)
        title = f"{execution.title}: {plural(len(execution.events), 'event')}"
        listed = _execution_table(execution.events, _ENDS if is_last else _ENDS // 2)
        parts.append(fold(title, listed, is_open=is_last))
    return markup(*parts)


def _execution_table(events: Sequence[Event], ends: int) -> Markup:
    first, hidden, last = shown_runs(events, ends)
    rows: list[Sequence[object]] = []
    before: Event | None = None
    for run in [*first, None, *last] if hidden else first:
        if run is None:
            rows.append(("…", "", f"{hidden:,} events more; print(handle.history()) shows all", "", ""))
        else:
            rows.append(_row(run, before))
            before = run.first
    return table(_HEADER, rows)


def _row(run: EventRun, before: Event | None) -> Sequence[object]:
    is_new_day = before is None or before.timestamp.date() != run.first.timestamp.date()
    time = time_text(run.first.timestamp, with_date=is_new_day)
    value = event_value(run.first) if run.count == 1 else "".join(map(event_value, run.failed[:1]))
    task = _task(run.first) if run.count == 1 else _failed_tasks(run)
    return unbroken(run.ids), unbroken(time), run.text, task, code(value, 100) if value else ""


def _task(event: Event) -> str:
    task, attempt = getattr(event, "task_id", None), getattr(event, "attempt", 1)
    number = "" if task is None else f"#{task}" + (f", attempt {attempt}" if attempt > 1 else "")
    return number + (", from cache" if getattr(event, "cached_from", None) is not None else "")


def _failed_tasks(run: EventRun) -> str:
    """Return the failed tasks of a run, the first ones by number."""
    if not run.failed:
        return ""
    named = ", ".join(f"#{getattr(event, 'task_id', 0)}" for event in run.failed[:_FAILED])
    more = f" and {len(run.failed) - _FAILED:,} more" if len(run.failed) > _FAILED else ""
    return f"failed: {named}{more}"


def history_card(shown: History) -> str:
    """Return a history as a timeline and a table of events."""
    started = next((event for event in reversed(shown) if isinstance(event, ExecutionStarted)), None)
    status = DurableOrchestrationStatus(started.name if started else "", shown.instance_id)
    snapshot = instance_snapshot(status, list(shown))
    return card(
        heading(
            markup("<b>History</b>"), "of", code(shown.instance_id, 256), "·", plural(len(shown), "event")
        ),
        wide_picture(partial(timeline_svg, snapshot)),
        history_table(list(shown)),
    )


def history_text(shown: History) -> str:
    """Return a history as text, without times: the first and the last events of each execution, as runs."""
    executions = split_executions(list(shown))
    rows: list[tuple[str, str]] = []
    for execution in executions[-_EXECUTIONS:]:
        if len(executions) > 1:
            rows.append(("", f"{execution.title}:"))
        first, hidden, last = shown_runs(execution.events)
        rows += [(run.ids, run.text) for run in first]
        rows += [("…", f"{hidden:,} events more")] if hidden else []
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
            code(shown.author(entry), 100),
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
    rows = [(shown.author(entry), line_text(entry)) for entry in last]
    more = f"… {len(shown) - len(last):,} lines before\n" if len(shown) > len(last) else ""
    return f"{shown!r}\n{more}{table_text(('printed by', 'message'), rows, 100)}"
