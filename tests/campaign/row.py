"""A row of the campaign: what was tried, how often, and what failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Figures:
    """The result of one row."""

    tried: int = 0
    failures: list[str] = field(default_factory=list)
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """Something that is tried often.

    Parameters
    ----------
    what
        What is tried, for people.
    full
        How often, at a scale of 1.
    run
        Tries it that often, with a seed.
    """

    what: str
    full: int
    run: Callable[[int, int], Figures]

    def at(self, scale: float, seed: int) -> Figures:
        """Return the result; a mistake of the campaign's own is a failure, too."""
        begin = time.monotonic()
        try:
            figures = self.run(max(1, round(self.full * scale)), seed)
        except Exception as error:
            figures = Figures(failures=[f"{type(error).__name__}: {error}"])
        if not figures.tried:
            figures.failures.append("nothing was tried")
        figures.seconds = time.monotonic() - begin
        return figures


def line(name: str, row: Row, figures: Figures, seed: int) -> str:
    """The row in the table."""
    what = f"{row.what}{f': {figures.note}' if figures.note else ''}"
    return (
        f"| `{name}` | {what} | {figures.tried:,} | {len(figures.failures):,} | "
        f"{figures.seconds:,.0f} | {seed} |"
    )


HEAD = "| row | what | runs | failed | seconds | seed |\n|---|---|---:|---:|---:|---:|"
