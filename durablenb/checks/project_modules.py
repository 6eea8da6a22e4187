"""The modules of a project: the names that its files import from one another, read and not run."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from pathlib import Path

from durablenb.checks.abstract_values import NamedObject, Value
from durablenb.checks.source_scope import Evaluate, SourceScope
from durablenb.model.source import code_lines


class ProjectModules:
    """Finds the modules that files of a project import, if they are files of that project.

    Parameters
    ----------
    root
        The folder that was checked, or that of a file.
    evaluate
        Returns the value of an expression outside of functions.
    """

    def __init__(self, root: Path, evaluate: Evaluate) -> None:
        self._root = root.resolve()
        self._evaluate = evaluate
        self._scopes: dict[Path, SourceScope | None] = {}

    def importer(self, file: Path) -> Callable[[str], Value]:
        """Return the function that resolves the imports of a file."""
        return partial(self.value, file.resolve())

    def value(self, importer: Path, path: str) -> Value:
        """Return the value of a full name that a file imports, or None; a relative one has leading dots."""
        name = path.lstrip(".")
        parts = name.split(".") if name else []
        for folder in self._folders(importer, len(path) - len(name)):
            for end in range(len(parts), 0, -1):
                scope = self._scope(folder.joinpath(*parts[:end]))
                if scope is None:
                    continue
                if end == len(parts):
                    return NamedObject(path, scope=scope)
                return scope.own(parts[end]) if end == len(parts) - 1 else None
        return None

    def _folders(self, importer: Path, dots: int) -> list[Path]:
        """Return the folders from which a file may import: its own and those above it, up to the root."""
        if dots:
            return [importer.parents[dots - 1]] if dots <= len(importer.parents) else []
        above = [folder for folder in importer.parents if folder.is_relative_to(self._root)]
        return above or [importer.parent]

    def _scope(self, place: Path) -> SourceScope | None:
        """Return the names of a module, by its path without the suffix; None if there is no such file."""
        if place not in self._scopes:
            self._scopes[place] = None  # a module that imports itself in a circle
            self._scopes[place] = self._read(place)
        return self._scopes[place]

    def _read(self, place: Path) -> SourceScope | None:
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            try:
                text = file.read_text(encoding="utf-8")
                tree = ast.parse(text, filename=str(file))
            except (OSError, ValueError, SyntaxError):
                continue
            scope = SourceScope(tuple(code_lines(text)), None, self._evaluate, self.importer(file))
            scope.read(tree.body)
            return scope
        return None
