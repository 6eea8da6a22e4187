"""The names of registered functions, and suggestions for misspelt ones."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from durablenb.checks.abstract_values import Function, Kind, NamedObject, Node, Value
from durablenb.model.names import ByName, folded

_KINDS: tuple[Kind, ...] = ("activity", "orchestrator", "entity")

_CLOSE = 0.85
"""The similarity from which a name counts as misspelt, although it may be registered elsewhere."""


@dataclass
class RegisteredNames:
    """Names of registered functions, and checks of names against them.

    Parameters
    ----------
    activities
        The activities by name, without case; None for a function that is unknown.
    orchestrators, entities
        The names; those of entities in lower case.
    is_complete
        True if nothing else is registered. Otherwise only a name that is very similar to one of these counts
        as unknown.
    """

    activities: ByName[Function | None] = field(default_factory=ByName)
    orchestrators: set[str] = field(default_factory=set)
    entities: set[str] = field(default_factory=set)
    is_complete: bool = False
    functions: set[tuple[tuple[str, ...], int, str]] = field(default_factory=set)
    """The activities' definitions: the lines of their text, the number of the first one, their own names."""
    imported: set[tuple[str, str]] = field(default_factory=set)
    """The activities as other modules import them: the module's last name, and the function's own name."""

    def add_function(self, node: Node, lines: tuple[str, ...], path: str) -> None:
        """Add the definition of an activity, in the text of a file."""
        self.functions.add(_definition(node, lines))
        file = Path(path)
        module = file.parent.name if file.stem == "__init__" else file.stem
        if not isinstance(node, ast.Lambda):
            self.imported.add((module, node.name))

    def is_activity(self, value: Value) -> bool:
        """Tell whether a value is the function of an activity."""
        if isinstance(value, NamedObject):
            module, _, name = value.path.rpartition(".")
            return (module.rpartition(".")[2], name) in self.imported
        if not isinstance(value, Function):
            return False
        body = value.load() if self.functions else None
        return body is not None and _definition(body.node, body.lines) in self.functions

    def problem(self, kind: Kind, name: str) -> str | None:
        """Return a sentence on why a name can't be called as this kind, or None if it can."""
        known = self._known(kind)
        wanted = folded(name) if kind == "entity" else name
        if _is_in(name, known):
            return None
        if self.is_complete:
            for other in _KINDS:
                if _is_in(name, self._known(other)):
                    return f"{name!r} is registered as an {other}, not as an {kind}."
            return f"No {kind} {name!r} is registered.{did_you_mean(wanted, known)}"
        close = did_you_mean(wanted, known, _CLOSE)
        is_known = any(_is_in(name, self._known(other)) for other in _KINDS)
        return f"No {kind} {name!r} is registered.{close}" if close and not is_known else None

    def _known(self, kind: Kind) -> Iterable[str]:
        if kind == "activity":
            return self.activities
        return self.orchestrators if kind == "orchestrator" else self.entities


def _definition(node: Node, lines: tuple[str, ...]) -> tuple[tuple[str, ...], int, str]:
    return lines, node.lineno, "" if isinstance(node, ast.Lambda) else node.name


def _is_in(name: str, known: Iterable[str]) -> bool:
    return folded(name) in map(folded, known)


def did_you_mean(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return a sentence that suggests a similar name, or an empty text if there is none."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=likeness)
    return f" Did you mean {close[0]!r}?" if close else ""
