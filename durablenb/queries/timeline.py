"""What an instance did, and when: spans, and a drawing of them in text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from durablenb.model.events import (
    Event,
    EventRaised,
    EventSubscribed,
    EventUnsubscribed,
    ExecutionStarted,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
    TimerFired,
)
from durablenb.queries.text import shortened

Kind = Literal["activity", "sub-orchestration", "timer", "external event"]
State = Literal["completed", "failed", "canceled", "open"]

_MARKS: dict[Kind, str] = {
    "activity": "█",
    "sub-orchestration": "▓",
    "timer": "░",
    "external event": "▒",
}
_ENDS: dict[State, str] = {"completed": "", "failed": " ✗", "canceled": " ⊘", "open": " …"}
_LABEL = 26


@dataclass(frozen=True)
class Span:
    """One task of an orchestration, from being asked for until it was settled."""

    name: str
    kind: Kind
    state: State
    asked: datetime
    started: datetime
    ended: datetime


def spans_of(events: Iterable[Event]) -> list[Span]:
    """Return the tasks of an instance in the order in which they were asked for.

    Parameters
    ----------
    events
        The instance's history. What is open lasts until the last event.
    """
    history = list(events)
    spans: list[Span] = []
    places: dict[int, int] = {}  # of the open tasks, by number
    waits: dict[str, list[int]] = {}  # of the open waits, by the event's name
    early: Counter[str] = Counter()  # external events that nobody waited for yet
    for event in history:
        if isinstance(event, ExecutionStarted):
            places, waits = {}, {}
        begun = _begun(event)
        if begun is not None:
            number, span = begun
            if isinstance(event, EventSubscribed) and early[event.name.casefold()]:
                early[event.name.casefold()] -= 1
                span = replace(span, state="completed")
            else:
                places[number] = len(spans)
                if isinstance(event, EventSubscribed):
                    waits.setdefault(event.name.casefold(), []).append(number)
            spans.append(span)
            continue
        settled, state = _settled(event, waits, places)
        if settled is not None:
            place = places.pop(settled)
            if spans[place].kind == "external event":
                waits[spans[place].name.casefold()].remove(settled)
            started = getattr(event, "started_at", None) or spans[place].asked
            spans[place] = replace(spans[place], state=state, started=started, ended=event.timestamp)
        elif isinstance(event, EventRaised):
            early[event.name.casefold()] += 1
    last = max((event.timestamp for event in history), default=None)
    return [span if span.state != "open" or last is None else replace(span, ended=last) for span in spans]


def timeline_text(events: Sequence[Event], width: int = 64) -> str:
    """Return the spans as bars, `width` characters for the whole time.

    Activities are █ (the wait for a place before is ·), sub-orchestrations ▓, timers ░, waits for
    external events ▒; ✗ marks a failure, ⊘ what was cancelled, … what is open.
    """
    spans = spans_of(events)
    if not spans:
        return "(nothing was asked for yet)"
    begin = min(event.timestamp for event in events)
    end = max(*(span.ended for span in spans), begin + timedelta(microseconds=1))

    def column(moment: datetime) -> int:
        return min(width - 1, max(0, round((moment - begin) / (end - begin) * (width - 1))))

    lines = []
    for span in spans:
        asked, started, ended = column(span.asked), column(span.started), column(span.ended)
        bar = " " * asked + "·" * (started - asked) + _MARKS[span.kind] * (ended - started + 1)
        seconds = (span.ended - span.started).total_seconds()
        label = shortened(span.name, _LABEL).ljust(_LABEL)
        lines.append(f"{label} {bar.ljust(width)} {seconds:9.3f} s{_ENDS[span.state]}")
    total = (end - begin).total_seconds()
    return "\n".join([*lines, f"{'':{_LABEL}} └{'─' * (width - 2)}┘ {total:9.3f} s in all"])


def _begun(event: Event) -> tuple[int, Span] | None:
    if isinstance(event, TaskScheduled):
        again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
        return event.task_id, _span(event.name + again, "activity", event)
    if isinstance(event, SubOrchestrationInstanceCreated):
        return event.task_id, _span(event.name, "sub-orchestration", event)
    if isinstance(event, TimerCreated):
        return event.task_id, _span("timer", "timer", event)
    if isinstance(event, EventSubscribed):
        return event.task_id, _span(event.name, "external event", event)
    return None


def _span(name: str, kind: Kind, event: Event) -> Span:
    return Span(name, kind, "open", event.timestamp, event.timestamp, event.timestamp)


def _settled(event: Event, waits: dict[str, list[int]], places: dict[int, int]) -> tuple[int | None, State]:
    """Return the number of the open task that the event settles, and how."""
    if isinstance(event, EventRaised):
        waiting = waits.get(event.name.casefold())
        return (waiting[0] if waiting else None), "completed"
    number = getattr(event, "task_id", None)
    if number not in places:
        return None, "open"
    if isinstance(event, (TaskCompleted, SubOrchestrationInstanceCompleted, TimerFired)):
        return number, "completed"
    if isinstance(event, (TaskFailed, SubOrchestrationInstanceFailed)):
        return number, "failed"
    return number, "canceled" if isinstance(event, (TimerCanceled, EventUnsubscribed)) else "open"
