"""External events: data that is a value from one side, and JSON text from another."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions


def check_as_value(reader: Expressions, node: ast.AST) -> None:
    """Looks for data that is used as a value where Azure's client may send it as JSON text."""
    if reader.body.scope.is_azures:
        text = "The event's data is used as a value; Azure's client sends it as JSON text."
        reader.report("DNB407", node, text)


def check_call(reader: Expressions, node: ast.Call, path: str) -> None:
    """Looks for ``json.loads`` of data that may be a value; code that looks at its type knows."""
    if path in ("builtins.isinstance", "builtins.type"):
        name: ast.expr = node.args[0]
        while isinstance(name, ast.Attribute):
            name = name.value
        if isinstance(name, ast.Name):
            reader.known[name.id] = None
    elif path == "json.loads" and not reader.tries:
        reader.report("DNB407", node, "The event's data is read as JSON text; it may be the value itself.")
