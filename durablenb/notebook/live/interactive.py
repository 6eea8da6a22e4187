"""Interactive HTML and SVG: buttons, fields, controls in pictures. Data is escaped, as everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from math import ceil
from typing import Any

from durablenb.notebook.html import Markup, line, markup, without_empty_columns
from durablenb.notebook.palette import BLUE, SOLIDS, Look, pill
from durablenb.notebook.svg import Drawing, number
from durablenb.notebook.themes import apply_theme

_LINE = 42
"""The number of characters of a line of a field."""

_MOST_LINES = 12


def badge(look: Look) -> Markup:
    """Return a status in the page's colours."""
    return Markup(apply_theme(pill(look).finished(24, has_plate=False)))


def figure(drawn: tuple[str, str] | None) -> Markup:
    """Return a picture in the page's colours."""
    if drawn is None:
        return Markup("")
    svg = apply_theme(drawn[0]).replace('role="img"', 'role="group"', 1)  # it contains buttons
    return markup('<div class="dnb-wide">', svg, "</div>")


def attributes(**named: object) -> str:
    """Return attributes with escaped values; ``_`` in names becomes ``-``."""
    return "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in named.items())


def button(
    words: str, do: str, *, sure: str = "", key: object = "", is_link: bool = False, **data: object
) -> Markup:
    """Return a button that sends a message.

    `sure` is its label while it waits for a second click, `key` the key that presses it.
    """
    named = attributes(data_do=do, **{f"data_{name}": value for name, value in data.items()})
    if key:
        named += attributes(aria_keyshortcuts=key, title=f"key {key}")
    if sure:
        named += attributes(data_sure=sure)
    look = ' class="dnb-link"' if is_link else ""
    return markup(f'<button type="button"{look}{named}>', line(words), "</button>")


def keep_button(*, is_displayed: bool) -> Markup:
    """Return the button that replaces a view by its still picture; nothing if the view is part of another."""
    return button("Keep as picture", "keep", is_link=True) if is_displayed else Markup("")


def mark(words: object, key: str, limit: int = 80, *, name: str = "") -> Markup:
    """Return text that selects a step or a call when clicked; `name` says more to screen readers."""
    named = attributes(data_key=key, **({"aria_label": name} if name else {}))
    return markup(f'<button type="button" class="dnb-link"{named}>', line(words, limit), "</button>")


def field(name: str, label: str, value: str = "", *, sets: bool = False, is_filter: bool = False) -> Markup:
    """Return an input field; with `sets`, its value is sent while the user types."""
    named = attributes(name=name, aria_label=label, placeholder=label, value=value)
    if sets:
        named += attributes(data_set=name)
    return markup("<input", named, " data-filter" if is_filter else "", ' autocomplete="off">')


def text_area(name: str, label: str, value: str, error: str = "") -> Markup:
    """Return a field of several lines with its label, and beneath it why its value can't be sent."""
    named = attributes(name=name, rows=min(max(_lines(value), 2), _MOST_LINES), spellcheck="false")
    if error:
        named += attributes(aria_invalid="true")
    said = (
        markup('<span class="dnb-error" role="alert">', line(error, 400), "</span>") if error else Markup("")
    )
    return markup(
        "<label>", line(label), f"<textarea{named}>", Markup(escape(value)), "</textarea>", said, "</label>"
    )


def _lines(text: str) -> int:
    """Return how many lines a text fills in a field."""
    return sum(max(ceil(len(one) / _LINE), 1) for one in text.split("\n"))


def choice(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str) -> Markup:
    """Return a selection list of values with their labels."""
    inside = "".join(
        f"<option{attributes(value=value)}{' selected' if value == chosen else ''}>{line(words)}</option>"
        for value, words in options
    )
    return markup(f"<select{attributes(name=name, aria_label=label, data_set=name)}>", inside, "</select>")


def row(*parts: object) -> Markup:
    """Return parts in a line; those that aren't `Markup` are escaped."""
    inside = "".join(part if isinstance(part, Markup) else f"<span>{line(part)}</span>" for part in parts)
    return markup('<div class="dnb-line">', inside, "</div>")


def scrolled(label: str, *parts: str, kind: str = "", missing: str = "") -> Markup:
    """Return a part of a view that scrolls by itself; if it is empty, a sentence about what is missing."""
    if not any(parts):
        return markup('<p class="dnb-muted">', line(missing), "</p>")
    css = f"dnb-scroll {kind}".rstrip()
    named = f'class="{css}" data-scroll tabindex="0" role="group" aria-label="{escape(label)}"'
    return markup(f"<div {named}>", *parts, "</div>")


def labelled_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return rows as a table without its empty columns; each cell has its column's name, for narrow pages."""
    names, kept = without_empty_columns(header, rows)
    head = "".join(markup("<th", attributes(data_label=name), ">", line(name), "</th>") for name in names)
    body = (
        "".join(
            markup(
                "<td",
                attributes(data_label=name),
                ">",
                cell if isinstance(cell, Markup) else line(cell),
                "</td>",
            )
            for name, cell in zip(names, row, strict=True)
        )
        for row in kept
    )
    lines = "".join(f"<tr>{cells}</tr>" for cells in body)
    return markup(f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>")


def pager(do: str, first: int, shown: int, total: int, page: int) -> Markup:
    """Return links to the previous and the next page."""
    if total <= page:
        return Markup("")
    words = f"{first + 1:,} to {first + shown:,} of {total:,}"
    back = button("Previous", do, first=max(first - page, 0)) if first else Markup("")
    on = button("Next", do, first=first + page) if first + shown < total else Markup("")
    return row(back, words, on)


def typed_value(text: object) -> Any:
    """Return the value typed into a field: JSON, or else text; None if it is empty."""
    words = str(text).strip()
    try:
        return json.loads(words) if words else None
    except ValueError:
        return words


_SIGNS = {"+": "m4 8h8m-4 -4v8", "-": "m4 8h8", ">": "m6.5 4l4 4l-4 4", "<": "m9.5 4l-4 4l4 4"}
"""Paths relative to the upper left corner."""

_AROUND = 5
"""Margin around a control that reacts too, for touch screens."""


class LiveDrawing(Drawing):
    """A drawing for a live view: it has controls, and highlights a selected call.

    Parameters
    ----------
    width
        Width in pixels.
    sentence
        Description of the picture, for screen readers.
    chosen
        The selected call.
    """

    control_room = 26

    def __init__(self, width: float, sentence: str, chosen: object = None) -> None:
        super().__init__(width, sentence)
        self.chosen = chosen

    def control(self, x: float, y: float, sign: str, words: str, **data: str) -> None:
        """Draw a button: a square of 16 pixels with a sign in it."""
        state = {"aria_expanded": "true" if sign == "-" else "false"} if sign in "+-" else {}
        self.begin(**data, **state, tabindex="-1", role="button", aria_label=words)
        side = 16 + 2 * _AROUND
        self.box(x - _AROUND, y - _AROUND, side, side, fill="none", pointer_events="all")
        self.box(x, y, 16, 16, words, rx=3.5, fill="#ffffff", stroke=SOLIDS[BLUE], stroke_width=1.2)
        d = f"M{number(x)} {number(y)}{_SIGNS[sign]}"
        self.path(d, fill="none", stroke=BLUE, stroke_width=1.8, pointer_events="none")
        self.end()
