"""The slider of the explorer, which is the history: a tick for each event, a bracket for each episode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from weakref import WeakKeyDictionary

from durablenb.analysis.replays.replay import Replay
from durablenb.core.requests import describe_event
from durablenb.model.events import Arrival, Ending, Event, EventRaised, Raised, Request, TimerFired
from durablenb.notebook.html import Markup, line, markup
from durablenb.notebook.live.interactive import attributes
from durablenb.notebook.live.position import Position
from durablenb.notebook.svg import number
from durablenb.notebook.themes import apply_theme

_TICKS = 600
"""Maximum ticks. In longer histories a tick is several events, and has the colour of the most notable one."""

_BRACKETS = 300
_LABELS = 30

_LOOKS = {
    "failure": ("#d6402f", 0, 20),
    "end": ("#9576c8", 0, 20),
    "timer or external event": ("#c07f10", 0, 9),
    "result": ("#3f9f5f", 0, 9),
    "request": ("#4a8fd6", 11, 9),
    "start of an episode": ("#86909b", 8, 4),
}
"""The colour, top and height of each kind of event, the most notable kind first."""

_UNKNOWN = ("#ccd4dd", 8, 4)


def history_slider(position: Position, *, is_hidden: bool) -> Markup:
    """Return the slider.

    Parameters
    ----------
    position
        The explorer's position.
    is_hidden
        Whether the outcome of the step is hidden. Then the kinds of later events are, too.
    """
    replay, step = position.replay, position.step
    events = replay.trace.events
    count = len(events)
    known = count if step is None else replay.events_before(step) if is_hidden else replay.events_at(step)
    event = events[known - 1]
    where = f"event {event.event_id:,}, {describe_event(event)}; replay {position.chosen:,}"
    named = attributes(
        type="range",
        min=events[0].event_id,
        max=events[-1].event_id,
        value=event.event_id,
        data_set="event",
        aria_label="event",
        aria_valuetext=where,
        title=where,
    )
    return markup(
        '<div class="dnb-track">',
        _brackets(position, known if is_hidden else count),
        _ticks(events, known) if is_hidden else _all_ticks(replay),
        f'<input class="dnb-slider"{named}></div><p class="dnb-legend">',
        *_legend(),
        "</p>",
    )


def event_kind(event: Event) -> str:
    """Return the kind of an event, as the legend names it."""
    if isinstance(event, Ending):
        return "end"
    if isinstance(event, Raised):
        return "failure"
    if isinstance(event, TimerFired | EventRaised):
        return "timer or external event"
    if isinstance(event, Arrival):
        return "result"
    return "request" if isinstance(event, Request) else "start of an episode"


_drawn: WeakKeyDictionary[Replay, Markup] = WeakKeyDictionary()
"""The ticks of whole histories."""


def _all_ticks(replay: Replay) -> Markup:
    drawn = _drawn.get(replay)
    if drawn is None:
        drawn = _drawn[replay] = _ticks(replay.trace.events, len(replay.trace.events))
    return drawn


def _ticks(events: Sequence[Event], known: int) -> Markup:
    """Return a tick for each event, or for as many as there is room for; unknown ones are grey."""
    most_notable, size = list(_LOOKS), -(-len(events) // _TICKS)
    paths: dict[tuple[str, int, int], list[str]] = {}
    for first in range(0, len(events), size):
        kinds = {event_kind(event) for event in events[first : min(first + size, known)]}
        look = _LOOKS[min(kinds, key=most_notable.index)] if kinds else _UNKNOWN
        _, top, height = look
        left, wide = first + 0.15 * size, 0.7 * size
        paths.setdefault(look, []).append(f"M{left:g} {top}h{wide:g}v{height}h{-wide:g}z")
    drawn = "".join(f'<path fill="{look[0]}" d="{"".join(d)}"/>' for look, d in paths.items())
    svg = f'<svg viewBox="0 0 {len(events)} 20" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg>'
    return Markup(apply_theme(svg))


def _brackets(position: Position, known: int) -> Markup:
    """Return a bracket above the events of each episode, the current replay's highlighted."""
    events = position.replay.trace.events
    base, count = events[0].event_id, len(events)
    begun = [episode.event_id - base for episode in position.replay.trace.episodes]
    parts = []
    for episode, (start, end) in enumerate(pairwise([*begun, count]), 1):
        is_here = episode == position.chosen
        if start >= known or (len(begun) > _BRACKETS and not is_here):
            continue
        width = (min(end, known) - start) / count
        words = f"#{episode:,}" if is_here or len(begun) <= _LABELS else ""
        look = "dnb-bracket dnb-here" if is_here else "dnb-bracket"
        style = f"left:{number(100 * start / count)}%;width:{number(100 * width)}%"
        parts.append(f'<span class="{look}" style="{style}">{words}</span>')
    return markup('<div class="dnb-brackets" aria-hidden="true">', *parts, "</div>")


def _legend() -> Iterator[str]:
    for name, (colour, _, _) in reversed(_LOOKS.items()):
        square = f'<path fill="{colour}" d="M0 0h9v9h-9z"/>'
        swatch = f'<svg width="9" height="9" viewBox="0 0 9 9" aria-hidden="true">{square}</svg>'
        yield markup("<span>", apply_theme(swatch), line(name), "</span> ")
