"""Rows as text, for terminals and cells."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(text: str, width: int) -> str:
    """Return the text in one line of at most this many characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"


def table_text(header: Sequence[str], rows: Sequence[Sequence[object]], width: int = 40) -> str:
    """Return rows as columns of text, each column at most `width` characters wide."""
    cells = [[shortened(_cell(value), width) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = [list(header), ["─" * one for one in widths], *cells]
    return "\n".join(
        "  ".join(cell.ljust(one) for cell, one in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,.2f}" if isinstance(value, float) else str(value)
