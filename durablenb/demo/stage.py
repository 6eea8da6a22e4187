"""Where the story is told: a terminal, or a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from typing import TextIO

WIDTH = 92
"""Columns of a heading."""

_INDENT = "     "


class Stage:
    """Writes headings, text and strips.

    Parameters
    ----------
    out
        Where to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_live = out.isatty()
        self._has_styles = self._is_live and os.name == "posix" and "NO_COLOR" not in os.environ
        self._chapters = 0

    def title(self, text: str, below: str) -> None:
        """The name of the story, and what it is about."""
        self._write("", f"  {self._styled('1', text)}", f"  {self._styled('2', below)}", "")

    def chapter(self, text: str, note: str = "") -> None:
        """A new chapter; the note stands on the right."""
        self._chapters += 1
        heading = f"  {self._chapters}  {text}"
        blanks = " " * max(2, WIDTH - len(heading) - len(note)) if note else ""
        self._write("", self._styled("1", heading) + blanks + self._styled("2", note), "")

    def say(self, *lines: str) -> None:
        """Lines of text, or of what is shown."""
        for line in "\n".join(lines).split("\n"):
            self._write(f"{_INDENT}{line}".rstrip())

    def head(self, months: Sequence[str]) -> None:
        """The years over a strip."""
        years = [(year, len(list(several))) for year, several in groupby(months, lambda month: month[:4])]
        self.say(self._styled("2", " ".join(year.ljust(count) for year, count in years)))

    def strip(self, months: Sequence[str], cells: dict[str, str], note: str, *, is_last: bool) -> None:
        """A cell for each month; it changes on a terminal, and stays where `is_last`."""
        if not (self._is_live or is_last):
            return
        years = groupby(months, lambda month: month[:4])
        line = " ".join("".join(cells.get(month, "·") for month in several) for _, several in years)
        back, end = "\r" if self._is_live else "", "\n" if is_last else ""
        self._out.write(f"{back}{_INDENT}{line}   {note}{end}")
        self._out.flush()

    def _styled(self, style: str, text: str) -> str:
        return f"\033[{style}m{text}\033[0m" if self._has_styles and text else text

    def _write(self, *lines: str) -> None:
        self._out.write("\n".join(lines) + "\n")
        self._out.flush()
