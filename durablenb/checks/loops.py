"""Checks of loops: they end, their order matters or not, and their iterations leave no waits behind."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from durablenb.checks.abstract_values import ContextValue, LiveIterator, SetValue, Value

if TYPE_CHECKING:
    from durablenb.checks.control_flow import ControlFlow

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

_LOOPS = (ast.For, ast.AsyncFor, ast.While)

Loop = ast.For | ast.AsyncFor | ast.While


def check_repeated_waits(reader: ControlFlow, loop: Loop) -> None:
    """Report a wait for an event that each iteration creates, and leaves open if another task wins."""
    if not reader.waits:
        return
    nodes = list(_iteration_nodes(loop.body))
    waits = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and _is_context_call(reader, node.value, "wait_for_external_event")
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:
        listed = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if not (_is_context_call(reader, node, "task_any") and isinstance(listed, ast.List)):
            continue
        members = listed.elts
        for member in members:
            name = member.id if isinstance(member, ast.Name) else ""
            wait: ast.expr = waits.get(name, member)
            names = {member.id for member in members if isinstance(member, ast.Name)}
            if (
                len(members) > 1
                and _is_context_call(reader, wait, "wait_for_external_event")
                and not _is_cancelled(nodes, name)
                and not _ends_otherwise(nodes, name, names)
            ):
                text = "Each iteration starts another wait, and the wait of the previous one stays open."
                reader.report("DNB406", wait, text)


def _iteration_nodes(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes of an iteration, without those of inner loops, which have iterations of their own."""
    pending: list[ast.AST] = [*body]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, *_LOOPS)):
            pending.extend(ast.iter_child_nodes(node))


def _is_context_call(reader: ControlFlow, node: ast.AST, method: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and isinstance(node.func.value, ast.Name)
        and reader.known.get(node.func.value.id) == ContextValue()
    )


def _is_cancelled(nodes: list[ast.AST], name: str) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "cancel"
        and isinstance(node.value, ast.Name)
        and node.value.id == name
        for node in nodes
    )


def _ends_otherwise(nodes: list[ast.AST], name: str, group: set[str]) -> bool:
    """Tell whether the loop ends if another task wins, or the orchestration continues as new."""
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
    """Tell whether the event has arrived where the test holds; None if that is unknown."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _won(test.operand, name, group)
        return None if inner is None else not inner
    if isinstance(test, ast.Attribute) and test.attr in ("is_completed", "is_complete"):
        named = test.value.id if isinstance(test.value, ast.Name) else ""
        return named == name if named in group else None
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return None
    sides = (test.left, test.comparators[0])
    tested = {side.id for side in sides if isinstance(side, ast.Name)} & group
    if len(tested) != 1 or not isinstance(test.ops[0], ast.Is | ast.IsNot | ast.Eq | ast.NotEq):
        return None
    return (tested == {name}) == isinstance(test.ops[0], ast.Is | ast.Eq)


def _leaves(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Return | ast.Raise | ast.Break)


def check_endless(reader: ControlFlow, node: Loop, value: Value) -> None:
    """Report an endless loop."""
    is_endless = (
        isinstance(node.test, ast.Constant) if isinstance(node, ast.While) else value == LiveIterator()
    )
    if not (is_endless and reader.waits) or reader.tries or is_left(node):
        return
    if isinstance(node, ast.For) and not _is_count(node.iter):
        return
    nodes = ast.walk(reader.body.node)
    if not any(isinstance(child, ast.Attribute) and child.attr == "continue_as_new" for child in nodes):
        reader.report("DNB403", node, "This loop never ends, and never continues as new.")


def _is_count(node: ast.expr) -> bool:
    name = node.func if isinstance(node, ast.Call) else None
    return getattr(name, "attr", getattr(name, "id", "")) in ("count", "cycle")


def is_left(loop: Loop) -> bool:
    """Tell whether a statement in the loop may leave it."""
    pending: list[tuple[ast.AST, bool]] = [(statement, False) for statement in loop.body]
    while pending:
        node, is_inner = pending.pop()
        if isinstance(node, ast.Return | ast.Raise) or (isinstance(node, ast.Break) and not is_inner):
            return True
        if not isinstance(node, _FUNCTIONS):
            is_inner = is_inner or isinstance(node, _LOOPS)
            pending.extend((child, is_inner) for child in ast.iter_child_nodes(node))
    return False


def is_order_independent(reader: ControlFlow, loop: ast.For | ast.AsyncFor) -> bool:
    """Tell whether the loop has the same effect in any order of its items."""
    return all(_is_order_independent(reader, statement) for statement in loop.body)


def _is_order_independent(reader: ControlFlow, node: ast.stmt) -> bool:
    if any(isinstance(child, ast.Yield | ast.YieldFrom | ast.Await) for child in ast.walk(node)):
        return False
    match node:
        case ast.If():
            return all(_is_order_independent(reader, inner) for inner in (*node.body, *node.orelse))

        case ast.Expr(ast.Call(ast.Attribute(owner, "add" | "discard"))):
            return isinstance(reader.value(owner), SetValue)
        case ast.Expr(ast.Call(ast.Name("print"))):
            return True
        case ast.AugAssign(op=ast.Add() | ast.Sub() | ast.Mult() | ast.BitOr() | ast.BitAnd()):
            return isinstance(node.value, ast.Constant) and not isinstance(node.value.value, str)
        case ast.Continue() | ast.Pass() | ast.Assert() | ast.Raise():
            return True
    return False
