"""State outside the orchestrator: what is set there, and changed there."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from durablenb.checks.values import Context, Data, Drawn, SetOf, Value

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


def check_call(reader: Expressions, node: ast.Call, owner: Value, path: str, first: Value) -> None:
    """Looks for a method that changes a list, a dict or a set outside."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in _CHANGING:
        return
    is_container = isinstance(owner, SetOf) or (isinstance(owner, Data) and owner.kind in _CONTAINERS)
    name = root_of(node.func.value)
    if is_container and name is not None and is_outside(reader, name):
        reader.report("DNB302", node, f"{name}, which is outside, is changed by {node.func.attr}().")


def check_drawn(reader: Expressions, node: ast.Call, first: Value) -> None:
    """Looks for an iterator outside that is used up."""
    name = root_of(node.args[0])
    if isinstance(first, Drawn) and name is not None and is_outside(reader, name):
        reader.report("DNB302", node, f"{name} is an iterator outside; next() gives another one in a replay.")


def check_target(reader: Expressions, target: ast.Subscript | ast.Attribute) -> None:
    """Looks for an item or an attribute of an object outside that is set."""
    name = root_of(target)
    if name is None or not is_outside(reader, name) or reader.known.get(name) == Context():
        return
    what = "An item" if isinstance(target, ast.Subscript) else f"The attribute {target.attr!r}"
    reader.report("DNB302", target, f"{what} of {name}, which is outside, is set.")


def is_outside(reader: Expressions, name: str) -> bool:
    """Whether the object of this name is there before the call and after it."""
    return name in reader.defaults or reader.is_shared(name)


def root_of(node: ast.expr) -> str | None:
    """The name in front of all attributes and indices."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None
