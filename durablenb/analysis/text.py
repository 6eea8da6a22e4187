"""Rows as text, for terminals and cells; text as SQL has it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def shortened(text: str, width: int) -> str:
    """Return the text in one line of at most this many columns, with nothing in it that moves a cursor."""
    line = " ".join(text.split())
    line = "".join(character if character.isprintable() else "�" for character in line)
    if columns_of(line) <= width:
        return line
    while columns_of(line) > width - 1:
        line = line[: -max(1, (columns_of(line) - width) // 2)]
    return line + "…"


def quoted(text: str) -> str:
    """Return the text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def columns_of(text: str) -> int:
    """Return how many columns of a terminal the text takes: East Asian characters take two."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def padded(text: str, width: int, *, is_right: bool = False) -> str:
    """Return the text with blanks up to this many columns, in front of it if `is_right`."""
    blanks = " " * (width - columns_of(text))
    return blanks + text if is_right else text + blanks


def table_text(header: Sequence[str], rows: Sequence[Sequence[object]], width: int = 40) -> str:
    """Return rows as columns of text, each column at most `width` wide; numbers stand on the right."""
    names = [shortened(name, width) for name in header]
    cells = [[shortened(_cell(value), width) for value in row] for row in rows]
    widths = [max(map(columns_of, column)) for column in zip(names, *cells, strict=True)]
    is_right = [_is_numeric(column) for column in zip(*rows, strict=True)] or [False] * len(names)
    lines = [names, ["─" * one for one in widths], *cells]
    return "\n".join(
        "  ".join(
            padded(cell, one, is_right=right) for cell, one, right in zip(line, widths, is_right, strict=True)
        ).rstrip()
        for line in lines
    )


def _is_numeric(values: Sequence[object]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in known
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)
