"""What stands above the code in the explorer: whose it is, the ways to go, and what happens at the step."""

from __future__ import annotations

from collections.abc import Collection

from durablenb.model.status import DurableOrchestrationStatus
from durablenb.queries.replays import verdicts
from durablenb.queries.replays.replay import Replay
from durablenb.queries.replays.stepping import Step
from durablenb.views.html import Markup, block, code, fold, line, markup, table
from durablenb.views.live.code_pane import what_changed
from durablenb.views.live.guess import Guesses
from durablenb.views.live.parts import attributes, badge, button, choice, row
from durablenb.views.live.place import Place
from durablenb.views.live.player import SPEEDS, Player
from durablenb.views.palette import LOOKS, look_of
from durablenb.views.steps import step_glyph, step_look
from durablenb.views.words import plural

_WAYS = (
    ("first", "|\N{LESS-THAN SIGN}", "first step of all", "Home"),
    ("back", "\N{LESS-THAN SIGN}\N{LESS-THAN SIGN}", "replay before", "PageUp"),
    ("previous", "\N{LESS-THAN SIGN}", "step before", "ArrowLeft"),
    ("", "Play", "play, or stop", "Space"),
    ("next", "\N{GREATER-THAN SIGN}", "next step", "ArrowRight"),
    ("on", "\N{GREATER-THAN SIGN}\N{GREATER-THAN SIGN}", "replay after", "PageDown"),
    ("last", "\N{GREATER-THAN SIGN}|", "last step of all", "End"),
)
_COPY = (
    "In this copy the code goes another way from here on. What it would do there, a copy that ends before "
    "this shows: crash earlier, and let it go on."
)
_TABS = 3
_DOTS = 10


def head(replay: Replay, status: DurableOrchestrationStatus) -> Markup:
    """Return whose replays these are, and whether the code is what it was."""
    word = str(status.runtime_status) if status else "Pending"
    parts: list[object] = [
        badge(look_of(word)),
        markup("<b>", line(replay.name), "</b>"),
        code(replay.instance_id, 256),
        f"{plural(len(replay), 'replay')} of its code",
    ]
    if replay.began_with is None:
        return row(*parts)
    fits = "fits" if replay.fits else "does not fit"
    says = (
        "The code has changed since this execution began. What runs here is the code as it is now: "
        f"it {fits}."
    )
    diff = Markup("") if replay.source is None else what_changed(replay.began_with, replay.source.text)
    return markup(row(*parts), '<div class="dnb-copy"><p>', line(says), "</p>", diff, "</div>")


def missing(status: DurableOrchestrationStatus, why: str, was: str | None, *, is_missing: bool) -> Markup:
    """Return what there is to see where the code isn't registered (`is_missing`), or hasn't run."""
    text = fold("The code as it began", block(was, 6_000), is_open=True) if was else Markup("")
    names = (
        (markup("<b>", line(status.name or ""), "</b>"), code(status.instance_id or "", 256))
        if status
        else ()
    )
    look = LOOKS["Not loaded"] if is_missing else look_of(str(status.runtime_status) if status else "Pending")
    return markup(row(badge(look), *names), "<p>", line(why, 600), "</p>", text)


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


def verdict(replay: Replay, step: Step | None, guesses: Guesses) -> Markup:
    """Return what the code waits for at a step, and what came of it."""
    if step is None:
        return markup('<div class="dnb-says"><p>In this replay the code came to no await.</p></div>')
    if guesses.hides(replay, step):
        return markup('<div class="dnb-says">', _command(replay, step), guesses.html(replay, step), "</div>")
    look = step_look(step.verdict)
    return markup(
        f'<div class="dnb-says dnb-{step.verdict}">',
        _command(replay, step),
        '<div class="dnb-line">',
        step_glyph(step.verdict),
        "<span><b>",
        line(look.word.capitalize()),
        ".</b> ",
        _sentence(step),
        "</span></div>",
        _mismatch(replay) if step.verdict == "mismatch" else "",
        guesses.html(replay, step),
        "</div>",
    )


def _sentence(step: Step) -> Markup:
    """The sentence; that something is not done again is what it is all about."""
    first, semicolon, last = step.sentence.rpartition("; ")
    if step.verdict != "answered" or not semicolon:
        return line(step.sentence, 500)
    return markup(line(first, 400), "; <b>", line(last, 100), "</b>")


def _command(replay: Replay, step: Step) -> Markup:
    if step.reached is None:
        return Markup("")
    words = verdicts.command(step.reached, replay.requests)
    return markup("<p>waits for ", code(words, 300), "</p>")


def _mismatch(replay: Replay) -> Markup:
    error = replay.trace.mismatch
    if error is None:
        return Markup("")
    rows = [(code(name), code(was, 160), code(now, 160)) for name, was, now in error.differences]
    remedy = _COPY if replay.changes else str(error).rpartition("\n")[2]
    return markup(
        table(("field", "recorded in the history", "requested by the code"), rows),
        "<p>",
        line(remedy, 300),
        "</p>",
    )
