"""The head of the explorer, and its controls: buttons, a slider, the replays as tabs."""

from __future__ import annotations

from collections.abc import Collection

from durablenb.analysis.replays.replay import Replay
from durablenb.core.generations import earlier_purged
from durablenb.model.events import Ending
from durablenb.notebook.html import Markup, block, code, fold, line, markup
from durablenb.notebook.live.code_pane import code_changes
from durablenb.notebook.live.explorer_model import ExplorerModel
from durablenb.notebook.live.history_slider import history_slider
from durablenb.notebook.live.interactive import attributes, badge, button, choice, row
from durablenb.notebook.live.position import SPEEDS, Player, Position
from durablenb.notebook.palette import LOOKS, Look, status_look
from durablenb.notebook.still.storyboard import step_glyph
from durablenb.notebook.words import plural

_AROUND = 25
"""Executions offered before and after the one that is shown."""


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
        end = next(event for event in reversed(events) if isinstance(event, Ending))
        return status_look(str(end.status_after))
    obstacle = model.obstacle
    if obstacle.held is not None:
        return LOOKS["Held"]
    if obstacle.missing or model.missing is not None:
        return LOOKS["Not loaded"]
    if obstacle.below is not None or obstacle.without_executor:
        return LOOKS["Blocked"]
    return status_look(model.status.runtime_status or "Pending")


_BAR, _LEFT, _RIGHT = "M2 3h2v10h-2z", "M{0} 3v10l-7 -5z", "M{0} 3v10l7 -5z"
_WAYS = (
    ("first", "First", "First await", "Home", _BAR + _LEFT.format(13)),
    ("back", "Replay", "Previous replay", "PageUp", _LEFT.format(8) + _LEFT.format(15)),
    ("previous", "Await", "Previous await", "ArrowLeft", _LEFT.format(11)),
    ("", "Play", "Play", "Space", _RIGHT.format(5)),
    ("next", "Await", "Next await", "ArrowRight", _RIGHT.format(5)),
    ("on", "Replay", "Next replay", "PageDown", _RIGHT.format(1) + _RIGHT.format(8)),
    ("last", "Last", "Last await", "End", _RIGHT.format(3) + "M12 3h2v10h-2z"),
)
_STOP = "M4 3h3v10h-3zM9 3h3v10h-3z"
_TABS = 3
_DOTS = 10

KEYS = (
    "Left, Right: previous and next await. PageUp, PageDown: previous and next replay. "
    "Home, End: first and last await. Space: play, or stop. "
    "B: breakpoint at this line; Shift-click on a line or an event does the same. "
    "P: predict; 1 to 6: choose an answer. "
    "Click on a line: run to it. Click on an event: go to its await, and change it in a copy. "
    "Escape: select nothing. ?: show or hide these keys."
)
"""The keys of the explorer, as its help lists them."""


def controls(
    position: Position,
    newer: int,
    stops: Collection[str],
    player: Player,
    *,
    is_predicting: bool,
    is_hidden: bool,
) -> Markup:
    """Return the buttons, the replays as tabs, and the history as a slider.

    With `is_hidden`, nothing in them tells what follows in this replay: the user is asked to predict it.
    """
    buttons = [_way(position, way, player.is_on, is_hidden=is_hidden) for way in _WAYS]
    chip = button(f"{newer:,} newer", "go", id="last") if newer > 0 else Markup("")
    predict = _toggle("Predict", "predict", is_predicting, "ask me before telling", "p")
    at_line = _toggle("Breakpoint", "stop", _is_stop(position, stops), "breakpoint at this line", "b")
    clear = button(f"Clear {plural(len(stops), 'stop')}", "clear") if stops else Markup("")
    keys = Markup('<button type="button" data-help title="list the keys (?)">Keys</button>')
    return markup(
        row(
            *buttons,
            choice("speed", "speed", [(speed, speed) for speed in SPEEDS], player.speed),
            chip,
            markup('<span class="dnb-right">', clear, " ", at_line, " ", predict, " ", keys, "</span>"),
        ),
        '<div class="dnb-replays">',
        markup("<b>", _place(position, is_hidden=is_hidden), "</b>"),
        *_tabs(position, is_hidden=is_hidden),
        "</div>",
        history_slider(position, is_hidden=is_hidden),
    )


def _way(
    position: Position, way: tuple[str, str, str, str, str], is_playing: bool, *, is_hidden: bool
) -> Markup:
    to, words, label, key, path = way
    is_off = bool(to) and (
        position.is_first if to in ("first", "back", "previous") else position.is_last and not is_hidden
    )
    if not to and is_playing:
        words, label, path = "Stop", "Stop", _STOP
    do = (
        {"data_do": "go", "data_id": to}
        if to
        else {"data_do": "play", "aria_pressed": str(is_playing).lower()}
    )
    named = attributes(**do, aria_label=label, title=f"{label} ({key})", aria_keyshortcuts=key)
    off = ' aria-disabled="true"' if is_off else ""
    icon = f'<svg width="14" height="14" viewBox="0 0 16 16" aria-hidden="true"><path d="{path}"/></svg>'
    return markup(f'<button type="button" class="dnb-way"{named}{off}>{icon}', line(words), "</button>")


def _place(position: Position, *, is_hidden: bool) -> str:
    if position.number > position.awaits:
        return "the end" if position.replay.fits else "the mismatch"
    of = "" if is_hidden else f" of {position.awaits:,}"
    return f"await {position.number:,}{of}"


def _toggle(words: str, do: str, is_on: bool, title: str, key: str) -> Markup:
    named = attributes(
        data_do=do,
        aria_pressed=str(is_on).lower(),
        title=f"{title} ({key.upper()})",
        aria_keyshortcuts=key,
    )
    return markup(f'<button type="button" class="dnb-toggle"{named}>', line(words), "</button>")


def _is_stop(position: Position, stops: Collection[str]) -> bool:
    step = position.step
    return step is not None and f"line {step.line}" in stops


def _tabs(position: Position, *, is_hidden: bool) -> list[str]:
    """Return tabs for the first replay, the last, and those around the current one."""
    last, chosen = len(position.replay), position.chosen
    kept = sorted({1, last, *range(max(chosen - _TABS, 1), min(chosen + _TABS, last) + 1)})
    tabs: list[str] = []
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
    awaits = count - (number == len(position.replay) and count > len(position.replay.trace.awaits))
    label += f": {plural(awaits, 'await')}, then it {_end_words(frontier)}"
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
