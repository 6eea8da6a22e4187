"""A failure as a table and as text: its root cause, and the user's lines through which it propagated."""

from __future__ import annotations

from collections.abc import Sequence

from durablenb.analysis.text import shortened
from durablenb.analysis.value_text import short_type
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
    table,
)
from durablenb.notebook.palette import LOOKS
from durablenb.notebook.tracebacks import (
    failed_operation,
    failure_chain,
    failure_location,
    is_wrapper,
)
from durablenb.notebook.words import short_message


def failure_table(failure: FailureDetails) -> str:
    """Return a failure as a table: its root cause, and the user's lines through which it propagated."""
    rows: list[Sequence[object]] = []
    for number, link in enumerate(list(failure_chain(failure))[::-1]):
        location = failure_location(link.stack_trace)
        where = "" if location is None else markup(line(location.where), "<br>", code(location.source, 160))
        if number and is_wrapper(link):
            operation = failed_operation(link)
            rows.append(("awaited at", _stacked("" if operation is None else code(operation), where)))
        else:
            message = short_message(link.message)
            text = block(message, 1_000) if "\n" in message.strip() else line(message, 1_000)
            final = ", not retriable" if link.is_non_retriable else ""
            kind = markup("then " if number else "", "<b>", line(short_type(link)), "</b>", final)
            rows.append((kind, _stacked(text, where)))
    return table(("failed with", "message, at"), rows[:12])


def _stacked(text: str, where: str) -> Markup:
    """Return a message above the place where it was raised; both wrap anywhere, for narrow pages."""
    between = "<br>" if text and where and not text.startswith("<pre>") else ""
    return markup('<div style="overflow-wrap:anywhere">', text, between, where, "</div>")


def traceback_fold(failure: FailureDetails | None) -> str:
    """Return the tracebacks of a failure and of its causes in a fold; empty if there are none."""
    traces = [link.stack_trace for link in failure_chain(failure) if link.stack_trace] if failure else []
    return fold("Traceback", block("\n".join(traces[::-1]), 12_000)) if traces else ""


def failure_card(failure: FailureDetails) -> str:
    """Return a failure as a table with its traceback."""
    name = markup("<b>", line(failure.error_type), "</b>")
    return card(heading(badge(LOOKS["Failed"]), name), failure_table(failure), traceback_fold(failure))


def failure_text(failure: FailureDetails) -> str:
    """Return a failure and its causes as text, a line for each."""
    lines = []
    seen: FailureDetails | None = failure
    while seen is not None:
        lines.append(shortened(f"{seen.error_type}: {short_message(seen.message)}", 200))
        seen = seen.inner
    return "\nbecause of ".join(lines)
