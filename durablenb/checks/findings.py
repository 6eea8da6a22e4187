"""What a check finds, as an object to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, overload

from durablenb.checks.rules import PAGE, RULES
from durablenb.model.display import Displayed


class Finding(NamedTuple):
    """One thing in an orchestrator that a replay, or the first run, will stumble over.

    Parameters
    ----------
    path
        The file; of a notebook also the cell. Of a function in a notebook its name.
    line, column
        Where it begins; both count from 1.
    code
        Such as ``"DNB101"``; [the reference](../checks.md) has a section for each.
    text
        What it is.
    source
        The line itself.
    instead
        What to write instead.
    """

    path: str
    line: int
    column: int
    code: str
    text: str
    source: str = ""
    instead: str = ""

    @property
    def why(self) -> str:
        """Why it matters."""
        return RULES[self.code].why

    @property
    def page(self) -> str:
        """Where the documentation explains it."""
        return f"{PAGE}#{self.code.lower()}"

    def as_json(self) -> dict[str, Any]:
        """All of it, as a dictionary of plain values."""
        names = ("path", "line", "column", "code", "text", "why", "instead", "page", "source")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.code} {self.text} {self.instead}"


class Findings(Displayed, Sequence[Finding]):
    """All that a check found, in the order of the lines; true if there is any.

    Examples
    --------
    >>> import durablenb as df
    >>> found = df.Findings("late", [df.Finding("flows.py", 3, 12, "DNB101", "time.time() is called.")])
    >>> bool(found), found.codes, found
    (True, ['DNB101'], <late: 1 finding>)
    """

    __slots__ = ("_found", "name")

    def __init__(self, name: str, found: Iterable[Finding]) -> None:
        self.name = name
        self._found = tuple(sorted(found))

    @property
    def codes(self) -> list[str]:
        """Their codes, in the order of the lines."""
        return [one.code for one in self._found]

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self._found[index]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __repr__(self) -> str:
        count = len(self)
        found = "nothing" if not count else f"{count:,} finding{'' if count == 1 else 's'}"
        return f"<{self.name}: {found}{'' if count else ' found'}>"

    def __str__(self) -> str:
        return "\n".join(str(one) for one in self) or repr(self)
