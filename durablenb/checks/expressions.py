"""Expressions: what each of them is, as far as that can be known, and which rules it breaks."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from durablenb.checks import calls, contexts, events
from durablenb.checks.catalogue import DATA
from durablenb.checks.live import member_of
from durablenb.checks.names import Names
from durablenb.checks.values import (
    Arrived,
    Body,
    Context,
    Data,
    Function,
    Instance,
    Made,
    Member,
    Named,
    Proxy,
    SetOf,
    Task,
    Value,
    arity,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Sink = Callable[[str, ast.AST, str, "str | None"], None]

_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)

_PATH = Instance("pathlib.Path")


class Expressions:
    """The expressions of one function.

    Parameters
    ----------
    body
        The function.
    sink
        Gets what is found: the code, the node, the text, and what to write if it isn't the rule's own.
    names
        What is registered, if that is known.
    depth
        How many calls away from the orchestrator this is.
    """

    def __init__(self, body: Body, sink: Sink, names: Names | None, depth: int = 0) -> None:
        self.body = body
        self.names = names
        self.depth = depth
        self.known: dict[str, Value] = {}
        self.locals: set[str] = set()
        self.stored: set[str] = set()
        """Attributes that the function sets."""
        self.is_orderless = False
        """Whether what now reads a collection doesn't mind its order."""
        self.harmless = 0
        """Inside what is only printed."""
        self.guarded = 0
        """Inside ``if not context.is_replaying:``."""
        self.spared: set[tuple[int, int]] = set()
        """Where expressions end whose values do no harm: those that are only printed, or in such a block."""
        self.tries = 0
        """Inside a ``try`` with handlers."""
        self.muted = 0
        self.defaults: set[str] = set()
        """Parameters with a list, a dict or a set as their default."""
        self.awaited: ast.expr | None = None
        self._sink = sink

    def report(self, code: str, node: ast.AST, text: str, instead: str | None = None) -> None:
        """Notes what was found."""
        is_harmless = (self.harmless and code[3] == "1") or (self.guarded and code[3] in "13")
        if not (self.muted or is_harmless):
            self._sink(code, node, text, instead)

    def is_shared(self, name: str) -> bool:
        """Whether the name stands for something outside the orchestrator."""
        return name not in self.locals

    def value(self, node: ast.expr, *, is_orderless: bool = False) -> Value:
        """What an expression is; the rules see it once, on the way."""
        before, self.is_orderless = self.is_orderless, is_orderless
        if self.harmless or self.guarded:
            self.spared.add((node.end_lineno or 0, node.end_col_offset or 0))
        try:
            method = getattr(self, f"_{type(node).__name__}", self._other)
            return cast(Value, method(node))
        finally:
            self.is_orderless = before

    def went_through(self, node: ast.AST, value: Value, *, is_orderless: bool = False) -> None:
        """Something is read from first to last."""
        if isinstance(value, SetOf) and not value.is_stable and not is_orderless:
            self.report("DNB104", node, "A set is gone through in its own order.")

    @contextmanager
    def harmlessly(self, is_so: bool = True) -> Iterator[None]:
        """What is found in this block about values does no harm."""
        self.harmless += is_so
        try:
            yield
        finally:
            self.harmless -= is_so

    # -- names and attributes --------------------------------------------------------------------

    def _Name(self, node: ast.Name) -> Value:
        if node.id in self.locals:
            return self.known.get(node.id)
        found = self.body.scope.lookup(node.id)
        return self._seen(node, found)

    def _seen(self, node: ast.expr, found: Value) -> Value:
        if isinstance(found, Named) and found.path in DATA:
            self.report(DATA[found.path], node, f"{found.path} is read.")
        return found

    def _Attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.value(node.value), node)

    def attribute(self, owner: Value, node: ast.Attribute) -> Value:
        """What an attribute is, if its owner is known."""
        match owner:
            case Context():
                return contexts.member(self, node)
            case Named():
                return self._seen(node, member_of(owner, node.attr))
            case Instance("pathlib.Path") if node.attr in ("parent", "name", "stem", "suffix"):
                return _PATH if node.attr == "parent" else Data("str")
            case Instance():
                return Named(f"{owner.path}().{node.attr}")
            case Proxy() if not node.attr.startswith("_"):
                return Member(contexts.OPERATION)
            case Task() if node.attr == "result":
                return owner.gives
            case Arrived() if node.attr in ("get", "items", "keys", "values"):
                events.check_as_value(self, node)
        return None

    def _Subscript(self, node: ast.Subscript) -> Value:
        if isinstance(self.value(node.value), Arrived):
            events.check_as_value(self, node)
        self.value(node.slice)
        return None

    def _Constant(self, node: ast.Constant) -> Value:
        value = node.value
        if value is ...:
            return None
        if isinstance(value, str):
            return Data("str", value)
        return Data("None" if value is None else type(value).__name__)

    def _JoinedStr(self, node: ast.JoinedStr) -> Value:
        self._other(node)
        return Data("str")

    # -- collections -----------------------------------------------------------------------------

    def _Set(self, node: ast.Set) -> Value:
        self._other(node)
        return SetOf(all(isinstance(one, ast.Constant) and _is_number(one.value) for one in node.elts))

    def _List(self, node: ast.List | ast.Tuple) -> Value:
        values = [self.value(one) for one in node.elts]
        is_of_tasks = any(isinstance(one, Task) for one in values)
        return Data("list of tasks" if is_of_tasks else type(node).__name__.lower())

    _Tuple = _List

    def _Dict(self, node: ast.Dict) -> Value:
        self._other(node)
        return Data("dict")

    def _Starred(self, node: ast.Starred) -> Value:
        self.went_through(node, self.value(node.value), is_orderless=self.is_orderless)
        return None

    def _ListComp(self, node: ast.ListComp) -> Value:
        made = self._comprehension(node.generators, [node.elt])
        return Data("list of tasks" if isinstance(made, Task) else "list")

    def _GeneratorExp(self, node: ast.GeneratorExp) -> Value:
        made = self._comprehension(node.generators, [node.elt])
        return Data("generator of tasks" if isinstance(made, Task) else "generator")

    def _SetComp(self, node: ast.SetComp) -> Value:
        self.is_orderless = True
        self._comprehension(node.generators, [node.elt])
        return SetOf()

    def _DictComp(self, node: ast.DictComp) -> Value:
        self.is_orderless = True  # until somebody goes through it, which isn't followed
        self._comprehension(node.generators, [node.key, node.value])
        return Data("dict")

    def _comprehension(self, generators: list[ast.comprehension], made: list[ast.expr]) -> Value:
        is_orderless = self.is_orderless and not any(calls.asks_context(self, one) for one in made)
        for one in generators:
            self.went_through(one.iter, self.value(one.iter), is_orderless=is_orderless)
            self.forget(one.target)
            for condition in one.ifs:
                self.value(condition)
        return [self.value(one) for one in made][-1]

    def forget(self, target: ast.expr) -> None:
        """Nothing is known any more of the names that are bound here."""
        for one in ast.walk(target):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                self.known[one.id] = None

    def _BinOp(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, _SET_OPERATORS):
            sets = [one.is_stable for one in (left, right) if isinstance(one, SetOf)]
            if sets or _is_keys(node.left):
                return SetOf(sets == [True, True])
        if isinstance(node.op, ast.Div) and _PATH in (left, right):
            return _PATH
        return left if left == right and isinstance(left, Data) and left.text is None else None

    # -- the rest --------------------------------------------------------------------------------

    def _Call(self, node: ast.Call) -> Value:
        return calls.called(self, node)

    def _IfExp(self, node: ast.IfExp) -> Value:
        self.value(node.test)
        one, other = self.value(node.body), self.value(node.orelse)
        return one if one == other else None

    def _Compare(self, node: ast.Compare) -> Value:
        sides = [node.left, *node.comparators]
        if all(calls.is_id(one) for one in sides):  # the same objects in the same process
            sides = [argument for one in sides if isinstance(one, ast.Call) for argument in one.args]
        values = [self.value(one) for one in sides]
        if Arrived() in values and any(isinstance(one, Data) and one.text is not None for one in values):
            events.check_as_value(self, node)
        return Data("bool")

    def _NamedExpr(self, node: ast.NamedExpr) -> Value:
        self.known[node.target.id] = found = self.value(node.value)
        return found

    def _Lambda(self, node: ast.Lambda) -> Value:
        before = dict(self.known)
        arguments = node.args
        names = {one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
        new = names - self.locals
        self.locals |= names
        self.known.update(dict.fromkeys(names))
        self.value(node.body)
        self.locals -= new
        self.known = before
        return Function("<lambda>", lambda: None, parameters=arity(node))

    def _Yield(self, node: ast.Yield) -> Value:
        value = Data("None") if node.value is None else self.value(node.value)
        self.waited(node, value)
        return value.gives if isinstance(value, Task) else None

    def _YieldFrom(self, node: ast.YieldFrom) -> Value:
        self.awaited = node.value
        self.went_through(node.value, self.value(node.value))
        return None

    def _Await(self, node: ast.Await) -> Value:
        self.awaited = node.value
        value = self.value(node.value)
        if not (isinstance(value, Made) and value.function.is_async):
            self.waited(node, value)
        return value.gives if isinstance(value, Task) else None

    def waited(self, node: ast.Yield | ast.Await, value: Value) -> None:
        """The function waits for something."""

    def read_helper(self, body: Body, sink: Sink, given: Sequence[Value], *, waits: bool) -> None:
        """Reads a function that is called here."""

    def _other(self, node: ast.AST) -> Value:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
            elif not isinstance(child, ast.expr_context):
                self._other(child)
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_keys(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("keys", "items")
        and not node.args
    )
