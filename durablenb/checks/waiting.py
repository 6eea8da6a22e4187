"""Waiting: for what is a task, for all that was asked for, and not for ever."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from durablenb.checks.unread import is_of_tasks
from durablenb.checks.values import Context, Data, Drawn, Given, Instance, Made, Proxy, SetOf, Value, a

if TYPE_CHECKING:
    from durablenb.checks.flow import Flow
    from durablenb.checks.reading import Reader

_LOOPS = (ast.For, ast.AsyncFor, ast.While)

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def check_waited(reader: Reader, node: ast.Yield | ast.Await, value: Value) -> None:
    """Looks for a ``yield`` or an ``await`` of what is certainly no task."""
    word = "yield" if isinstance(node, ast.Yield) else "await"
    if word == "yield" and isinstance(reader.body.node, ast.AsyncFunctionDef):
        text = "An async def with a yield is an async generator, which is no orchestrator."
        reader.report("DNB402", node, text, "Write await in place of yield.")
        return
    instead = None
    match value:
        case Data():
            what = "the input" if value.kind == "input" else a(value.kind)
            if value.kind.startswith(("list", "tuple", "generator")):
                instead = f"Make one task of them: {word} context.task_all([...])."
            called = node.value.func if isinstance(node.value, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in ("signal_entity", "set_custom_status"):
                what = f"None: {called.attr} waits for nothing"
                instead = f"Leave the {word} out."
        case SetOf():
            what, instead = "a set", f"Make one task of them: {word} context.task_all([...])."
        case Made() if word == "yield" and value.function.is_generator:
            what = f"a generator, {value.function.name}(), of which nothing runs"
            instead = f"Write yield from {value.function.name}(...)."
        case Made():
            what = f"what {value.function.name}() makes, which is no task"
        case Given() if isinstance(node.value, ast.Call):
            return  # it has been told of: the activity is called directly
        case Given():
            what = f"the result of {value.name}(), which was called directly"
            instead = f"Write {word} context.call_activity({value.name}, ...) in place of the call."
        case Proxy():
            what, instead = "an entity", f"Call an operation of it: {word} entity.operation(...)."
        case Instance("datetime.timedelta"):
            what = "a span of time"
            instead = f"Write {word} context.create_timer(context.current_utc_datetime + ...)."
        case Context():
            what = "the context"
        case _:
            return
    reader.report("DNB402", node, f"It waits for {what}.", instead)


def check_statement(reader: Reader, node: ast.Expr, value: Value) -> None:
    """Looks for a task that is made by a statement of its own and then lost."""
    call = node.value
    if is_of_tasks(value):
        reader.report("DNB401", call, "A task is made, and nobody waits for it.")
    elif isinstance(value, Made) and not isinstance(call, ast.Await | ast.YieldFrom):
        word = "await" if value.function.is_async else "yield from"
        text = f"{value.function.name}() is called, and nothing of it runs."
        reader.report("DNB401", call, text, f"Write {word} {value.function.name}(...).")
    if isinstance(call, ast.Call) and call.args:
        reader.muted += 1
        item = reader.value(call.args[-1])
        reader.muted -= 1
        reader.unread.filled(reader, call, item)


def check_endless(reader: Flow, node: ast.For | ast.AsyncFor | ast.While, value: Value) -> None:
    """Looks for a loop that nothing ends."""
    is_endless = isinstance(node.test, ast.Constant) if isinstance(node, ast.While) else value == Drawn()
    if not (is_endless and reader.waits) or reader.tries or is_left(node):
        return
    if isinstance(node, ast.For) and not _is_count(node.iter):
        return
    everything = ast.walk(reader.body.node)
    if not any(isinstance(one, ast.Attribute) and one.attr == "continue_as_new" for one in everything):
        reader.report("DNB403", node, "Nothing ends this loop, and nothing begins afresh.")


def _is_count(node: ast.expr) -> bool:
    name = node.func if isinstance(node, ast.Call) else None
    return getattr(name, "attr", getattr(name, "id", "")) in ("count", "cycle")


def is_left(loop: ast.For | ast.AsyncFor | ast.While) -> bool:
    """Whether something in the loop may leave it."""
    waiting: list[tuple[ast.AST, bool]] = [(one, False) for one in loop.body]
    while waiting:
        node, is_inner = waiting.pop()
        if isinstance(node, ast.Return | ast.Raise) or (isinstance(node, ast.Break) and not is_inner):
            return True
        if not isinstance(node, _FUNCTIONS):
            is_inner = is_inner or isinstance(node, _LOOPS)
            waiting.extend((one, is_inner) for one in ast.iter_child_nodes(node))
    return False


def is_first_run(reader: Flow, node: ast.If) -> bool:
    """Whether this is ``if not context.is_replaying:`` around calls that leave no trace inside."""
    test = node.test
    return (
        isinstance(test, ast.UnaryOp)
        and isinstance(test.op, ast.Not)
        and isinstance(test.operand, ast.Attribute)
        and test.operand.attr == "is_replaying"
        and isinstance(test.operand.value, ast.Name)
        and reader.known.get(test.operand.value.id) == Context()
        and all(isinstance(one, ast.Expr) and _is_done_outside(reader, one.value) for one in node.body)
        and not node.orelse
    )


def _is_done_outside(reader: Flow, node: ast.expr) -> bool:
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and reader.is_shared(node.id)


def minds_no_order(reader: Flow, loop: ast.For | ast.AsyncFor) -> bool:
    """Whether the loop does the same in whatever order its items come."""
    return all(_minds_no_order(reader, one) for one in loop.body)


def _minds_no_order(reader: Flow, node: ast.stmt) -> bool:
    if any(isinstance(one, ast.Yield | ast.YieldFrom | ast.Await) for one in ast.walk(node)):
        return False
    match node:
        case ast.If():
            return all(_minds_no_order(reader, one) for one in (*node.body, *node.orelse))
        case ast.Expr(ast.Call(ast.Attribute(owner, "add" | "discard"))):
            return isinstance(reader.value(owner), SetOf)
        case ast.Expr(ast.Call(ast.Name("print"))):
            return True
        case ast.AugAssign(op=ast.Add() | ast.Sub() | ast.Mult() | ast.BitOr() | ast.BitAnd()):
            return isinstance(node.value, ast.Constant) and not isinstance(node.value.value, str)
        case ast.Continue() | ast.Pass() | ast.Assert() | ast.Raise():
            return True
    return False
