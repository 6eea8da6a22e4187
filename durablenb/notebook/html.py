"""HTML that any notebook shows, trusted or not, and GitHub too: tables and folds; no scripts, no ids.

Data is escaped, and MathJax doesn't process it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape

from durablenb.notebook.palette import Look, pill
from durablenb.notebook.svg import WIDTH, clean, image, image_data

TEXT_LIMIT = 2_000
"""Maximum characters shown of a value."""

_LEFT = ' style="text-align:left"'
_KEPT = "\n\t"


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def markup(*parts: str) -> Markup:
    """Join parts that are HTML already."""
    return Markup("".join(parts))


def line(value: object, limit: int = 200) -> Markup:
    """Return data as one line."""
    text = clean(str(value)[: 4 * limit])
    return Markup(escape(text if len(text) <= limit else text[: limit - 1] + "…"))


def code(value: object, limit: int = 200) -> Markup:
    """Return data as one line of code."""
    return markup("<code>", line(value, limit), "</code>")


def unbroken(value: object) -> Markup:
    """Return data as a line that doesn't wrap."""
    return markup('<span style="white-space:nowrap">', line(value), "</span>")


def block(value: object, limit: int = TEXT_LIMIT) -> Markup:
    """Return data with its line breaks, truncated to a limit."""
    return markup("<pre>", _lines(value, limit), "</pre>")


def prose(value: object, limit: int = TEXT_LIMIT) -> Markup:
    """Return data with its line breaks in the letters of text, truncated to a limit."""
    return markup('<div style="white-space:pre-wrap">', _lines(value, limit), "</div>")


def _lines(value: object, limit: int) -> str:
    text = str(value)
    more = f"\n… {len(text) - limit:,} characters more" if len(text) > limit else ""
    kept = "".join(
        character if character.isprintable() or character in _KEPT else "\N{REPLACEMENT CHARACTER}"
        for character in text[:limit]
    )
    return escape(kept + more)


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Markup:
    """Return rows as a table; cells that aren't `Markup` are escaped."""
    head = "".join(f"<th{_LEFT}>{name if isinstance(name, Markup) else escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    return markup(
        "<table>", f"<thead><tr>{head}</tr></thead>" if header else "", f"<tbody>{body}</tbody></table>"
    )


def dense_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    """Return rows as a table without its empty columns."""
    return table(*without_empty_columns(header, rows))


def without_empty_columns(
    header: Sequence[str], rows: Sequence[Sequence[object]]
) -> tuple[list[str], list[list[object]]]:
    """Return the header and the rows of a table without its empty columns."""
    columns = [column for column in range(len(header)) if any(row[column] for row in rows)]
    return [header[column] for column in columns], [[row[column] for column in columns] for row in rows]


def _cell(value: object) -> str:
    return value if isinstance(value, Markup) else line(value)


def fold(summary: str, inside: str, *, is_open: bool = False) -> Markup:
    """Return a section that opens with a click."""
    return markup(
        f"<details{' open' if is_open else ''}><summary>", escape(summary), "</summary>", inside, "</details>"
    )


_LARGE = 12_000
"""Characters of a picture's variant from which it is left out."""

NARROW = 560
"""Width in pixels of a picture's variant for narrow windows."""

_NARROW_WINDOW = 1280
"""Width in pixels up to which a window is narrow: JupyterLab and its sidebar take some 430 pixels of it."""


_NARROWEST_WINDOW = 600
"""Width in pixels up to which a window has the narrowest variant, if there is one."""


def picture(drawn: tuple[str, str] | None) -> Markup:
    """Return an SVG document and its sentence as an image."""
    return Markup("") if drawn is None else markup("<p>", image(*drawn), "</p>")


def responsive_picture(draw: Callable[[float], tuple[str, str] | None], *, least: int = NARROW) -> Markup:
    """Return a picture that is drawn for a width as an image, with variants for narrow windows.

    A large picture has no variants, since notebooks are saved with all. JupyterLab removes the variants from
    a notebook that isn't trusted. So that such a picture stays readable, a narrow place scrolls.

    Parameters
    ----------
    draw
        Draws the picture for a width.
    least
        The smallest width for which there is a variant.
    """
    style = f"min-width:{NARROW}px"
    if least < NARROW:
        style += f";min-width:min({NARROW}px,max({least}px,100%))"
    return _variants(draw, style, least)


def wide_picture(draw: Callable[[float], tuple[str, str] | None]) -> Markup:
    """Return a picture as `responsive_picture` does, but one that keeps its size and scrolls."""
    return _variants(draw, "max-width:none")


def _variants(draw: Callable[[float], tuple[str, str] | None], style: str, least: int = NARROW) -> Markup:
    drawn = draw(WIDTH)
    if drawn is None:
        return Markup("")
    wide = image(*drawn).replace("<img ", f'<img style="{style}" ', 1)
    sources = []
    for width, window in {least: _NARROWEST_WINDOW, NARROW: _NARROW_WINDOW}.items():  # the first that fits
        narrow = draw(width)
        if narrow is None or len(narrow[0]) > _LARGE:
            return markup("<p>", wide, "</p>")
        sources.append(f'<source media="(max-width: {window}px)" srcset="{image_data(narrow[0])}">')
    return markup("<p><picture>", *sources, wide, "</picture></p>")


def badge(look: Look) -> Markup:
    """Return a status as a small image."""
    drawing = pill(look)
    return Markup(image(drawing.finished(24, has_plate=False), look.word, width=drawing.width))


def heading(*parts: object) -> Markup:
    """Return the first line of a card; parts that aren't `Markup` are escaped."""
    return markup("<p>", " ".join(_cell(part) for part in parts), "</p>")


def card(*parts: str) -> str:
    """Return the complete HTML of an object."""
    return f'<div class="tex2jax_ignore mathjax_ignore">{"".join(parts)}</div>'
