"""What stands on top of the explorer: whose code it is, which execution, and what holds the instance up."""

from __future__ import annotations

from durablenb.analysis.replays.replay import Replay
from durablenb.model.events import (
    ContinueAsNew,
    Event,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTerminated,
)
from durablenb.notebook.html import Markup, block, code, fold, line, markup
from durablenb.notebook.live.code_pane import what_changed
from durablenb.notebook.live.course import Course
from durablenb.notebook.live.parts import badge, choice, row
from durablenb.notebook.palette import LOOKS, Look, look_of
from durablenb.notebook.words import plural

_AROUND = 25
"""Executions that can be chosen before and after the one that is shown."""

_ENDS: dict[type[Event], str] = {
    ContinueAsNew: "ContinuedAsNew",
    ExecutionCompleted: "Completed",
    ExecutionFailed: "Failed",
    ExecutionTerminated: "Terminated",
}


def head(course: Course, replay: Replay) -> Markup:
    """Return whose replays these are, why the instance is held, and whether the code is what it was."""
    held = course.obstacle.held if course.is_newest else None
    return markup(
        row(*_named(course), f"{plural(len(replay), 'replay')} of its code"),
        "" if held is None else _held(held),
        "" if replay.began_with is None else _changed(replay, replay.began_with),
    )


def missing(course: Course, why: str) -> Markup:
    """Return what there is to see where the code isn't registered, or hasn't run."""
    was = course.began_with
    text = fold("The code as it began", block(was, 6_000), is_open=True) if was else Markup("")
    return markup(row(*_named(course)), "<p>", line(why, 600), "</p>", text)


def _held(why: str) -> Markup:
    """Return where code and history part, and what lets the instance go on."""
    return _said(f"Held. {why.partition(chr(10))[0]} It goes on when code is registered that fits.")


def _changed(replay: Replay, was: str) -> Markup:
    fits = "fits" if replay.fits else "does not fit"
    return _said(
        "The code has changed since this execution began. What runs here is the code as it is now: "
        f"it {fits}.",
        "" if replay.source is None else what_changed(was, replay.source.text),
    )


def _said(words: str, more: str = "") -> Markup:
    return markup('<div class="dnb-copy"><p>', line(words, 600), "</p>", more, "</div>")


def _named(course: Course) -> tuple[Markup, ...]:
    """Return the status, the name, the id, and what chooses an execution where there are several."""
    status, count = course.status, len(course.executions)
    names = (markup("<b>", line(status.name or ""), "</b>"), code(status.instance_id or "", 256))
    chooser = choice("execution", "execution", _choices(course.number, count), str(course.number))
    return badge(_look(course)), *(names if status else ()), *((chooser,) if count > 1 else ())


def _choices(number: int, count: int) -> list[tuple[str, str]]:
    """Return the first execution, the last, and those around the one that is shown."""
    near = range(max(number - _AROUND, 1), min(number + _AROUND, count) + 1)
    return [(str(one), f"execution {one:,} of {count:,}") for one in sorted({1, count, *near})]


def _look(course: Course) -> Look:
    """Return how the execution stands."""
    if not course.is_newest:
        _, events = course.executions[course.number]
        return look_of(next(_ENDS[type(event)] for event in reversed(events) if type(event) in _ENDS))
    obstacle = course.obstacle
    if obstacle.held is not None:
        return LOOKS["Held"]
    if obstacle.missing or course.missing is not None:
        return LOOKS["Not loaded"]
    if obstacle.below is not None or obstacle.without_executor:
        return LOOKS["Blocked"]
    return look_of(course.status.runtime_status or "Pending")
