"""An orchestrator's code with the line at which it stands, and marks on those that it has come by."""

from __future__ import annotations

from collections.abc import Collection
from difflib import unified_diff
from textwrap import dedent

from durablenb.queries.replays.stepping import Step
from durablenb.views.html import Markup, block, fold, line, markup
from durablenb.views.live.parts import attributes
from durablenb.views.live.place import Place
from durablenb.views.steps import step_glyph, step_look

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
    passed = {} if step is None else dict(place.lines.passed(step))
    here = None if step is None else step.line
    if is_hidden and here is not None:
        passed.pop(here, None)
    rows = []
    for number, text in _around(source.lines, here):
        came = passed.get(number)
        parts = [f"line {number}"]
        if came is not None:
            parts.append(step_look(came.mark).word)
            parts += [f"{came.times:,} times"] * (came.times > 1)
        is_stop = f"line {number}" in stops
        parts += ["breakpoint"] * is_stop
        classes = ["dnb-here"] * (number == here) + ["dnb-past"] * (came is not None and number != here)
        rows.append(
            markup(
                f"<tr{attributes(**{'class': ' '.join(classes)}) if classes else ''}",
                ' aria-current="step" data-here' if number == here else "",
                attributes(data_do="line", data_id=number, data_stop=f"line {number}")
                if _awaits(place, number)
                else "",
                "><td>",
                "<i class='dnb-stop' title='breakpoint'></i>" if is_stop else "",
                _number(number, ", ".join(parts), is_button=_awaits(place, number)),
                "</td><td>",
                "" if came is None else step_glyph(came.mark),
                f"<span class='dnb-times'>\N{MULTIPLICATION SIGN}{came.times:,}</span>"
                if came and came.times > 1
                else "",
                "</td><td><pre>",
                line_of_code(text),
                "</pre></td></tr>",
            )
        )
    return markup(
        "<h4>Code</h4>",
        '<div class="dnb-scroll dnb-code" data-scroll tabindex="0" role="group" aria-label="code"><table>',
        *rows,
        "</table></div>",
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


def _awaits(place: Place, number: int) -> bool:
    return number in place.lines.numbers


def _around(lines: dict[int, str], here: int | None) -> list[tuple[int, str]]:
    numbers = sorted(lines)
    if len(numbers) <= _MOST:
        return [(number, lines[number]) for number in numbers]
    first = max((here or numbers[0]) - _MOST // 2, numbers[0])
    return [(number, lines[number]) for number in numbers if first <= number < first + _MOST]
