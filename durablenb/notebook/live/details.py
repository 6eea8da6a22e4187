"""The details of a selected step or call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from durablenb.analysis.calls import CALL_STATES, Call
from durablenb.analysis.generations import Generation
from durablenb.analysis.graph import GraphStep
from durablenb.analysis.nesting import child_id
from durablenb.analysis.timeline import Span
from durablenb.analysis.value_text import blob_tree, failure_line, value_text
from durablenb.model.events import ContinueAsNew, ExecutionFailed
from durablenb.model.failures import FailureDetails
from durablenb.model.logs import LogLine
from durablenb.notebook.html import Markup, block, code, line, markup, table, unbroken
from durablenb.notebook.keys import call_key
from durablenb.notebook.live.interactive import badge, button, labelled_table, mark, pager, row
from durablenb.notebook.palette import call_look, status_look
from durablenb.notebook.still.failure import failure_table
from durablenb.notebook.words import lasting, step_text, time_text

PAGE = 100
"""Calls per page."""

_FIELDS = ("result", "failure", "input")
_LINES = 200


def by_urgency(step: GraphStep) -> list[Call]:
    """Return a step's calls, the most urgent first."""
    return sorted(step.calls, key=lambda call: CALL_STATES.index(call.state))


def step_detail(step: GraphStep, first: int, of: str = "") -> Markup:
    """Return one page of a step's calls as a table.

    Parameters
    ----------
    step
        The step or call to show.
    first
        Number of calls before this page.
    of
        The id of the sub-orchestration that the step belongs to; empty for the instance itself.
    """
    calls = by_urgency(step)
    rows = [_call_row(call, of) for call in calls[first : first + PAGE]]
    header = ("task", "input", "state", "result", "scheduled (UTC)", "waited", "ran", "in all", "tries")
    return markup(
        '<div class="dnb-detail">',
        row(markup("<b>", line(step.name), "</b>"), step.kind, step_text(step)),
        markup('<div class="dnb-scroll dnb-calls" data-scroll>', labelled_table(header, rows), "</div>"),
        pager("page", first, len(rows), len(calls), PAGE),
        "</div>",
    )


def generation_detail(generation: Generation) -> Markup:
    """Return the begin, the length, the input and the result of a generation."""
    ending = generation.ending
    rows: list[Sequence[object]] = [
        ("began (UTC)", time_text(generation.began)),
        ("took", lasting(generation.took) + ("" if ending else " so far")),
        ("events", f"{generation.events:,}"),
        ("input", block(value_text(generation.first.input))),
    ]
    if isinstance(ending, ContinueAsNew):
        rows.append(("continued with", block(value_text(ending.input))))
    elif ending is not None and hasattr(ending, "result"):
        rows.append(("result", block(value_text(ending.result))))
    return markup(
        '<div class="dnb-detail">',
        row(
            markup("<b>", line(f"generation {generation.number:,}"), "</b>"),
            badge(status_look(generation.word)),
            button("Show its history", "generation"),
        ),
        table((), rows),
        failure_table(ending.failure) if isinstance(ending, ExecutionFailed) else "",
        "</div>",
    )


def _call_row(call: Call, of: str) -> Sequence[object]:
    last = call.attempts[-1]
    outcome = attempt_outcome(last)
    return (
        mark(f"#{call.number}", call_key(call, of), name=f"{call.name} #{call.number}"),
        _short(call_input(call)),
        call.state,
        "" if call.state == "completed" and outcome == "null" else _short(outcome),
        time_text(call.scheduled),
        *_waited_and_ran(last),
        lasting(call.ended - call.scheduled) if call.state in ("completed", "failed") else "",
        f"{len(call.attempts):,}" if len(call.attempts) > 1 else "",
    )


def _short(text: str) -> Markup:
    return code(text, 80) if text else Markup("")


def call_input(call: Call) -> str:
    """Return the input of a call in a line; empty if it has none."""
    given = stored_value(call, "input")
    return "" if given in (None, "null") else value_text(given)


def attempt_outcome(span: Span) -> str:
    """Return the outcome of an attempt in a line: its result or its failure."""
    for name in _FIELDS:
        value: Any = getattr(span.answer, name, None)
        if isinstance(value, FailureDetails):
            return failure_line(value)
        if value is not None:
            return value_text(value)
    return ""


def call_detail(
    call: Call, logs: Iterable[LogLine], heads: Mapping[str, Markup] = MappingProxyType({})
) -> Markup:
    """Return the details of a call: values, failure, attempts, log.

    Parameters
    ----------
    call
        The step or call to show.
    logs
        The lines that the call printed or logged.
    heads
        The first rows of its input and of its result, as far as they were requested.
    """
    look = call_look(call.state, call.kind)
    request, answer = call.attempts[0].request, call.attempts[-1].answer
    child = child_id(call)
    parts: list[Markup] = [
        row(
            markup("<b>", line(call.name), "</b>"),
            call.kind,
            f"#{call.number}",
            markup("<b>", line(look.word), "</b>"),
            button(f"open {child}", "open", is_link=True, id=child) if child else "",
            button("show it in the graph", "show", is_link=True, id=child) if child else "",
        )
    ]
    failure = getattr(answer, "failure", None)
    if isinstance(failure, FailureDetails):
        parts.append(failure_table(failure))  # type: ignore[arg-type]
    given = stored_value(call, "input")
    rows: list[Sequence[object]] = [] if given is None else [("input", _value(given, "input", heads))]
    result = stored_value(call, "result")
    if result is not None:
        rows.append(("result", _value(result, "result", heads)))
    if call.is_cached:
        rows.append(("from cache", code(str(getattr(answer, "cached_from", "")), 300)))
    due = getattr(request, "fire_at", None)
    if due is not None:
        rows.append(("due (UTC)", time_text(due)))
    if rows:
        parts.append(table((), rows))
    parts.append(_attempts(call))
    lines = list(logs)
    if lines:
        text = "\n".join(entry.message for entry in lines[-_LINES:])
        parts.append(markup("<details open><summary>Log</summary>", block(text, 8_000), "</details>"))
    return markup('<div class="dnb-detail">', *parts, "</div>")


def _value(text: str, part: str, heads: Mapping[str, Markup]) -> Markup:
    """Return a value: JSON, indented; in words if JSON lacks its type; a table has a button for its head."""
    tree = blob_tree(text)
    if tree is not None:
        is_table = len(tree.get("shape", ())) in (1, 2)
        show = button("hide head" if part in heads else "show head", "peek", is_link=True, name=part)
        return markup(code(value_text(text)), " ", show if is_table else "", heads.get(part, ""))
    if '"@type"' in text:
        return block(value_text(text))
    try:
        return block(json.dumps(json.loads(text), ensure_ascii=False, indent=1))
    except ValueError:
        return block(text)


def stored_value(call: Call, part: str) -> str | None:
    """Return the text of a call's input or of its result, as the journal keeps it; None if it has none."""
    if part == "input":
        return getattr(call.attempts[0].request, "input", None)
    answer = call.attempts[-1].answer
    return getattr(answer, "result", getattr(answer, "input", None))


def _unbroken(text: str) -> str:
    return unbroken(text) if text else ""


def _waited_and_ran(span: Span) -> tuple[str, str]:
    """Return how long an attempt waited for its start, and how long it ran; empty while it is open."""
    if span.state == "interrupted":
        ran = f"{lasting(span.ended - span.started)} or longer" if span.ended > span.started else ""
        return lasting(span.started - span.scheduled), ran
    if span.answer is None:
        return "", ""
    if span.is_cached:
        return "", "from cache"
    return lasting(span.started - span.scheduled), lasting(span.ended - span.started)


def _was_queued(span: Span) -> bool:
    return span.state != "open" and span.started != span.scheduled


def _attempts(call: Call) -> Markup:
    rows = [
        (
            f"{span.attempt}",
            span.state,
            _unbroken(time_text(span.scheduled)),
            _unbroken(time_text(span.started) if _was_queued(span) else ""),
            _unbroken(time_text(span.ended) if span.answer is not None else ""),
            *map(_unbroken, _waited_and_ran(span)),
            str(getattr(span.answer, "worker", None) or ""),
            code(attempt_outcome(span), 100),
        )
        for span in call.attempts[-PAGE:]
    ]
    header = ("try", "state", "scheduled (UTC)", "started", "ended", "waited", "ran", "worker", "result")
    return markup('<div class="dnb-wide dnb-stacked">', labelled_table(header, rows), "</div>")
