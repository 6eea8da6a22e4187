"""The ways through a function: what is known after branches, loops and blocks."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from durablenb.checks import rounds, waiting
from durablenb.checks.expressions import Expressions
from durablenb.checks.values import SetOf, Value, merged


class Flow(Expressions):
    """Statements that decide what is done, and how often."""

    waits = True
    """Whether what the function yields or awaits is what an orchestration waits for."""

    def bind(self, target: ast.expr, value: Value, source: ast.expr) -> None:
        """Gives a name, an item or an attribute a value."""

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Reads statements in their order; tells whether what follows is never reached."""
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
        is_first_run = waiting.is_first_run(self, node)
        self.guarded += is_first_run
        ends = self.block(node.body)
        self.guarded -= is_first_run
        after, self.known = self.known, before
        other_ends = self.block(node.orelse)
        if other_ends:
            self.known = after
        elif not ends:
            self.known = merged(after, self.known)
        return ends and other_ends

    def _For(self, node: ast.For | ast.AsyncFor) -> bool:
        value = self.value(node.iter)
        is_orderless = isinstance(value, SetOf) and waiting.minds_no_order(self, node)
        self.went_through(node.iter, value, is_orderless=is_orderless)
        waiting.check_endless(self, node, value)
        rounds.check_rounds(self, node)
        self._loop(node)
        return False

    _AsyncFor = _For

    def _While(self, node: ast.While) -> bool:
        self.value(node.test)
        if isinstance(node.test, ast.Constant) and not node.test.value:
            return False
        waiting.check_endless(self, node, None)
        rounds.check_rounds(self, node)
        self._loop(node)
        return isinstance(node.test, ast.Constant) and not waiting.is_left(node)

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While) -> None:
        before = dict(self.known)
        for is_muted in (True, False):  # once to see what it changes, then for good
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
        met = merged(before, after)
        ways = [] if ends else [after]
        for handler in node.handlers:
            self.known = dict(met)
            if handler.type is not None:
                self.value(handler.type)
            if handler.name:
                self.known[handler.name] = None
            if not self.block(handler.body):
                ways.append(self.known)
        self.known = ways[0] if ways else met
        for way in ways[1:]:
            self.known = merged(self.known, way)
        return self.block(node.finalbody) or not ways

    _TryStar = _Try

    def _Match(self, node: ast.Match) -> None:
        self.value(node.subject)
        before = dict(self.known)
        found = dict(before)
        for case in node.cases:
            self.known = dict(before)
            for one in ast.walk(case.pattern):
                name = getattr(one, "name", None) or getattr(one, "rest", None)
                if isinstance(name, str):
                    self.known[name] = None
            if case.guard is not None:
                self.value(case.guard)
            if not self.block(case.body):
                found = merged(found, self.known)
        self.known = found
