"""Rounds of a loop that each wait for an external event anew, and leave the wait of the round before."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from durablenb.checks.values import Context

if TYPE_CHECKING:
    from durablenb.checks.flow import Flow

_INSIDE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

Loop = ast.For | ast.AsyncFor | ast.While


def check_rounds(reader: Flow, loop: Loop) -> None:
    """Looks for waits in the ``task_any`` of a loop that are made in it, and stay when another task wins."""
    if not reader.waits:
        return
    nodes = list(_own(loop.body))
    made = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and _is_asked(reader, node.value, "wait_for_external_event")
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        listed = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if not (_is_asked(reader, node, "task_any") and isinstance(listed, ast.List)):
            continue
        members = listed.elts
        for member in members:
            name = member.id if isinstance(member, ast.Name) else ""
            wait: ast.expr = made.get(name, member)
            if (
                len(members) > 1
                and _is_asked(reader, wait, "wait_for_external_event")
                and not _is_cancelled(nodes, name)
                and not _is_over_then(nodes, name, {one.id for one in members if isinstance(one, ast.Name)})
            ):
                text = "Each round makes a new wait, and the wait of the round before stays."
                reader.report("DNB406", wait, text)


def _own(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """What is done in each round, but for loops inside, which have rounds of their own."""
    waiting: list[ast.AST] = [*body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*_INSIDE, ast.For, ast.AsyncFor, ast.While)):
            waiting.extend(ast.iter_child_nodes(node))


def _is_asked(reader: Flow, node: ast.AST, method: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and isinstance(node.func.value, ast.Name)
        and reader.known.get(node.func.value.id) == Context()
    )


def _is_cancelled(nodes: list[ast.AST], name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "cancel"
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        for node in nodes
    )


def _is_over_then(nodes: list[ast.AST], name: str, group: set[str]) -> bool:
    """Whether the loop ends when another task wins, or the context begins afresh."""
    for node in nodes:
        if isinstance(node, ast.Attribute) and node.attr == "continue_as_new":
            return True
        if not isinstance(node, ast.If):
            continue
        won = _won(node.test, name, group)
        if (won is False and _leaves(node.body)) or (won is True and _leaves(node.orelse)):
            return True
    return False


def _won(test: ast.expr, name: str, group: set[str]) -> bool | None:
    """Whether the event has come where the test holds; None if that isn't known."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _won(test.operand, name, group)
        return None if inner is None else not inner
    if isinstance(test, ast.Attribute) and test.attr in ("is_completed", "is_complete"):
        named = test.value.id if isinstance(test.value, ast.Name) else ""
        return named == name if named in group else None
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return None
    sides = (test.left, test.comparators[0])
    tested = {one.id for one in sides if isinstance(one, ast.Name)} & group
    if len(tested) != 1 or not isinstance(test.ops[0], ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
        return None
    return (tested == {name}) == isinstance(test.ops[0], ast.Is | ast.Eq)


def _leaves(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Return | ast.Raise | ast.Break)
