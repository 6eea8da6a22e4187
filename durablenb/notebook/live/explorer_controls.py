"""The head of the explorer, and its controls: buttons, a slider, the replays as tabs."""

from __future__ import annotations

from collections.abc import Collection

from durablenb.analysis.replays.replay import Replay
from durablenb.core.generations import earlier_purged
from durablenb.model.events import (
    ContinueAsNew,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionTerminated,
)
from durablenb.notebook.html import Markup, block, code, fold, line, markup
from durablenb.notebook.live.code_pane import code_changes
from durablenb.notebook.live.explorer_model import ExplorerModel
from durablenb.notebook.live.interactive import attributes, badge, button, choice, row
from durablenb.notebook.live.position import SPEEDS, Player, Position
from durablenb.notebook.palette import LOOKS, Look, status_look
from durablenb.notebook.still.storyboard import step_glyph
from durablenb.notebook.words import plural

_AROUND = 25
"""Executions offered before and after the one that is shown."""

_ENDS: dict[type[Event], str] = {
    ContinueAsNew: "ContinuedAsNew",
    ExecutionCompleted: "Completed",
    ExecutionFailed: "Failed",
    ExecutionCanceled: "Canceled",
    ExecutionTerminated: "Terminated",
}


def head(model: ExplorerModel, replay: Replay) -> Markup:
    """Return the instance's name, why it is held, and whether its code has changed."""
    held = model.obstacle.held if model.is_newest else None
    return markup(
        row(*_named(model), plural(len(replay), "episode")),
        "" if held is None else _held(held, is_mended=model.is_mended),
        "" if replay.began_with is None else _changed(replay, replay.began_with),
    )


def missing(model: ExplorerModel, why: str) -> Markup:
    """Return the head shown while the code isn't registered, or hasn't run."""
    was = model.began_with
    text = fold("The code as it began", block(was, 6_000), is_open=True) if was else Markup("")
    return markup(row(*_named(model)), "<p>", line(why, 600), "</p>", text)


def _held(why: str, *, is_mended: bool) -> Markup:
    """Return where code and history diverge, and what resumes the instance."""
    if is_mended:
        return _notice(
            "Held, but the code as it is now fits the history: the instance resumes when the hub next runs. "
            "With mode='kernel', that is when you wait for a result, or call hub.step()."
        )
    return _notice(f"Held. {why.partition(chr(10))[0]} It resumes when code that fits is registered.")


def _changed(replay: Replay, was: str) -> Markup:
    fits = "fits" if replay.fits else "does not fit"
    return _notice(
        f"The code has changed since this execution began. The code as it is now {fits} the history.",
        "" if replay.source is None else code_changes(was, replay.source.text),
    )


def _notice(words: str, more: str = "") -> Markup:
    return markup('<div class="dnb-copy"><p>', line(words, 600), "</p>", more, "</div>")


def _named(model: ExplorerModel) -> tuple[object, ...]:
    """Return the status, the name, the id, and a choice of executions if there are several."""
    status, count = model.status, len(model.executions)
    names = (markup("<b>", line(status.name or ""), "</b>"), code(status.instance_id or "", 256))
    chooser = choice("execution", "execution", _choices(model.number, count), str(model.number))
    purged = model.executions.purged
    more: list[object] = [chooser] if count > 1 else []
    more += [earlier_purged(purged)] if purged else []
    return badge(_look(model)), *(names if status else ()), *more


def _choices(number: int, count: int) -> list[tuple[str, str]]:
    """Return the first execution, the last, and those around the current one."""
    near = range(max(number - _AROUND, 1), min(number + _AROUND, count) + 1)
    return [(str(other), f"execution {other:,} of {count:,}") for other in sorted({1, count, *near})]


def _look(model: ExplorerModel) -> Look:
    """Return the look of the execution's status."""
    if not model.is_newest:
        _, events = model.executions[model.number]
        return status_look(next(_ENDS[type(event)] for event in reversed(events) if type(event) in _ENDS))
    obstacle = model.obstacle
    if obstacle.held is not None:
        return LOOKS["Held"]
    if obstacle.missing or model.missing is not None:
        return LOOKS["Not loaded"]
    if obstacle.below is not None or obstacle.without_executor:
        return LOOKS["Blocked"]
    return status_look(model.status.runtime_status or "Pending")


_WAYS = (
    ("first", "|\N{LESS-THAN SIGN}", "first step of all", "Home"),
    ("back", "\N{LESS-THAN SIGN}\N{LESS-THAN SIGN}", "replay before", "PageUp"),
    ("previous", "\N{LESS-THAN SIGN}", "step before", "ArrowLeft"),
    ("", "Play", "play, or stop", "Space"),
    ("next", "\N{GREATER-THAN SIGN}", "next step", "ArrowRight"),
    ("on", "\N{GREATER-THAN SIGN}\N{GREATER-THAN SIGN}", "replay after", "PageDown"),
    ("last", "\N{GREATER-THAN SIGN}|", "last step of all", "End"),
)
_TABS = 3
_DOTS = 10


def controls(
    position: Position,
    newer: int,
    stops: Collection[str],
    player: Player,
    *,
    is_predicting: bool,
    is_hidden: bool,
) -> Markup:
    """Return the buttons, the slider and the replays as tabs.

    With `is_hidden`, nothing in them tells what follows in this replay: the user is asked to predict it.
    """
    buttons = [_way(position, way, player.is_on, is_hidden=is_hidden) for way in _WAYS]
    chip = button(f"{newer:,} newer", "go", id="last") if newer > 0 else Markup("")
    predict = _toggle("Predict", "predict", is_predicting, "ask me before telling")
    at_line = _toggle("Breakpoint", "stop", _is_stop(position, stops), "breakpoint at this line")
    clear = button(f"Clear {plural(len(stops), 'stop')}", "clear") if stops else Markup("")
    return markup(
        row(
            *buttons,
            choice("speed", "speed", [(speed, speed) for speed in SPEEDS], player.speed),
            _slider(position, is_hidden=is_hidden),
            chip,
        ),
        row(
            *_tabs(position, is_hidden=is_hidden),
            markup('<span class="dnb-right">', at_line, " ", clear, " ", predict, "</span>"),
        ),
    )


def _way(position: Position, way: tuple[str, str, str, str], is_playing: bool, *, is_hidden: bool) -> Markup:
    to, words, label, key = way
    is_off = bool(to) and (
        position.is_first if to in ("first", "back", "previous") else position.is_last and not is_hidden
    )
    do = (
        {"data_do": "go", "data_id": to}
        if to
        else {"data_do": "play", "aria_pressed": str(is_playing).lower()}
    )
    named = attributes(**do, aria_label=label, title=f"{label} ({key})", aria_keyshortcuts=key)
    off = ' aria-disabled="true"' if is_off else ""
    text = ("Stop" if is_playing else words) if not to else words
    return markup(f'<button type="button" class="dnb-way"{named}{off}>', line(text), "</button>")


def _slider(position: Position, *, is_hidden: bool) -> Markup:
    step = position.step
    last = position.number if is_hidden else position.count
    of = "" if is_hidden else f" of {last:,}"
    where = "" if step is None or step.line is None else f", line {step.line}"
    named = attributes(
        type="range",
        min=1,
        max=max(last, 1),
        value=position.number,
        data_set="step",
        aria_label="await",
        aria_valuetext=f"await {position.number:,}{of}{where}",
    )
    words = f"step {position.number:,}{of}"
    return markup(f'<input class="dnb-slider"{named}>', "<span>", words, "</span>")


def _toggle(words: str, do: str, is_on: bool, title: str) -> Markup:
    named = attributes(data_do=do, aria_pressed=str(is_on).lower(), title=title)
    return markup(f'<button type="button" class="dnb-toggle"{named}>', line(words), "</button>")


def _is_stop(position: Position, stops: Collection[str]) -> bool:
    step = position.step
    return step is not None and f"line {step.line}" in stops


def _tabs(position: Position, *, is_hidden: bool) -> list[object]:
    """Return tabs for the first replay, the last, and those around the current one."""
    last, chosen = len(position.replay), position.chosen
    kept = sorted({1, last, *range(max(chosen - _TABS, 1), min(chosen + _TABS, last) + 1)})
    tabs: list[object] = []
    before = 0
    for number in kept:
        if number > before + 1:
            tabs.append("…")
        tabs.append(_tab(position, number, is_hidden=is_hidden))
        before = number
    return tabs


def _tab(position: Position, number: int, *, is_hidden: bool) -> Markup:
    is_chosen = number == position.chosen
    label = f"replay {number:,}"
    if is_hidden:
        return _tab_button(number, label, is_chosen=is_chosen)
    count = position.replay.count(number)
    frontier = position.replay.end(number) or "waits"
    at = position.number if is_chosen else 0
    if count <= _DOTS:
        dots = "".join(_dot(is_at=dot == at) for dot in range(1, count))
    else:
        dots = f"<small>{count - 1:,}</small>{_dot(is_at=0 < at < count)}"
    front = f"<span class='dnb-front{' dnb-at' if at == count else ''}'>{step_glyph(frontier)}</span>"
    label += f": {plural(count, 'step')}, then it {_end_words(frontier)}"
    return _tab_button(number, label, dots, front, is_chosen=is_chosen)


def _tab_button(number: int, label: str, *marks: str, is_chosen: bool) -> Markup:
    named = attributes(data_do="replay", data_id=number, aria_label=label, title=label)
    current = ' aria-current="true"' if is_chosen else ""
    return markup(f'<button type="button" class="dnb-tab"{named}{current}>#{number:,} ', *marks, "</button>")


def _dot(*, is_at: bool) -> str:
    return "<i class='dnb-dot dnb-at'></i>" if is_at else "<i class='dnb-dot'></i>"


def _end_words(verdict: str) -> str:
    return {
        "answered": "goes on",
        "mismatch": "does not fit",
        "canceled": "is canceled",
        "terminated": "is terminated",
    }.get(verdict, verdict)
