"""The ways to go in the explorer: buttons, a slider, and the replays as tabs."""

from __future__ import annotations

from collections.abc import Collection

from durablenb.notebook.html import Markup, line, markup
from durablenb.notebook.live.parts import attributes, button, choice, row
from durablenb.notebook.live.place import Place
from durablenb.notebook.live.player import SPEEDS, Player
from durablenb.notebook.steps import step_glyph
from durablenb.notebook.words import plural

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
    place: Place, newer: int, stops: Collection[str], player: Player, *, is_predicting: bool
) -> Markup:
    """Return the buttons, the slider and the replays as tabs."""
    buttons = [_way(place, way, player.is_on) for way in _WAYS]
    chip = button(f"{newer:,} newer", "go", id="last") if newer > 0 else Markup("")
    predict = _toggle("Predict", "predict", is_predicting, "ask me before telling")
    at_line = _toggle("Stop here", "stop", _is_stop(place, stops), "breakpoint at this line")
    clear = button(f"Clear {plural(len(stops), 'stop')}", "clear") if stops else Markup("")
    return markup(
        row(
            *buttons,
            choice("speed", "speed", [(one, one) for one in SPEEDS], player.speed),
            _slider(place),
            chip,
        ),
        row(*_tabs(place), markup('<span class="dnb-right">', at_line, " ", clear, " ", predict, "</span>")),
    )


def _way(place: Place, way: tuple[str, str, str, str], is_playing: bool) -> Markup:
    to, words, label, key = way
    is_off = place.is_first if to in ("first", "back", "previous") else place.is_last if to else False
    do = (
        {"data_do": "go", "data_id": to}
        if to
        else {"data_do": "play", "aria_pressed": str(is_playing).lower()}
    )
    named = attributes(**do, aria_label=label, title=f"{label} ({key})", aria_keyshortcuts=key)
    off = ' aria-disabled="true"' if is_off else ""
    text = ("Stop" if is_playing else words) if not to else words
    return markup(f'<button type="button" class="dnb-way"{named}{off}>', line(text), "</button>")


def _slider(place: Place) -> Markup:
    step = place.step
    said = "" if step is None or step.line is None else f", line {step.line}"
    named = attributes(
        type="range",
        min=1,
        max=max(place.count, 1),
        value=place.number,
        data_set="step",
        aria_label="await",
        aria_valuetext=f"await {place.number:,} of {place.count:,}{said}",
    )
    words = f"step {place.number:,} of {place.count:,}"
    return markup(f'<input class="dnb-slider"{named}>', "<span>", words, "</span>")


def _toggle(words: str, do: str, is_on: bool, title: str) -> Markup:
    named = attributes(data_do=do, aria_pressed=str(is_on).lower(), title=title)
    return markup(f'<button type="button" class="dnb-toggle"{named}>', line(words), "</button>")


def _is_stop(place: Place, stops: Collection[str]) -> bool:
    step = place.step
    return step is not None and f"line {step.line}" in stops


def _tabs(place: Place) -> list[object]:
    """The replays: the first, the last, and those around the chosen one."""
    last, chosen = len(place.replay), place.chosen
    kept = sorted({1, last, *range(max(chosen - _TABS, 1), min(chosen + _TABS, last) + 1)})
    tabs: list[object] = []
    before = 0
    for number in kept:
        if number > before + 1:
            tabs.append("…")
        tabs.append(_tab(place, number))
        before = number
    return tabs


def _tab(place: Place, number: int) -> Markup:
    count = place.replay.count(number)
    is_chosen = number == place.chosen
    frontier = place.replay.end(number) or "waits"
    at = place.number if is_chosen else 0
    if count <= _DOTS:
        dots = "".join(_dot(is_at=one == at) for one in range(1, count))
    else:
        dots = f"<small>{count - 1:,}</small>{_dot(is_at=0 < at < count)}"
    front = f"<span class='dnb-front{' dnb-at' if at == count else ''}'>{step_glyph(frontier)}</span>"
    label = f"replay {number:,}: {plural(count, 'step')}, then it {_end_words(frontier)}"
    named = attributes(data_do="replay", data_id=number, aria_label=label, title=label)
    current = ' aria-current="true"' if is_chosen else ""
    return markup(
        f'<button type="button" class="dnb-tab"{named}{current}>#{number:,} ', dots, front, "</button>"
    )


def _dot(*, is_at: bool) -> str:
    return "<i class='dnb-dot dnb-at'></i>" if is_at else "<i class='dnb-dot'></i>"


def _end_words(verdict: str) -> str:
    return {"answered": "goes on", "mismatch": "does not fit", "terminated": "is terminated"}.get(
        verdict, verdict
    )
