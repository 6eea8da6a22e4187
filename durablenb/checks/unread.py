"""Tasks that are kept in a variable which nobody reads."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from durablenb.checks.values import Data, Node, Task, Value

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions

_FILLING = ("append", "extend", "appendleft", "insert")


class Unread:
    """The variables of a function: which are read, and which tasks are in those that aren't."""

    def __init__(self, node: Node) -> None:
        self.sorted: set[str] = set()
        """Lists that are sorted in their place."""
        self._reads: dict[str, int] = {}
        self._kept: dict[str, list[tuple[ast.expr, Value]]] = {}
        for one in ast.walk(node):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load):
                self._reads[one.id] = self._reads.get(one.id, 0) + 1
            elif isinstance(one, ast.Global | ast.Nonlocal):
                self._reads.update(dict.fromkeys(one.names, 1_000))
            elif isinstance(one, ast.Expr):
                self._see_statement(one.value)

    def _see_statement(self, node: ast.expr) -> None:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return
        owner = node.func.value
        if isinstance(owner, ast.Name) and node.func.attr in _FILLING:
            self._reads[owner.id] = self._reads.get(owner.id, 0) - 1
        elif isinstance(owner, ast.Name) and node.func.attr == "sort":
            self.sorted.add(owner.id)

    def assigned(self, reader: Expressions, name: str, value: Value, source: ast.expr) -> None:
        """A variable gets a value."""
        if is_of_tasks(value) and not reader.muted:
            self._kept.setdefault(name, []).append((source, value))

    def filled(self, reader: Expressions, node: ast.expr, value: Value) -> None:
        """A list gets one more item by this call."""
        assert isinstance(node, ast.Call)
        if isinstance(node.func, ast.Attribute) and node.func.attr in _FILLING and node.args:
            name = getattr(node.func.value, "id", "")
            if is_of_tasks(value) and name in reader.locals and not reader.muted:
                self._kept.setdefault(name, []).append((node.args[-1], value))

    def tell(self, reader: Expressions) -> None:
        """Reports the tasks in variables that nobody reads."""
        for name, kept in self._kept.items():
            if self._reads.get(name, 0) <= 0 and not name.startswith("_"):
                for node, _ in kept:
                    reader.report("DNB401", node, f"Nobody waits for it: {name} isn't read anywhere.")


def is_of_tasks(value: Value) -> bool:
    """Whether this is a task, or several."""
    return isinstance(value, Task) or (isinstance(value, Data) and value.kind.endswith("of tasks"))
