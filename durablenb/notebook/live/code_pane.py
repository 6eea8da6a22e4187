"""The code pane of the explorer: an orchestrator's source, its current line, and marks on executed awaits."""

from __future__ import annotations

from collections.abc import Collection
from difflib import unified_diff
from textwrap import dedent

from durablenb.analysis.replays.explorer import LineHits
from durablenb.analysis.replays.steps import Step
from durablenb.model.source import code_lines
from durablenb.notebook.code_colours import coloured_lines
from durablenb.notebook.html import Markup, block, fold, line, markup
from durablenb.notebook.live.interactive import attributes, scrolled
from durablenb.notebook.live.position import Position
from durablenb.notebook.still.storyboard import step_glyph, step_look

_MOST = 400
"""Maximum lines of a function, centred on the current one."""


def code_pane(position: Position, step: Step | None, stops: Collection[str], *, is_hidden: bool) -> Markup:
    """Return the source with its marks.

    Parameters
    ----------
    position
        The explorer's position.
    step
        The step at the position.
    stops
        The breakpoints.
    is_hidden
        Whether the outcome of the step is hidden, because the user is asked to predict it.
    """
    source = position.replay.source
    if source is None:
        return markup(
            "<h4>Code</h4><p>The source of ",
            line(position.replay.name),
            " isn't at hand: no file and no cell has it.</p>",
        )
    hits = {} if step is None else dict(position.lines.hits_at(step))
    here = None if step is None else step.line
    if is_hidden and here is not None:
        hits.pop(here, None)
    awaits = position.lines.numbers
    rows = [
        _row(
            number,
            text,
            hits.get(number),
            is_here=number == here,
            is_stop=f"line {number}" in stops,
            is_await=number in awaits,
        )
        for number, text in _around(
            dict(enumerate(coloured_lines(dedent(source.text)), source.first_line)), here
        )
    ]
    return markup("<h4>Code</h4>", scrolled("code", markup("<table>", *rows, "</table>"), kind="dnb-code"))


def _row(
    number: int, text: Markup, hit: LineHits | None, *, is_here: bool, is_stop: bool, is_await: bool
) -> Markup:
    """Return a line with the outcome of its await; a line with an await can be clicked."""
    times = 0 if hit is None else hit.times
    parts = [f"line {number}"]
    parts += [step_look(hit.mark).word] if hit is not None else []
    parts += [f"{times:,} times"] * (times > 1) + ["breakpoint"] * is_stop
    look = "dnb-here" if is_here else "dnb-past" if hit is not None else ""
    return markup(
        "<tr",
        attributes(**{"class": look}) if look else "",
        ' aria-current="step" data-here' if is_here else "",
        attributes(data_do="line", data_id=number, data_stop=f"line {number}") if is_await else "",
        "><td>",
        "<i class='dnb-stop' title='breakpoint'></i>" if is_stop else "",
        _number(number, ", ".join(parts), is_button=is_await),
        "</td><td>",
        "" if hit is None else step_glyph(hit.mark),
        f"<span class='dnb-times'>\N{MULTIPLICATION SIGN}{times:,}</span>" if times > 1 else "",
        "</td><td><pre>",
        text,
        "</pre></td></tr>",
    )


def code_changes(was: str, now: str) -> Markup:
    """Return the difference between the code that the execution began with and the current code."""
    before, after = code_lines(dedent(was)), code_lines(dedent(now))
    changes = "\n".join(unified_diff(before, after, "as it began", "as it is now", lineterm="", n=1))
    return fold("What has changed in the code", block(changes, 4_000)) if changes else Markup("")


def _number(number: int, label: str, *, is_button: bool) -> Markup:
    if not is_button:
        return markup(f"<span class='dnb-muted'>{number}</span>")
    named = attributes(data_key=f"line {number}", aria_label=label)
    return markup(f'<button type="button" class="dnb-link"{named}>{number}</button>')


def _around(lines: dict[int, Markup], here: int | None) -> list[tuple[int, Markup]]:
    numbers = sorted(lines)
    if len(numbers) <= _MOST:
        return [(number, lines[number]) for number in numbers]
    first = max((here or numbers[0]) - _MOST // 2, numbers[0])
    return [(number, lines[number]) for number in numbers if first <= number < first + _MOST]
