"""Checks of tasks: only tasks are awaited, and no task is lost."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from durablenb.checks.abstract_values import (
    ActivityResult,
    ContextValue,
    EntityProxyValue,
    InstanceValue,
    Node,
    PlainData,
    SetValue,
    TaskValue,
    Unstarted,
    Value,
    with_article,
)

if TYPE_CHECKING:
    from durablenb.checks.expressions import Expressions
    from durablenb.checks.function_reader import FunctionReader


def check_awaited(reader: FunctionReader, node: ast.Yield | ast.Await, value: Value) -> None:
    """Report a ``yield`` or an ``await`` of a value that is certainly no task."""
    word = "yield" if isinstance(node, ast.Yield) else "await"
    if word == "yield" and isinstance(reader.body.node, ast.AsyncFunctionDef):
        text = "An async def with a yield is an async generator, which can't be an orchestrator."
        reader.report("DNB402", node, text, "Use await instead of yield.")
        return
    combine = f"Combine them into one task: {word} context.task_all([...])."
    instead = None
    match value:
        case PlainData():
            what = "the input" if value.kind == "input" else with_article(value.kind)
            if value.kind.startswith(("list", "tuple", "generator")):
                instead = combine
            called = node.value.func if isinstance(node.value, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in ("signal_entity", "set_custom_status"):
                what = f"None: {called.attr} returns no task"
                instead = f"Remove the {word}."
        case SetValue():
            what, instead = "a set", combine
        case Unstarted() if word == "yield" and value.function.is_generator:
            what = f"the generator {value.function.name}(), whose code never runs"
            instead = f"Write yield from {value.function.name}(...)."
        case Unstarted():
            what = f"the result of {value.function.name}(), which is not a task"
        case ActivityResult() if isinstance(node.value, ast.Call):
            return  # already reported, as a direct call of an activity
        case ActivityResult():
            what = f"the result of {value.name}(), which was called directly"
            instead = f"Write {word} context.call_activity({value.name}, ...) in place of the call."
        case EntityProxyValue():
            what, instead = "an entity", f"Call one of its operations: {word} entity.operation(...)."
        case InstanceValue("datetime.timedelta"):
            what = "a timedelta"
            instead = f"Write {word} context.create_timer(context.current_utc_datetime + ...)."
        case ContextValue():
            what = "the context"
        case _:
            return
    reader.report("DNB402", node, f"This {word}s {what}.", instead)


def check_statement(reader: FunctionReader, node: ast.Expr, value: Value) -> None:
    """Report a task that a statement creates and drops."""
    call = node.value
    if holds_tasks(value):
        reader.report("DNB401", call, "This task is never awaited.")
    elif isinstance(value, Unstarted) and not isinstance(call, ast.Await | ast.YieldFrom):
        word = "await" if value.function.is_async else "yield from"
        text = f"{value.function.name}() is called, but its code never runs."
        reader.report("DNB401", call, text, f"Write {word} {value.function.name}(...).")
    if isinstance(call, ast.Call) and call.args:
        reader.muted += 1
        item = reader.value(call.args[-1])
        reader.muted -= 1
        reader.unread.note_addition(reader, call, item)


# -- tasks in variables ------------------------------------------------------------------------------

_ADDING = ("append", "extend", "appendleft", "insert")


class UnreadTasks:
    """Finds tasks in variables that the function never reads."""

    def __init__(self, node: Node) -> None:
        self.sorted: set[str] = set()
        """Lists that are sorted in place."""
        self._reads: dict[str, int] = {}
        self._tasks: dict[str, list[ast.expr]] = {}
        for child in ast.walk(node):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load):
                self._reads[child.id] = self._reads.get(child.id, 0) + 1
            elif isinstance(child, ast.Global | ast.Nonlocal):
                self._reads.update(dict.fromkeys(child.names, 1_000))
            elif isinstance(child, ast.Expr):
                self._count_statement(child.value)

    def _count_statement(self, node: ast.expr) -> None:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            return
        owner = node.func.value
        if isinstance(owner, ast.Name) and node.func.attr in _ADDING:
            self._reads[owner.id] = self._reads.get(owner.id, 0) - 1
        elif isinstance(owner, ast.Name) and node.func.attr == "sort":
            self.sorted.add(owner.id)

    def note_assignment(self, reader: Expressions, name: str, value: Value, source: ast.expr) -> None:
        """Remember a task that is assigned to a variable."""
        if holds_tasks(value) and not reader.muted:
            self._tasks.setdefault(name, []).append(source)

    def note_addition(self, reader: Expressions, node: ast.Call, value: Value) -> None:
        """Remember a task that a call adds to a list."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in _ADDING and node.args:
            name = getattr(node.func.value, "id", "")
            if holds_tasks(value) and name in reader.locals and not reader.muted:
                self._tasks.setdefault(name, []).append(node.args[-1])

    def report(self, reader: Expressions) -> None:
        """Report the tasks in variables that are never read."""
        for name, sources in self._tasks.items():
            if self._reads.get(name, 0) <= 0 and not name.startswith("_"):
                for source in sources:
                    reader.report(
                        "DNB401", source, f"This task is never awaited: {name} isn't read anywhere."
                    )


def holds_tasks(value: Value) -> bool:
    """Tell whether a value is a task, or a collection of tasks."""
    return isinstance(value, TaskValue) or (isinstance(value, PlainData) and value.kind.endswith("of tasks"))
