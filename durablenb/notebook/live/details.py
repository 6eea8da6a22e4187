"""What there is to know of a step or of a call that was selected."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from durablenb.analysis.calls import CALL_STATES, Call
from durablenb.analysis.graph import GraphStep
from durablenb.analysis.nesting import child_id
from durablenb.analysis.timeline import Span
from durablenb.model.failures import FailureDetails
from durablenb.model.logs import LogLine
from durablenb.notebook.cards import failure_table
from durablenb.notebook.history import readable
from durablenb.notebook.html import Markup, block, code, line, markup, table, unbroken
from durablenb.notebook.live.parts import button, mark, pager, row
from durablenb.notebook.marks import call_key
from durablenb.notebook.palette import call_look
from durablenb.notebook.words import bare, lasting, moment, step_text

PAGE = 100
"""Calls in a page."""

_FIELDS = ("result", "failure", "input")
_LINES = 200


def ordered(step: GraphStep) -> list[Call]:
    """Return a step's calls, the most worrying ones first."""
    return sorted(step.calls, key=lambda call: CALL_STATES.index(call.state))


def step_detail(step: GraphStep, first: int, of: str = "") -> Markup:
    """Return the calls of a step as a table, a page of it.

    Parameters
    ----------
    step
        Which one.
    first
        How many calls stand before this page.
    of
        The id of the sub-orchestration whose step it is, if it is one of that.
    """
    place = {id(call): number for number, call in enumerate(step.calls, 1)}
    calls = ordered(step)
    rows = [_call_row(call, place[id(call)], of) for call in calls[first : first + PAGE]]
    header = ("no.", "state", "asked for (UTC)", "took", "tries", "result")
    return markup(
        '<div class="dnb-detail">',
        row(markup("<b>", line(step.name), "</b>"), step.kind, step_text(step)),
        markup('<div class="dnb-scroll" data-scroll>', table(header, rows), "</div>"),
        pager("page", first, len(rows), len(calls), PAGE),
        "</div>",
    )


def _call_row(call: Call, number: int, of: str) -> Sequence[object]:
    took = lasting(call.ended - call.asked) if call.state in ("completed", "failed") else ""
    return (
        mark(f"{number:,}", call_key(call, of)),
        call.state,
        moment(call.asked),
        took,
        f"{len(call.attempts):,}",
        code(outcome_of(call.attempts[-1]), 80),
    )


def outcome_of(span: Span) -> str:
    """Return what became of an attempt, in a line: its result, or its failure."""
    for name in _FIELDS:
        value: Any = getattr(span.answer, name, None)
        if isinstance(value, FailureDetails):
            return f"{value.error_type}: {bare(value.message)}"
        if value is not None:
            return readable(str(value))
    return ""


def call_detail(call: Call, logs: Iterable[LogLine]) -> Markup:
    """Return all that there is to know of a call.

    Parameters
    ----------
    call
        Which one.
    logs
        What it printed.
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
    given = getattr(request, "input", None)
    rows: list[Sequence[object]] = [] if given is None else [("input", _value(given))]
    result = getattr(answer, "result", getattr(answer, "input", None))
    if result is not None:
        rows.append(("result", _value(result)))
    due = getattr(request, "fire_at", None)
    if due is not None:
        rows.append(("due (UTC)", moment(due)))
    if rows:
        parts.append(table((), rows))
    parts.append(_attempts(call))
    lines = list(logs)
    if lines:
        said = "\n".join(one.message for one in lines[-_LINES:])
        parts.append(markup("<details open><summary>Log</summary>", block(said, 8_000), "</details>"))
    return markup('<div class="dnb-detail">', *parts, "</div>")


def _value(text: str) -> Markup:
    """Return JSON, indented."""
    try:
        return block(json.dumps(json.loads(text), ensure_ascii=False, indent=1))
    except ValueError:
        return block(text)


def _together(text: str) -> str:
    return unbroken(text) if text else ""


def _attempts(call: Call) -> Markup:
    rows = [
        (
            f"{span.attempt}",
            span.state,
            _together(moment(span.asked)),
            _together(moment(span.started) if span.answer is not None and span.started != span.asked else ""),
            _together(moment(span.ended) if span.answer is not None else ""),
            _together(lasting(span.ended - span.started) if span.answer is not None else ""),
            str(getattr(span.answer, "worker", None) or ""),
            code(outcome_of(span), 100),
        )
        for span in call.attempts[-PAGE:]
    ]
    header = ("try", "state", "asked for (UTC)", "started", "ended", "took", "worker", "result")
    kept = [place for place in range(len(header)) if any(one[place] for one in rows)]
    return table([header[place] for place in kept], ([one[place] for place in kept] for one in rows))
