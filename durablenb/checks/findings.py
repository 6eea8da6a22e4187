"""Findings: the results of a check, for reading and display."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from durablenb.checks.rules import PAGE, RULES
from durablenb.core.short_repr import plural
from durablenb.model.display import SavedSequence


class Finding(NamedTuple):
    """A problem in an orchestrator that a replay, or the first run, will meet.

    Parameters
    ----------
    path
        The file, with the cell if it is a notebook; for a function in a notebook, its name.
    line, column
        The start of the problem, counted from 1.
    code
        The rule, such as ``"DNB101"``; [the reference](../checks.md) has a section for each.
    text
        A sentence that states the problem.
    source
        The source line.
    instead
        The advice: code that avoids the problem.
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
        """The consequence of the problem."""
        return RULES[self.code].why

    @property
    def page(self) -> str:
        """The documentation's page and section on the rule."""
        return f"{PAGE}#{self.code.lower()}"

    def as_json(self) -> dict[str, Any]:
        """Return all fields, as a dictionary of plain values."""
        names = ("path", "line", "column", "code", "text", "why", "instead", "page", "source")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.code} {self.text} {self.instead}"


class Findings(SavedSequence[Finding]):
    """The findings of a check, in the order of the lines; true if there are any.

    Examples
    --------
    >>> import durablenb as df
    >>> findings = df.Findings("late", [df.Finding("flows.py", 3, 12, "DNB101", "time.time() is called.")])
    >>> bool(findings), findings.codes, findings
    (True, ['DNB101'], <late: 1 finding>)
    """

    __slots__ = ("name",)

    def __init__(self, name: str, found: Iterable[Finding]) -> None:
        super().__init__(sorted(found))
        self.name = name

    @property
    def codes(self) -> list[str]:
        """The codes of the findings, in the order of the lines."""
        return [finding.code for finding in self]

    def __repr__(self) -> str:
        count = len(self)
        text = plural(count, "finding") if count else "nothing found"
        return f"<{self.name}: {text}>"

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or repr(self)
