"""The timeline of an instance: a span for each task, and the spans as bars of text."""

from __future__ import annotations

from bisect import insort
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil
from typing import Literal

from durablenb.analysis.run_time import fork_times
from durablenb.analysis.text import padded, shortened
from durablenb.core.generations import GenerationCounter, earlier_purged, without_remnants
from durablenb.core.requests import subject_name
from durablenb.model.events import (
    Ending,
    EntityLockRequested,
    EntityUnlockSent,
    Event,
    EventRaised,
    EventUnsubscribed,
    ExecutionRewound,
    ExecutionStarted,
    Settlement,
    TaskKind,
    TimerCreated,
)


def family_name(event: Event) -> str:
    """Return the name of what an event is about, with ``*`` for the keys of entities.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from durablenb.model.events import EntityOperationCalled
    >>> family_name(EntityOperationCalled(7, datetime(2026, 1, 1, tzinfo=UTC), 2, "add", "@counter@a", "5"))
    '@counter@*.add'
    """
    entity_ids = entity_ids_in(event)
    if not entity_ids:
        return subject_name(event)
    family = ", ".join(dict.fromkeys(map(any_key, entity_ids)))
    return family if isinstance(event, EntityLockRequested) else f"{family}.{getattr(event, 'name', '')}"


def entity_ids_in(event: Event | None) -> tuple[str, ...]:
    """Return the ids of the entities that an event is about."""
    if isinstance(event, EntityLockRequested):
        return event.entity_ids
    entity_id = getattr(event, "entity_id", None)
    return () if entity_id is None else (entity_id,)


def any_key(entity_id: str) -> str:
    """Return the id with ``*`` for the key; all entities of one name share it."""
    return f"@{entity_id.removeprefix('@').partition('@')[0]}@*"


ENTITY_KINDS: tuple[TaskKind, ...] = ("entity call", "signal", "lock")
"""The kinds of tasks that are requests to entities."""

SpanState = Settlement | Literal["open", "interrupted"]
"""The states of a task. "interrupted" is an attempt that ended with its process; histories have none."""


@dataclass(frozen=True)
class Span:
    """One task of an orchestration, from its `request` until the event that settled it (`answer`).

    A signal is settled at once. A lock is settled when it is granted; `released` is the end of its critical
    section.
    """

    name: str
    kind: TaskKind
    state: SpanState
    scheduled: datetime
    started: datetime
    ended: datetime
    attempt: int = 1
    request: Event | None = field(default=None, compare=False, repr=False)
    answer: Event | None = field(default=None, compare=False, repr=False)
    released: datetime | None = field(default=None, compare=False)

    @property
    def is_cached(self) -> bool:
        """True for a call of an activity that got the remembered result of an equal call, and didn't run."""
        return getattr(self.answer, "cached_from", None) is not None


def read_spans(events: Iterable[Event]) -> list[Span]:
    """Return the tasks of an instance in the order of their requests.

    Parameters
    ----------
    events
        The instance's history. Open tasks last until the execution's end, or the last event.
    """
    reader = SpanReader()
    for event in events:
        reader.read(event)
    return reader.spans()


class SpanReader:
    """Reads a history event by event, and tracks the open tasks and waits."""

    def __init__(self) -> None:
        self._spans: list[Span | None] = []  # None: a rewind wrote it again
        self._open: dict[int, int] = {}  # positions of the open tasks, by task id
        self._positions: dict[int, int] = {}  # positions of all tasks of the execution
        self._before: dict[int, int] = {}  # positions of the tasks that a rewind may write again
        self._waits: dict[str, list[int]] = {}  # task ids of the open waits, by the event's name
        self._early: dict[str, deque[EventRaised]] = {}  # external events without a wait
        self._settled_by: dict[int, EventRaised] = {}  # events that settled a wait, by its task id
        self._rewound_at: datetime | None = None
        self._forked_at: list[datetime] = []  # when the forks were made whose past this is
        self._granted: dict[int, int] = {}  # positions of the granted locks that are not released
        self._last: datetime | None = None
        self.changed: set[int] = set()
        """The positions of the spans that have changed since the set was last cleared."""

    def span(self, position: int) -> Span | None:
        """Return the span at a position in the order of the requests; None if a rewind wrote it again."""
        return self._spans[position]

    def spans(self) -> list[Span]:
        """Return the spans. Open ones last until the last event."""
        if self._last is not None:
            self._end_open(self._last)
        return [span for span in self._spans if span is not None]

    def read(self, event: Event) -> None:
        """Read the next event."""
        self._last = event.timestamp if self._last is None else max(self._last, event.timestamp)
        if event.begins is not None:
            began = max([event.timestamp, *self._forked_at])  # a fork requests it again, unless it is settled
            self._begin(getattr(event, "task_id", -1), _begun(event, event.begins, began))
        elif event.settlement is not None:
            self._settle(event, event.settlement)
        elif isinstance(event, ExecutionStarted):
            self._open, self._positions, self._waits, self._granted = {}, {}, {}, {}
            self._early, self._settled_by = {}, {}
            self._forked_at = fork_times(event)
        elif isinstance(event, ExecutionRewound):
            self._before, self._rewound_at = self._positions, event.timestamp
        elif isinstance(event, Ending):
            self._end_open(event.timestamp)
            self._release(list(self._granted), event.timestamp)
            self._before = {}
        elif isinstance(event, EntityUnlockSent) and event.task_id in self._granted:
            self._release([event.task_id], event.timestamp)

    def _settled_at(self, span: Span, settled: datetime) -> Span:
        """Return a span that was settled then: later forks have its outcome, and didn't request it again."""
        if span.request is None or span.scheduled not in self._forked_at:
            return span
        forks = [at for at in self._forked_at if at <= settled]
        began = max([span.request.timestamp, *forks])
        return replace(span, scheduled=began, started=began, ended=began)

    def _begin(self, number: int, span: Span) -> None:
        earlier = self._before.pop(number, None)
        was = None if earlier is None else self._spans[earlier]
        if earlier is not None and was is not None and _requested_at(was) == _requested_at(span):
            if was.state != "failed":
                self._put(earlier, None)
            elif self._rewound_at is not None:  # the same request, made again by the rewind
                again = self._rewound_at
                span = replace(span, scheduled=again, started=again, ended=again)
        if span.kind == "external event" and number in self._positions:  # abandoned, and awaited again
            since = self._scheduled_at(number)
            self._put(self._positions[number], replace(span, scheduled=since, started=since))
            self._wait(number, span.name.casefold(), self._positions[number])
            return
        if span.kind == "signal":
            span = replace(self._settled_at(span, _requested_at(span)), state="completed")
        elif span.kind != "external event":
            self._open[number] = len(self._spans)
        self._positions[number] = len(self._spans)
        self.changed.add(len(self._spans))
        self._spans.append(span)
        if span.kind == "external event":
            self._wait(number, span.name.casefold(), self._positions[number])

    def _scheduled_at(self, number: int) -> datetime:
        span = self._spans[self._positions[number]]
        assert span is not None
        return span.scheduled

    def _wait(self, number: int, name: str, position: int) -> None:
        """Begin a wait for an external event. An event that arrived earlier settles it at once."""
        early, span = self._early.get(name), self._spans[position]
        if early and span is not None:
            self._settled_by[number] = early.popleft()
            self._put(position, replace(self._settled_at(span, _requested_at(span)), state="completed"))
        else:
            self._open[number] = position
            insort(self._waits.setdefault(name, []), number)

    def _reopen(self, end: EventUnsubscribed) -> EventRaised | None:
        """Open a wait that ends now. Return its event if the code never saw it: the next wait gets it."""
        if end.task_id in self._positions:
            self._open[end.task_id] = self._positions[end.task_id]
        event = self._settled_by.pop(end.task_id, None)
        return self._moved_up(event) if event is not None and end.is_left else event

    def _moved_up(self, event: EventRaised) -> EventRaised:
        """Give an event to the wait that has the next one of its name, and so on. Return the last one.

        The wait that had it was abandoned: another task had won before, so it never got an event.
        """
        name = event.name.casefold()
        later = {
            number: held
            for number, held in self._settled_by.items()
            if held.event_id > event.event_id and held.name.casefold() == name
        }
        for number, held in sorted(later.items(), key=lambda pair: pair[1].event_id):
            span = self._spans[self._positions[number]]
            if span is not None and span.request is not None:
                answer = event if event.event_id > span.request.event_id else None
                ended = max(event.timestamp, span.request.timestamp)
                self._put(self._positions[number], replace(span, ended=ended, answer=answer))
            self._settled_by[number], event = event, held
        return event

    def _settle(self, event: Event, state: SpanState) -> None:
        given_back: EventRaised | None = None
        if isinstance(event, EventRaised):
            waiting = self._waits.get(event.name.casefold())
            if not waiting:
                insort(self._early.setdefault(event.name.casefold(), deque()), event, key=_event_id)
                return
            number = waiting[0]
            self._settled_by[number] = event
        else:
            number = getattr(event, "task_id", -1)
        if isinstance(event, EventUnsubscribed):
            given_back = self._reopen(event)
        position = self._open.get(number)
        span = None if position is None else self._spans[position]
        if position is None or span is None:
            return
        del self._open[number]
        waits = self._waits.get(span.name.casefold(), []) if span.kind == "external event" else []
        if number in waits:
            waits.remove(number)
        if span.kind == "lock" and state == "completed":
            self._granted[number] = position
        span = self._settled_at(span, event.timestamp) if self._forked_at else span
        started = getattr(event, "started_at", None) or span.started
        ended, request = max(event.timestamp, span.scheduled), span.request  # replace() takes twice as long
        self._put(
            position,
            Span(span.name, span.kind, state, span.scheduled, started, ended, span.attempt, request, event),
        )
        if given_back is not None:
            self._settle(given_back, "completed")

    def _put(self, position: int, span: Span | None) -> None:
        self._spans[position] = span
        self.changed.add(position)

    def _release(self, numbers: Iterable[int], moment: datetime) -> None:
        for number in numbers:
            position = self._granted.pop(number)
            span = self._spans[position]
            if span is not None:
                self._put(position, replace(span, released=moment))

    def _end_open(self, moment: datetime) -> None:
        for position in self._open.values():
            span = self._spans[position]
            if span is not None:
                self._put(position, replace(span, ended=moment))


def _event_id(event: EventRaised) -> int:
    return event.event_id


def _requested_at(span: Span) -> datetime:
    return span.scheduled if span.request is None else span.request.timestamp


def _begun(event: Event, kind: TaskKind, moment: datetime) -> Span:
    """Return the open span that a request begins at a moment."""
    if isinstance(event, TimerCreated):
        name = "timer" if event.retry_of is None else "timer (before a retry)"
    else:
        name = subject_name(event)
    return Span(name, kind, "open", moment, moment, moment, getattr(event, "attempt", 1), event)


_MARKS: dict[TaskKind, str] = {
    "activity": "█",
    "sub-orchestration": "▓",
    "timer": "░",
    "external event": "▒",
    "entity call": "▓",
    "signal": "▸",
    "lock": "▒",
}
_ENDS: dict[SpanState, str] = {
    "completed": "",
    "failed": " ✗",
    "canceled": " ⊘",
    "open": " …",
    "interrupted": " ⊘",
}
_CACHED = "○"
_LEVELS = "▁▂▃▄▅▆▇█"
_TIMES = "\N{MULTIPLICATION SIGN}"
_LABEL = 24
_FOLD = 12


def timeline_text(
    events: Sequence[Event], width: int = 58, *, moments: Sequence[tuple[datetime, str]] = ()
) -> str:
    """Return the spans as bars, `width` characters for the whole time.

    Activities are █ (queued: ·), sub-orchestrations and calls of entities ▓, timers ░,
    waits for external events and locks ▒, signals ▸; ✗ marks failed tasks, ⊘ canceled ones, … open ones.
    An activity whose result was remembered didn't run: ○, "from cache".
    A dozen or more tasks of one name in a row share a line. Its height shows how many of them were running.

    Parameters
    ----------
    events
        An instance's history.
    width
        Characters from the first event to the last.
    moments
        Times to mark below the bars, each with a label.
    """
    counter = GenerationCounter(events)
    events = list(without_remnants(events))
    spans = read_spans(events)
    if not spans:
        return "(nothing is scheduled yet)" + _purged_line(counter.purged)
    begin = min(event.timestamp for event in events)
    end = max(*(span.ended for span in spans), begin + timedelta(microseconds=1))

    def column_at(moment: datetime) -> float:
        return min(1.0, max(0.0, (moment - begin) / (end - begin))) * (width - 1)

    lines = []
    for _, several in groupby(spans, key=lambda span: (_family(span), span.kind, span.attempt)):
        group = list(several)
        if len(group) >= _FOLD:
            lines.append(_folded(group, column_at, width))
        else:
            lines += [_line(span, column_at, width) for span in group]
    lines.append(f"{'':{_LABEL}} └{'─' * (width - 2)}┘ {_length(end - begin)} in all")
    lines += [f"{'':{_LABEL}} {'':{round(column_at(moment))}}▲ {word}" for moment, word in moments]
    return "\n".join(lines) + _purged_line(counter.purged)


def _purged_line(count: int) -> str:
    return f"\n{earlier_purged(count)}" if count else ""


def _family(span: Span) -> str:
    return span.name if span.kind not in ENTITY_KINDS or span.request is None else family_name(span.request)


def _line(span: Span, column_at: Callable[[datetime], float], width: int) -> str:
    asked, started, ended = (
        round(column_at(span.scheduled)),
        round(column_at(span.started)),
        round(column_at(span.ended)),
    )
    bar = " " * asked + "·" * (started - asked) + _MARKS[span.kind] * (ended - started + 1)
    again = f" (attempt {span.attempt})" if span.attempt > 1 else ""
    if span.is_cached:
        return f"{_label(span.name, again)} {(' ' * ended + _CACHED).ljust(width)}    from cache"
    length = _length(span.ended - span.started)
    return f"{_label(span.name, again)} {bar.ljust(width)} {length}{_ENDS[span.state]}"


def _folded(spans: list[Span], column_at: Callable[[datetime], float], width: int) -> str:
    under_way = [0] * width  # tasks that run in the middle of each column
    touched = [False] * width  # whether a task runs at any time of the column
    for span in spans:
        started, ended = column_at(span.started), column_at(span.ended)
        for column in range(ceil(started), ceil(ended)):
            under_way[column] += 1
        for column in range(round(started), round(ended) + 1):
            touched[column] = True
    most = max(*under_way, 1)
    cells = [
        _LEVELS[-(-count * len(_LEVELS) // most) - 1] if count else _LEVELS[0] if is_touched else "·"
        for count, is_touched in zip(under_way, touched, strict=True)
    ]
    asked = round(column_at(min(span.scheduled for span in spans)))
    last = round(column_at(max(span.ended for span in spans)))
    bar = " " * asked + "".join(cells[asked : last + 1])
    length = _length(max(span.ended for span in spans) - min(span.scheduled for span in spans))
    states = Counter(span.state for span in spans)
    cached = sum(span.is_cached for span in spans)
    ends = "".join(f"{_ENDS[state]}{states[state]}" for state in _ENDS if _ENDS[state] and states[state])
    ends += f" {_CACHED}{cached:,} from cache" if cached else ""
    name = spans[0].name if all(span.name == spans[0].name for span in spans) else _family(spans[0])
    return f"{_label(name, f' {_TIMES} {len(spans):,}')} {bar.ljust(width)} {length}{ends}"


def _length(duration: timedelta) -> str:
    if duration < timedelta(hours=1):
        return f"{duration.total_seconds():,.3f} s".rjust(13)
    minutes, seconds = divmod(duration.seconds, 60)
    days = f"{duration.days:,} d " if duration.days else ""
    return f"{days}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}".rjust(13)


def _label(name: str, more: str) -> str:
    return padded(shortened(name, _LABEL - len(more)) + more, _LABEL)
