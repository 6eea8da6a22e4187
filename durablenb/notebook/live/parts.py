"""What several live views are made of: HTML that can be clicked. Data is escaped here as everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

from durablenb.notebook.html import Markup, line, markup
from durablenb.notebook.palette import Look, pill
from durablenb.notebook.svg import cleaned
from durablenb.notebook.themes import themed


def badge(look: Look) -> Markup:
    """Return a status, in the page's colours."""
    return Markup(themed(pill(look).finished(24, has_plate=False)))


def figure(drawn: tuple[str, str] | None, brush: tuple[float, float] | None = None) -> Markup:
    """Return a picture in the page's colours; time can be chosen in it from `brush` to `brush`."""
    if drawn is None:
        return Markup("")
    where = "" if brush is None else f' data-brush="{brush[0]:g} {brush[1]:g}"'
    svg = themed(drawn[0]).replace('role="img"', 'role="group"', 1)  # what is in it can be pointed at
    return markup(f'<div class="dnb-wide"{where}>', svg, "</div>")


def attributes(**named: object) -> str:
    """Return attributes whose values are data; ``_`` in names stands for ``-``."""
    return "".join(f' {name.replace("_", "-")}="{escape(str(value))}"' for name, value in named.items())


def button(words: str, do: str, *, sure: str = "", is_link: bool = False, **data: object) -> Markup:
    """Return a button that sends a message; with `sure` it has to be clicked twice, and says so."""
    named = attributes(data_do=do, **{f"data_{name}": value for name, value in data.items()})
    if sure:
        named += attributes(data_sure=sure)
    look = ' class="dnb-link"' if is_link else ""
    return markup(f'<button type="button"{look}{named}>', line(words), "</button>")


def mark(words: object, key: str, limit: int = 80) -> Markup:
    """Return text that selects something when it is clicked."""
    named = attributes(data_key=key)
    return markup(f'<button type="button" class="dnb-link"{named}>', line(words, limit), "</button>")


def field(name: str, label: str, value: str = "", *, sets: bool = False, is_filter: bool = False) -> Markup:
    """Return a line to type into; with `sets` its value is sent as it is typed."""
    named = attributes(name=name, aria_label=label, placeholder=label, value=value)
    if sets:
        named += attributes(data_set=name)
    return markup("<input", named, " data-filter" if is_filter else "", ' autocomplete="off">')


def choice(name: str, label: str, options: Iterable[tuple[str, str]], chosen: str) -> Markup:
    """Return a list to choose from: values with their words."""
    inside = "".join(
        f"<option{attributes(value=value)}{' selected' if value == chosen else ''}>{line(words)}</option>"
        for value, words in options
    )
    return markup(f"<select{attributes(name=name, aria_label=label, data_set=name)}>", inside, "</select>")


def row(*parts: object) -> Markup:
    """Return things that stand in a line; what isn't HTML is data."""
    inside = "".join(part if isinstance(part, Markup) else f"<span>{line(part)}</span>" for part in parts)
    return markup('<div class="dnb-line">', inside, "</div>")


def pager(do: str, first: int, shown: int, total: int, page: int) -> Markup:
    """Return what leads to the page before and the page after."""
    if total <= page:
        return Markup("")
    words = f"{first + 1:,} to {first + shown:,} of {total:,}"
    back = button("Earlier", do, first=max(first - page, 0)) if first else Markup("")
    on = button("Later", do, first=first + page) if first + shown < total else Markup("")
    return row(back, words, on)


def one_line(value: object, limit: int = 200) -> str:
    """Return data as a line of text."""
    text = cleaned(str(value)[: 4 * limit])
    return text if len(text) <= limit else text[: limit - 1] + "…"


def typed(text: object) -> Any:
    """Return what was typed into a field: JSON, or else text; None if it was left empty."""
    words = str(text).strip()
    try:
        return json.loads(words) if words else None
    except ValueError:
        return words
