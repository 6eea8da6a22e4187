"""Checks for changes to objects outside the orchestrator."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from durablenb.checks.abstract_values import ContextValue, LiveIterator, PlainData, SetValue, Value

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions

_CHANGING = {
    "add",
    "append",
    "appendleft",
    "clear",
    "difference_update",
    "discard",
    "extend",
    "extendleft",
    "insert",
    "intersection_update",
    "pop",
    "popitem",
    "popleft",
    "remove",
    "reverse",
    "setdefault",
    "sort",
    "subtract",
    "symmetric_difference_update",
    "update",
}

_CONTAINERS = ("list", "list of tasks", "dict", "deque", "bytearray")


def check_method(reader: Expressions, node: ast.Call, owner: Value) -> None:
    """Report a method call that changes a list, a dict or a set outside."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in _CHANGING:
        return
    is_container = isinstance(owner, SetValue) or (isinstance(owner, PlainData) and owner.kind in _CONTAINERS)
    name = root_name(node.func.value)
    if is_container and name is not None and is_outside(reader, name):
        text = f"{node.func.attr}() changes {name}, which is outside the orchestrator."
        reader.report("DNB302", node, text)


def check_next(reader: Expressions, node: ast.Call, first: Value) -> None:
    """Report a ``next()`` of an iterator outside."""
    name = root_name(node.args[0])
    if isinstance(first, LiveIterator) and name is not None and is_outside(reader, name):
        text = f"{name} is an iterator outside the orchestrator; a replay gets a different item."
        reader.report("DNB302", node, text)


def check_target(reader: Expressions, target: ast.Subscript | ast.Attribute) -> None:
    """Report an assignment to an item or an attribute of an object outside."""
    name = root_name(target)
    if name is None or not is_outside(reader, name) or reader.known.get(name) == ContextValue():
        return
    part = "An item" if isinstance(target, ast.Subscript) else f"The attribute {target.attr!r}"
    reader.report("DNB302", target, f"{part} of {name} is set, which is outside the orchestrator.")


def is_outside(reader: Expressions, name: str) -> bool:
    """Tell whether the object of a name outlives the call."""
    return name in reader.defaults or reader.is_shared(name)


def root_name(node: ast.expr) -> str | None:
    """Return the name in front of all attributes and indices, or None."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
