"""The values pane of the explorer: variables, clocks, output and activities so far, at a step."""

from __future__ import annotations

from datetime import datetime

from durablenb.analysis.replays.replay import Replay
from durablenb.analysis.replays.steps import Step
from durablenb.notebook.html import Markup, code, line, markup, unbroken
from durablenb.notebook.words import plural, time_text

_MOST = 40
_PRINTED = 12


def values_pane(replay: Replay, step: Step, wall: datetime, *, is_hidden: bool) -> Markup:
    """Return the variables at a step, its clocks, its output, and the counts so far.

    Parameters
    ----------
    replay
        The replays.
    step
        The current step.
    wall
        The actual time.
    is_hidden
        Whether the outcome of the step is hidden, because the user is asked to predict it.
    """
    if is_hidden:
        return markup(_names(step), _clocks("?", step.now, wall))
    return markup(
        _names(step),
        _clocks(str(step.is_replaying), step.now, wall),
        _printed(replay, step),
        _counts(replay, step),
    )


def _names(step: Step) -> Markup:
    calls = () if step.reached is None else step.reached.calls
    where = markup(" in ", code(calls[-1][0]), f" (line {calls[-1][1]})") if calls else ""
    head = markup("<h4>Variables", where, "</h4>")
    if not step.names:
        is_gone = step.verdict in ("returned", "canceled", "terminated")
        gone = "The code has ended: they are gone." if is_gone else "None."
        return markup(head, f'<p class="dnb-muted">{gone}</p>')
    changed = set(step.changed)
    rows = [
        markup(
            '<tr class="dnb-changed"><td><code>' if name in changed else "<tr><td><code>",
            line(name, 60),
            "</code></td><td><code>",
            line(value, 100),
            "</code></td><td>",
            "<small>new</small>" if name in changed else "",
            "</td></tr>",
        )
        for name, value in list(step.names.items())[:_MOST]
    ]
    more = len(step.names) - _MOST
    return markup(
        head, '<table class="dnb-values">', *rows, "</table>", f"<p>{more:,} more</p>" if more > 0 else ""
    )


def _clocks(is_replaying: str, now: datetime, wall: datetime) -> Markup:
    been = {"True": "this line was passed before", "False": "first time at this line"}.get(is_replaying, "")
    return markup(
        "<h4>Context</h4><p>",
        code(f"is_replaying = {is_replaying}"),
        f"<br>{been}</p><p>",
        code("current_utc_datetime"),
        "<br>",
        unbroken(time_text(now)),
        ", from the history</p><p>wall clock<br>",
        unbroken(time_text(wall)),
        "</p>",
    )


def _printed(replay: Replay, step: Step) -> Markup:
    printed = replay.output_until(step, _PRINTED)
    if not printed:
        return Markup("")
    lines = [
        markup(
            "<li><s>" if is_muted else "<li>",
            line(words, 120),
            "</s> <small>muted</small></li>" if is_muted else "</li>",
        )
        for words, is_muted in printed
    ]
    return markup('<h4>Printed</h4><ul class="dnb-printed">', *lines, "</ul>")


def _counts(replay: Replay, step: Step) -> Markup:
    executed, reached = replay.counts_at(step)
    once = f", {replay.each if executed > 1 else 'once'}" if executed else ""
    return markup(
        '<h4>Up to here</h4><p class="dnb-ledger">activities scheduled: <b>',
        f"{executed:,}</b>{once}<br>awaits reached: <b>{reached:,}</b>",
        f" in {plural(step.replay, 'replay')}</p>",
    )
