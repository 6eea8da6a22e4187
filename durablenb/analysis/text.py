"""Text for terminals, cells and SQL: rows as columns, shortened lines, durations."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import timedelta

# It belongs to the text of views, too.
from durablenb.core.short_repr import plural as plural


def shortened(text: str, width: int) -> str:
    """Return the text as one line of at most this many columns, without control characters."""
    line = printable(" ".join(text.split()))
    if display_width(line) <= width:
        return line
    while display_width(line) > width - 1:
        line = line[: -max(1, (display_width(line) - width) // 2)]
    return line + "…"


def printable(text: str) -> str:
    """Return the text with "�" for each control character, except tabs and line ends."""
    return "".join(character if character.isprintable() or character in "\t\n" else "�" for character in text)


def short_message(message: str) -> str:
    """Return a failure's message without the traceback that Azure's library appends to it."""
    return message.partition(" \n ")[0]


def quoted(text: str) -> str:
    """Return the text as a string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def display_width(text: str) -> int:
    """Return the number of terminal columns that the text takes. Wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def padded(text: str, width: int, *, is_right: bool = False) -> str:
    """Return the text padded with blanks to this many columns, on the left if `is_right`."""
    blanks = " " * (width - display_width(text))
    return blanks + text if is_right else text + blanks


def table_text(header: Sequence[str], rows: Sequence[Sequence[object]], width: int = 40) -> str:
    """Return rows as a text table. Columns are at most `width` wide; numbers are aligned to the right."""
    names = [shortened(name, width) for name in header]
    cells = [[shortened(_cell(value), width) for value in row] for row in rows]
    widths = [max(map(display_width, column)) for column in zip(names, *cells, strict=True)]
    is_right = [_is_numeric(column) for column in zip(*rows, strict=True)] or [False] * len(names)
    lines = [names, ["─" * size for size in widths], *cells]
    return "\n".join(
        "  ".join(
            padded(cell, size, is_right=right)
            for cell, size, right in zip(line, widths, is_right, strict=True)
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


_UNITS = (
    (86_400.0, "d", 345_600.0),
    (3_600.0, "h", 6_840.0),
    (60.0, "min", 114.0),
    (1.0, "s", 1.0),
    (0.001, "ms", 0.0),
)
"""The size in seconds, the name, and the shortest duration in seconds of each unit."""


def lasting(duration: timedelta | float) -> str:
    """Return a duration in one unit, and from two minutes on with the rest in the next smaller one.

    Examples
    --------
    >>> [lasting(seconds) for seconds in (0, 0.0004, 0.012, 3.21, 61, 290, 5400, 7500, 259200)]
    ['0 s', '0.4 ms', '12 ms', '3.21 s', '61 s', '4 min 50 s', '90 min', '2 h 5 min', '72 h']
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if seconds < 1e-6:
        return "0 s"
    index = next((i for i, (_, _, shortest) in enumerate(_UNITS) if seconds >= shortest), len(_UNITS) - 1)
    size, unit, _ = _UNITS[index]
    if size <= 1.0:
        return f"{seconds / size:.3g} {unit}" if seconds / size < 999.5 else f"{seconds / size:,.0f} {unit}"
    smaller, smaller_unit, _ = _UNITS[index + 1]
    whole, rest = divmod(round(seconds / smaller), round(size / smaller))
    if whole >= 120:  # days
        return f"{seconds / size:,.0f} {unit}"
    return f"{whole} {unit} {rest} {smaller_unit}" if rest else f"{whole} {unit}"
