"""The text form of each kind of object: the same in every run, so without times and durations."""

from __future__ import annotations

from dataclasses import fields

from durablenb.analysis.fleet import Fleet
from durablenb.analysis.history import History
from durablenb.analysis.instances import InstanceList
from durablenb.analysis.snapshot import InstanceSnapshot
from durablenb.analysis.text import shortened, table_text
from durablenb.model.display import Card, HubView
from durablenb.model.failures import FailureDetails
from durablenb.model.retries import RetryOptions
from durablenb.notebook.cards import origin_words
from durablenb.notebook.history import shown_runs
from durablenb.notebook.waiting import wait_text
from durablenb.notebook.words import bare, step_text

_MOST = 30


def picture_text(shown: InstanceSnapshot) -> str:
    """Return an instance: its status, what it waits for, its steps."""
    status = shown.status
    word = str(status.runtime_status)
    also = "" if shown.word == word else f", {shown.word.lower()}"
    lines = [shortened(f"<{status.name} {status.instance_id}: {word}{also}>", 200)]
    lines += [shortened(words, 200) for words in origin_words(shown)]
    lines += [f"waits for {shortened(wait_text(wait), 100)}" for wait in shown.waits[:_MOST]]
    steps = shown.flow.steps
    if steps:
        rows = [(step.name, step.kind, len(step.calls), step_text(step)) for step in steps[:_MOST]]
        lines.append(table_text(("step", "kind", "calls", "state"), rows))
    if len(steps) > _MOST:
        lines.append(f"… {len(steps) - _MOST:,} steps more")
    return "\n".join(lines)


def hub_text(shown: HubView) -> str:
    """Return a hub: its line of text, how many instances there are of each status, and what entities."""
    assert isinstance(shown.fleet, Fleet)
    counts = shown.fleet.counts
    rows = [(name, status, count) for name in sorted(counts) for status, count in counts[name].items()]
    parts = [shown.text]
    if rows:
        parts.append(table_text(("orchestrator", "status", "instances"), rows[:_MOST]))
    if len(rows) > _MOST:
        parts.append(f"… {len(rows) - _MOST:,} rows more")
    entities = shown.fleet.entities
    if entities:
        header = ("entity", "existing", "operations", "failed", "in queues")
        cells = [
            (one.name, one.existing, one.completed + one.failed, one.failed, one.waiting)
            for one in entities[:_MOST]
        ]
        parts.append(table_text(header, cells))
    if len(entities) > _MOST:
        parts.append(f"… {len(entities) - _MOST:,} names more")
    return "\n".join(parts)


def instances_text(shown: InstanceList) -> str:
    """Return several instances as a table."""
    rows = [(one.name, one.instance_id, str(one.runtime_status)) for one in shown[:_MOST]]
    if not rows:
        return repr(shown)
    more = f"\n… {len(shown) - _MOST:,} more" if len(shown) > _MOST else ""
    return f"{shown!r}\n{table_text(('orchestrator', 'instance', 'status'), rows)}{more}"


def history_text(shown: History) -> str:
    """Return a history without times: the first events and the last ones, runs of the same as one."""
    first, hidden, last = shown_runs(list(shown))
    rows = [(run.ids, run.text) for run in first]
    if hidden:
        rows.append(("…", f"{hidden:,} events more"))
        rows += [(run.ids, run.text) for run in last]
    return f"{shown!r}\n{table_text(('event', 'what'), rows, 80)}" if rows else repr(shown)


def failure_text(failure: FailureDetails) -> str:
    """Return a failure and what led to it, a line for each."""
    lines = []
    seen: FailureDetails | None = failure
    while seen is not None:
        lines.append(shortened(f"{seen.error_type}: {bare(seen.message)}", 200))
        seen = seen.inner
    return "\nbecause of ".join(lines)


def retries_text(options: RetryOptions) -> str:
    """Return retry options with what was given."""
    given = [
        f"{field.name}={getattr(value, '__qualname__', value)}"
        for field in fields(options)
        if (value := getattr(options, field.name)) is not None
    ]
    return f"RetryOptions({', '.join(given)})"


def card_text(shown: Card) -> str:
    """Return a simple object's line of text."""
    return shown.text
