"""Reads compound statements: merges the values of names after branches, loops and blocks."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from durablenb.checks import loops
from durablenb.checks.abstract_values import ContextValue, SetValue, Value, merged
from durablenb.checks.expressions import Expressions


class ControlFlow(Expressions):
    """Reads a function's branches, loops and blocks, along every path."""

    waits = True
    """True if the function's yields and awaits are the orchestration's."""

    def bind(self, target: ast.expr, value: Value, source: ast.expr) -> None:
        """Bind a name, an item or an attribute to a value."""

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Read statements in order; return True if the code behind them is never reached."""
        for statement in statements:
            method = getattr(self, f"_{type(statement).__name__}", self._other)
            if method(statement) is True:
                return True
        return False

    def _Return(self, node: ast.Return) -> bool:
        if node.value is not None:
            self.value(node.value)
        return True

    def _Raise(self, node: ast.Raise) -> bool:
        self._other(node)
        return True

    def _Break(self, node: ast.stmt) -> bool:
        return True

    _Continue = _Break

    def _If(self, node: ast.If) -> bool:
        self.value(node.test)
        if isinstance(node.test, ast.Constant):
            return self.block(node.body if node.test.value else node.orelse)
        before = dict(self.known)
        is_first_run = _is_first_run(self, node.test)
        is_guard = is_first_run and _leaves_no_trace(self, node)
        self.first_runs += is_first_run
        self.guarded += is_guard
        ends = self.block(node.body)
        self.guarded -= is_guard
        self.first_runs -= is_first_run
        after, self.known = self.known, before
        other_ends = self.block(node.orelse)
        if other_ends:
            self.known = after
        elif not ends:
            self.known = merged(after, self.known)
        return ends and other_ends

    def _For(self, node: ast.For | ast.AsyncFor) -> bool:
        value = self.value(node.iter)
        is_orderless = isinstance(value, SetValue) and loops.is_order_independent(self, node)
        self.check_iteration(node.iter, value, is_orderless=is_orderless)
        loops.check_endless(self, node, value)
        loops.check_repeated_waits(self, node)
        self._loop(node)
        return False

    _AsyncFor = _For

    def _While(self, node: ast.While) -> bool:
        self.value(node.test)
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return False
        loops.check_endless(self, node, None)
        loops.check_repeated_waits(self, node)
        self._loop(node)
        return isinstance(node.test, ast.Constant) and not loops.is_left(node)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        before = dict(self.known)
        for is_muted in (True, False):  # first only for the names that an iteration changes
            self.muted += is_muted
            if not isinstance(node, ast.While):
                self.forget(node.target)
            self.block(node.body)
            if isinstance(node, ast.While):
                self.value(node.test)
            self.muted -= is_muted
            self.known = merged(before, self.known)
        self.block(node.orelse)

    def _With(self, node: ast.With | ast.AsyncWith) -> bool:
        for item in node.items:
            value = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value, item.context_expr)
        ends = self.block(node.body)
        return ends and not any("suppress" in ast.dump(item.context_expr) for item in node.items)

    _AsyncWith = _With

    def _Try(self, node: ast.Try) -> bool:
        before = dict(self.known)
        self.tries += bool(node.handlers)
        ends = self.block(node.body) or self.block(node.orelse)
        self.tries -= bool(node.handlers)
        after = self.known
        in_handler = merged(before, after)
        paths = [] if ends else [after]
        for handler in node.handlers:
            self.known = dict(in_handler)
            if handler.type is not None:
                self.value(handler.type)
            if handler.name:
                self.known[handler.name] = None
            if not self.block(handler.body):
                paths.append(self.known)
        self.known = paths[0] if paths else in_handler
        for path in paths[1:]:
            self.known = merged(self.known, path)
        return self.block(node.finalbody) or not paths

    _TryStar = _Try

    def _Match(self, node: ast.Match) -> None:
        self.value(node.subject)
        before = dict(self.known)
        after = dict(before)
        for case in node.cases:
            self.known = dict(before)
            for pattern in ast.walk(case.pattern):
                name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
                if isinstance(name, str):
                    self.known[name] = None
            if case.guard is not None:
                self.value(case.guard)
            if not self.block(case.body):
                after = merged(after, self.known)
        self.known = after


def _is_first_run(reader: ControlFlow, test: ast.expr) -> bool:
    """Tell whether a condition is ``not context.is_replaying``."""
    return (
        isinstance(test, ast.UnaryOp)
        and isinstance(test.op, ast.Not)
        and isinstance(test.operand, ast.Attribute)
        and test.operand.attr == "is_replaying"
        and isinstance(test.operand.value, ast.Name)
        and reader.known.get(test.operand.value.id) == ContextValue()
    )


def _leaves_no_trace(reader: ControlFlow, node: ast.If) -> bool:
    """Tell whether all that a condition guards are calls without effect inside."""
    return not node.orelse and all(
        isinstance(statement, ast.Expr) and _acts_outside(reader, statement.value) for statement in node.body
    )


def _acts_outside(reader: ControlFlow, node: ast.expr) -> bool:
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and reader.is_shared(node.id)
