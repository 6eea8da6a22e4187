"""The names that are registered, and what may have been meant by one that isn't."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from durablenb.checks.values import Function, Kind, Named, Node, Value
from durablenb.model.names import ByName, folded

_KINDS: tuple[Kind, ...] = ("activity", "orchestrator", "entity")

_MUCH_ALIKE = 0.85
"""How much alike two names have to be, where the first one may be registered elsewhere."""


@dataclass
class Names:
    """What is registered.

    Parameters
    ----------
    activities
        By name, without case; None for a function of which no more is known.
    orchestrators, entities
        Their names; those of entities in lower case.
    is_complete
        Whether there is nothing else; if there may be, a name counts as unknown only where it is much like
        one of these.
    """

    activities: ByName[Function | None] = field(default_factory=ByName)
    orchestrators: set[str] = field(default_factory=set)
    entities: set[str] = field(default_factory=set)
    is_complete: bool = False
    functions: dict[int, Node] = field(default_factory=dict)
    """The functions of activities where they are defined, by their identity."""
    imported: set[tuple[str, str]] = field(default_factory=set)
    """The same as others import them: the last name of the module, and the function's own name."""

    def add_function(self, node: Node, place: str) -> None:
        """Notes the function of an activity, and in which file it is."""
        self.functions[id(node)] = node
        file = Path(place)
        module = file.parent.name if file.stem == "__init__" else file.stem
        if not isinstance(node, ast.Lambda):
            self.imported.add((module, node.name))

    def is_activity(self, found: Value) -> bool:
        """Whether this is the function of an activity."""
        if isinstance(found, Named):
            module, _, name = found.path.rpartition(".")
            return (module.rpartition(".")[2], name) in self.imported
        if not isinstance(found, Function):
            return False
        body = found.load() if self.functions else None
        return body is not None and id(body.node) in self.functions

    def problem(self, kind: Kind, name: str) -> str | None:
        """What is wrong with calling this name as that, in a sentence; None if nothing is."""
        known = self._known(kind)
        wanted = folded(name) if kind == "entity" else name
        if _is_in(name, known):
            return None
        if self.is_complete:
            for other in _KINDS:
                if _is_in(name, self._known(other)):
                    return f"{name!r} is registered as an {other}, not as an {kind}."
            return f"No {kind} {name!r} is registered.{meant(wanted, known)}"
        close = meant(wanted, known, _MUCH_ALIKE)
        is_known = any(_is_in(name, self._known(other)) for other in _KINDS)
        return f"No {kind} {name!r} is registered.{close}" if close and not is_known else None

    def _known(self, kind: Kind) -> Iterable[str]:
        if kind == "activity":
            return self.activities
        return self.orchestrators if kind == "orchestrator" else self.entities


def _is_in(name: str, known: Iterable[str]) -> bool:
    return folded(name) in map(folded, known)


def meant(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """A sentence that asks whether another name was meant; empty if there is none as much like it."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=likeness)
    return f" Did you mean {close[0]!r}?" if close else ""
