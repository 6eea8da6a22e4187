"""What an instance did, and when: spans, and a drawing of them in text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil
from typing import Literal

from durablenb.model.events import (
    TERMINAL,
    Event,
    EventRaised,
    EventSubscribed,
    EventUnsubscribed,
    ExecutionRewound,
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
from durablenb.queries.text import padded, shortened

Kind = Literal["activity", "sub-orchestration", "timer", "external event"]
State = Literal["completed", "failed", "canceled", "open"]

_MARKS: dict[Kind, str] = {
    "activity": "█",
    "sub-orchestration": "▓",
    "timer": "░",
    "external event": "▒",
}
_ENDS: dict[State, str] = {"completed": "", "failed": " ✗", "canceled": " ⊘", "open": " …"}
_LEVELS = "▁▂▃▄▅▆▇█"
_TIMES = "\N{MULTIPLICATION SIGN}"
_LABEL = 24
_FOLD = 12


@dataclass(frozen=True)
class Span:
    """One task of an orchestration, from being asked for (`request`) until it was settled (`answer`)."""

    name: str
    kind: Kind
    state: State
    asked: datetime
    started: datetime
    ended: datetime
    attempt: int = 1
    request: Event | None = field(default=None, compare=False, repr=False)
    answer: Event | None = field(default=None, compare=False, repr=False)


def spans_of(events: Iterable[Event]) -> list[Span]:
    """Return the tasks of an instance in the order in which they were asked for.

    Parameters
    ----------
    events
        The instance's history. What is open lasts until the execution's end, or the last event.
    """
    reader = _Reader()
    for event in events:
        reader.read(event)
    return reader.spans()


class _Reader:
    """Reads a history, and knows which tasks and waits are open."""

    def __init__(self) -> None:
        self._spans: list[Span | None] = []  # None: a rewind wrote it once more
        self._open: dict[int, int] = {}  # places of the open tasks, by number
        self._places: dict[int, int] = {}  # of all tasks of the execution
        self._before: dict[int, int] = {}  # of those that a rewind may write once more
        self._waits: dict[str, list[int]] = {}  # numbers of the open waits, by the event's name
        self._early: Counter[str] = Counter()  # external events that nobody waited for yet
        self._last: datetime | None = None

    def spans(self) -> list[Span]:
        """Return what was read; what is open lasts until now."""
        if self._last is not None:
            self._end_open(self._last)
        return [span for span in self._spans if span is not None]

    def read(self, event: Event) -> None:
        """Take note of the next event."""
        self._last = event.timestamp if self._last is None else max(self._last, event.timestamp)
        if isinstance(event, ExecutionStarted):
            self._open, self._places, self._waits, self._early = {}, {}, {}, Counter()
        elif isinstance(event, ExecutionRewound):
            self._before = self._places
        elif isinstance(event, TERMINAL):
            self._end_open(event.timestamp)
            self._before = {}
        elif (begun := _begun(event)) is not None:
            self._begin(*begun)
        else:
            self._settle(event)

    def _begin(self, number: int, span: Span) -> None:
        earlier = self._before.pop(number, None)
        was = None if earlier is None else self._spans[earlier]
        if earlier is not None and was is not None and was.state != "failed" and was.asked == span.asked:
            self._spans[earlier] = None
        name = span.name.casefold()
        if span.kind == "external event" and self._early[name]:
            self._early[name] -= 1
            span = replace(span, state="completed")
        else:
            self._open[number] = len(self._spans)
            if span.kind == "external event":
                self._waits.setdefault(name, []).append(number)
        self._places[number] = len(self._spans)
        self._spans.append(span)

    def _settle(self, event: Event) -> None:
        if isinstance(event, EventRaised):
            waiting = self._waits.get(event.name.casefold())
            if not waiting:
                self._early[event.name.casefold()] += 1
                return
            number, state = waiting[0], _ended(event)
        else:
            number, state = getattr(event, "task_id", -1), _ended(event)
        place = self._open.get(number)
        span = None if place is None else self._spans[place]
        if place is None or span is None or state is None:
            return
        del self._open[number]
        if span.kind == "external event":
            self._waits[span.name.casefold()].remove(number)
        started = getattr(event, "started_at", None) or span.started
        self._spans[place] = replace(span, state=state, started=started, ended=event.timestamp, answer=event)

    def _end_open(self, moment: datetime) -> None:
        for place in self._open.values():
            span = self._spans[place]
            if span is not None:
                self._spans[place] = replace(span, ended=moment)


def _begun(event: Event) -> tuple[int, Span] | None:
    if isinstance(event, TaskScheduled):
        return event.task_id, _span(event.name, "activity", event, event.attempt)
    if isinstance(event, SubOrchestrationInstanceCreated):
        return event.task_id, _span(event.name, "sub-orchestration", event, event.attempt)
    if isinstance(event, TimerCreated):
        name = "timer" if event.retry_of is None else "timer (before a retry)"
        return event.task_id, _span(name, "timer", event)
    if isinstance(event, EventSubscribed):
        return event.task_id, _span(event.name, "external event", event)
    return None


def _span(name: str, kind: Kind, event: Event, attempt: int = 1) -> Span:
    return Span(name, kind, "open", event.timestamp, event.timestamp, event.timestamp, attempt, event)


def _ended(event: Event) -> State | None:
    if isinstance(event, (TaskCompleted, SubOrchestrationInstanceCompleted, TimerFired, EventRaised)):
        return "completed"
    if isinstance(event, (TaskFailed, SubOrchestrationInstanceFailed)):
        return "failed"
    return "canceled" if isinstance(event, (TimerCanceled, EventUnsubscribed)) else None


def timeline_text(
    events: Sequence[Event], width: int = 58, *, moments: Sequence[tuple[datetime, str]] = ()
) -> str:
    """Return the spans as bars, `width` characters for the whole time.

    Activities are █ (the wait for a place before is ·), sub-orchestrations ▓, timers ░, waits for
    external events ▒; ✗ marks a failure, ⊘ what was cancelled, … what is open. A dozen or more tasks
    of one name in a row share a line, whose height tells how many of them were under way.

    Parameters
    ----------
    events
        An instance's history.
    width
        Characters from the first event to the last.
    moments
        Times to be pointed at from below, each with a word.
    """
    spans = spans_of(events)
    if not spans:
        return "(nothing was asked for yet)"
    begin = min(event.timestamp for event in events)
    end = max(*(span.ended for span in spans), begin + timedelta(microseconds=1))

    def place(moment: datetime) -> float:
        return min(1.0, max(0.0, (moment - begin) / (end - begin))) * (width - 1)

    lines = []
    for _, several in groupby(spans, key=lambda span: (span.name, span.kind, span.attempt)):
        group = list(several)
        if len(group) >= _FOLD:
            lines.append(_folded(group, place, width))
        else:
            lines += [_line(span, place, width) for span in group]
    lines.append(f"{'':{_LABEL}} └{'─' * (width - 2)}┘ {_length(end - begin)} in all")
    lines += [f"{'':{_LABEL}} {'':{round(place(moment))}}▲ {word}" for moment, word in moments]
    return "\n".join(lines)


def _line(span: Span, place: Callable[[datetime], float], width: int) -> str:
    asked, started, ended = round(place(span.asked)), round(place(span.started)), round(place(span.ended))
    bar = " " * asked + "·" * (started - asked) + _MARKS[span.kind] * (ended - started + 1)
    again = f" (attempt {span.attempt})" if span.attempt > 1 else ""
    length = _length(span.ended - span.started)
    return f"{_label(span.name, again)} {bar.ljust(width)} {length}{_ENDS[span.state]}"


def _folded(spans: list[Span], place: Callable[[datetime], float], width: int) -> str:
    under_way = [0] * width  # at the middle of each column
    touched = [False] * width  # at any time of it
    for span in spans:
        started, ended = place(span.started), place(span.ended)
        for column in range(ceil(started), ceil(ended)):
            under_way[column] += 1
        for column in range(round(started), round(ended) + 1):
            touched[column] = True
    most = max(*under_way, 1)
    cells = [
        _LEVELS[-(-count * len(_LEVELS) // most) - 1] if count else _LEVELS[0] if is_touched else "·"
        for count, is_touched in zip(under_way, touched, strict=True)
    ]
    asked = round(place(min(span.asked for span in spans)))
    last = round(place(max(span.ended for span in spans)))
    bar = " " * asked + "".join(cells[asked : last + 1])
    length = _length(max(span.ended for span in spans) - min(span.asked for span in spans))
    states = Counter(span.state for span in spans)
    ends = "".join(f"{_ENDS[state]}{states[state]}" for state in _ENDS if _ENDS[state] and states[state])
    return f"{_label(spans[0].name, f' {_TIMES} {len(spans):,}')} {bar.ljust(width)} {length}{ends}"


def _length(duration: timedelta) -> str:
    if duration < timedelta(hours=1):
        return f"{duration.total_seconds():,.3f} s".rjust(13)
    minutes, seconds = divmod(duration.seconds, 60)
    days = f"{duration.days:,} d " if duration.days else ""
    return f"{days}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}".rjust(13)


def _label(name: str, more: str) -> str:
    return padded(shortened(name, _LABEL - len(more)) + more, _LABEL)
