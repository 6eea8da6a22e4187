"""Attempts of calls that a crash interrupted: no event says so, but the next attempt's number does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from durablenb.analysis.calls import Call
from durablenb.analysis.timeline import Span
from durablenb.model.activities import ActivityAttempt

Tries = Mapping[int, Sequence[ActivityAttempt]]
"""The known tries of an instance's calls, by task."""


def tries_by_task(tries: Iterable[ActivityAttempt]) -> Tries:
    """Return tries by task, those of each in their order."""
    found: dict[int, list[ActivityAttempt]] = {}
    for one in sorted(tries, key=lambda one: (one.started_at, one.attempt)):
        found.setdefault(one.task_id, []).append(one)
    return found


def with_interruptions(call: Call, tries: Tries) -> Call:
    """Return a call with its interrupted attempts before the one that followed; the same call if it has none.

    An interrupted attempt lasts until it last reported something: nobody knows how long it ran. Of an open
    call that has neither been requested again nor ended, only an engine knows that it doesn't run any more.
    """
    if call.kind != "activity":
        return call
    attempts: list[Span] = []
    for span in call.attempts:
        interrupted = _interrupted(call, span, tries)
        if interrupted:
            last = interrupted[-1]
            started = max(span.started, last.ended)
            span = replace(
                span,
                scheduled=last.ended,
                started=started,
                ended=max(span.ended, started),
                attempt=last.attempt + 1,
            )
        attempts += [*interrupted, span]
    return call if len(attempts) == len(call.attempts) else replace(call, attempts=tuple(attempts))


def _interrupted(call: Call, span: Span, tries: Tries) -> list[Span]:
    rows = [
        one
        for one in tries.get(getattr(span.request, "task_id", -1), ())
        if one.started_at >= span.scheduled and (span.state == "open" or one.started_at <= span.ended)
    ]
    doesnt_run = span is call.attempts[-1] and call.state in ("queued", "not loaded")
    spans: list[Span] = []
    for one in rows if doesnt_run else rows[:-1]:
        scheduled = spans[-1].ended if spans else span.scheduled
        ended = max(one.reported_at or one.started_at, one.started_at)
        spans.append(
            Span(
                span.name,
                span.kind,
                "interrupted",
                scheduled,
                one.started_at,
                ended,
                one.attempt,
                span.request,
            )
        )
    return spans
