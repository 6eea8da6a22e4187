"""A drawing of what an instance did, and when, as text: a bar for each task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from math import ceil

from durablenb.analysis.instance.naming import family_in
from durablenb.analysis.instance.timeline import OF_ENTITIES, Kind, Span, State, spans_of
from durablenb.analysis.text import padded, shortened
from durablenb.model.events import Event

_MARKS: dict[Kind, str] = {
    "activity": "█",
    "sub-orchestration": "▓",
    "timer": "░",
    "external event": "▒",
    "entity call": "▓",
    "signal": "▸",
    "lock": "▒",
}
_ENDS: dict[State, str] = {"completed": "", "failed": " ✗", "canceled": " ⊘", "open": " …"}
_LEVELS = "▁▂▃▄▅▆▇█"
_TIMES = "\N{MULTIPLICATION SIGN}"
_LABEL = 24
_FOLD = 12


def timeline_text(
    events: Sequence[Event], width: int = 58, *, moments: Sequence[tuple[datetime, str]] = ()
) -> str:
    """Return the spans as bars, `width` characters for the whole time.

    Activities are █ (the wait for a place before is ·), sub-orchestrations and calls of entities ▓, timers ░,
    waits for external events and locks ▒, signals ▸; ✗ marks a failure, ⊘ what was cancelled, … what is open.
    A dozen or more tasks of one name in a row share a line, whose height tells how many of them were under
    way.

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
    for _, several in groupby(spans, key=lambda span: (_family(span), span.kind, span.attempt)):
        group = list(several)
        if len(group) >= _FOLD:
            lines.append(_folded(group, place, width))
        else:
            lines += [_line(span, place, width) for span in group]
    lines.append(f"{'':{_LABEL}} └{'─' * (width - 2)}┘ {_length(end - begin)} in all")
    lines += [f"{'':{_LABEL}} {'':{round(place(moment))}}▲ {word}" for moment, word in moments]
    return "\n".join(lines)


def _family(span: Span) -> str:
    return span.name if span.kind not in OF_ENTITIES or span.request is None else family_in(span.request)


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
