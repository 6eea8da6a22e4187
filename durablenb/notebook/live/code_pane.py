"""An orchestrator's code with the line at which it stands, and marks on those that it has come by."""

from __future__ import annotations

from collections.abc import Collection
from difflib import unified_diff
from textwrap import dedent

from durablenb.analysis.replays.explorer import LineHits
from durablenb.analysis.replays.steps import Step
from durablenb.notebook.html import Markup, block, fold, line, markup
from durablenb.notebook.live.parts import attributes
from durablenb.notebook.live.place import Place
from durablenb.notebook.steps import step_glyph, step_look

_MOST = 400
"""Lines of a function that are drawn around the one at which it stands."""


def code_pane(place: Place, step: Step | None, stops: Collection[str], *, is_hidden: bool) -> Markup:
    """Return the code.

    Parameters
    ----------
    place
        Where one stands.
    step
        The step there.
    stops
        The breakpoints.
    is_hidden
        Whether it is to be guessed what the step is about.
    """
    source = place.replay.source
    if source is None:
        return markup(
            "<h4>Code</h4><p>The source of ",
            line(place.replay.name),
            " isn't at hand: no file and no cell has it.</p>",
        )
    passed = {} if step is None else dict(place.lines.hits_at(step))
    here = None if step is None else step.line
    if is_hidden and here is not None:
        passed.pop(here, None)
    awaits = place.lines.numbers
    rows = [
        _row(
            number,
            text,
            passed.get(number),
            is_here=number == here,
            is_stop=f"line {number}" in stops,
            is_await=number in awaits,
        )
        for number, text in _around(source.lines, here)
    ]
    return markup(
        "<h4>Code</h4>",
        '<div class="dnb-scroll dnb-code" data-scroll tabindex="0" role="group" aria-label="code"><table>',
        *rows,
        "</table></div>",
    )


def _row(
    number: int, text: str, came: LineHits | None, *, is_here: bool, is_stop: bool, is_await: bool
) -> Markup:
    """Return a line with what came of it; one at which the code waits can be clicked."""
    times = 0 if came is None else came.times
    parts = [f"line {number}"]
    parts += [step_look(came.mark).word] if came is not None else []
    parts += [f"{times:,} times"] * (times > 1) + ["breakpoint"] * is_stop
    look = "dnb-here" if is_here else "dnb-past" if came is not None else ""
    return markup(
        "<tr",
        attributes(**{"class": look}) if look else "",
        ' aria-current="step" data-here' if is_here else "",
        attributes(data_do="line", data_id=number, data_stop=f"line {number}") if is_await else "",
        "><td>",
        "<i class='dnb-stop' title='breakpoint'></i>" if is_stop else "",
        _number(number, ", ".join(parts), is_button=is_await),
        "</td><td>",
        "" if came is None else step_glyph(came.mark),
        f"<span class='dnb-times'>\N{MULTIPLICATION SIGN}{times:,}</span>" if times > 1 else "",
        "</td><td><pre>",
        line_of_code(text),
        "</pre></td></tr>",
    )


def line_of_code(text: str) -> Markup:
    """Return a line with its indentation; ``line`` would take it away."""
    bare = text.lstrip()
    return markup("\N{NO-BREAK SPACE}" * (len(text) - len(bare)), line(bare.rstrip() or " ", 300))


def what_changed(was: str, now: str) -> Markup:
    """Return the difference between the code as an execution began with it, and as it is now."""
    before, after = dedent(was).splitlines(), dedent(now).splitlines()
    changes = "\n".join(unified_diff(before, after, "as it began", "as it is now", lineterm="", n=1))
    return fold("What has changed in the code", block(changes, 4_000)) if changes else Markup("")


def _number(number: int, label: str, *, is_button: bool) -> Markup:
    if not is_button:
        return markup(f"<span class='dnb-muted'>{number}</span>")
    named = attributes(data_key=f"line {number}", aria_label=label)
    return markup(f'<button type="button" class="dnb-link"{named}>{number}</button>')


def _around(lines: dict[int, str], here: int | None) -> list[tuple[int, str]]:
    numbers = sorted(lines)
    if len(numbers) <= _MOST:
        return [(number, lines[number]) for number in numbers]
    first = max((here or numbers[0]) - _MOST // 2, numbers[0])
    return [(number, lines[number]) for number in numbers if first <= number < first + _MOST]
