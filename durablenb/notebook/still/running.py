"""The running calls of an instance: bars, and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from durablenb.model.runtime import RunningCall
from durablenb.notebook.html import Markup, block, heading, line, markup, table, unbroken
from durablenb.notebook.palette import BLUE, SOLIDS
from durablenb.notebook.svg import HAIR, RIM, Drawing, image
from durablenb.notebook.themes import apply_theme
from durablenb.notebook.words import lasting

_MOST = 12
_WIDE, _HIGH, _LEAST = 180.0, 12.0, 3.0


def inline(drawing: Drawing) -> Markup:
    """Return a bar as a small image."""
    return Markup(image(drawing.finished(_HIGH, has_plate=False), drawing.sentence, width=drawing.width))


def themed(drawing: Drawing) -> Markup:
    """Return a bar in the page's colours, for a live view."""
    return Markup(apply_theme(drawing.finished(_HIGH, has_plate=False)))


def reporting(calls: Sequence[RunningCall]) -> list[RunningCall]:
    """Return the calls that have reported progress."""
    return [call for call in calls if call.done is not None]


def running_rows(
    calls: Sequence[RunningCall], now: datetime, show: Callable[[Drawing], Markup] = inline
) -> list[Sequence[object]]:
    """Return a row for each call that has reported progress: name, bar, count, note, and times.

    Parameters
    ----------
    calls, now
        The running calls, and the hub's time.
    show
        Turns a drawn bar into HTML.
    """
    shown = reporting(calls)
    rows: list[Sequence[object]] = [
        (
            markup(line(f"{call.name} #{call.task_id}", 60), _again(call)),
            "" if call.share is None else show(bar({BLUE: call.share}, counted(call))),
            unbroken(counted(call)),
            line(call.note or "", 80),
            _left(call, now),
            f"for {lasting(max((now - call.started_at).total_seconds(), 0.0))}",
        )
        for call in shown[:_MOST]
    ]
    if len(shown) > _MOST:
        rows.append((f"{len(shown) - _MOST:,} more", "", "", "", "", ""))
    return rows


def running_table(
    calls: Sequence[RunningCall], now: datetime, show: Callable[[Drawing], Markup] = inline
) -> Markup:
    """Return these rows as a table, and below it the end of what calls stream; empty if there is neither."""
    rows = running_rows(calls, now, show)
    return markup(table((), rows) if rows else "", *map(_streamed, _streaming(calls)))


def _streaming(calls: Sequence[RunningCall]) -> list[RunningCall]:
    return [call for call in calls if call.streamed][:_MOST]


def _streamed(call: RunningCall) -> Markup:
    return markup(heading(f"{call.name} #{call.task_id}", _again(call)), block(call.streamed))


def running_words(call: RunningCall) -> str:
    """Return a call and its progress in a few words, without times."""
    note = f", {call.note}" if call.note else ""
    return f"{call.name} #{call.task_id} {counted(call)}{note}"


def counted(call: RunningCall) -> str:
    """Return how much of a call is done, in words."""
    done = f"{call.done or 0:,.10g}"
    if not call.total:
        return done
    share = "" if call.share is None else f" ({call.share:.0%})"
    return f"{done} of {call.total:,.10g}{share}"


def _left(call: RunningCall, now: datetime) -> str:
    """Return the time left of a call, in words; empty if it isn't known."""
    seconds = call.seconds_left(now)
    return "" if seconds is None or call.share == 1 else f"{lasting(round(seconds, 1))} left"


def bar(shares: Mapping[str, float], sentence: str, width: float = _WIDE) -> Drawing:
    """Draw a bar with a part for each colour; shares are of the whole, from 0 to 1."""
    drawing = Drawing(width, sentence)
    drawing.box(0.5, 0.5, width - 1, _HIGH - 1, rx=3, fill=HAIR, stroke=RIM)
    parts = {colour: share for colour, share in shares.items() if share > 0}
    room = width - 2 - _LEAST * len(parts)
    x = 1.0
    for colour, share in parts.items():  # small shares stay visible
        wide = _LEAST + room * share
        drawing.box(x, 1, wide, _HIGH - 2, rx=2, fill=SOLIDS[colour])
        x += wide
    return drawing


def _again(call: RunningCall) -> Markup:
    return line(f", attempt {call.attempt}") if call.attempt > 1 else Markup("")
