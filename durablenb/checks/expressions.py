"""Reads expressions: computes their abstract values, and reports broken rules."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from durablenb.checks import calls, context_calls
from durablenb.checks.abstract_values import (
    Body,
    ContextMember,
    ContextValue,
    EntityProxyValue,
    EventData,
    Function,
    InstanceValue,
    NamedObject,
    PlainData,
    SetValue,
    TaskValue,
    Unstarted,
    Value,
)
from durablenb.checks.forbidden_calls import DATA
from durablenb.checks.live_scope import attribute_value
from durablenb.checks.registered_names import RegisteredNames
from durablenb.checks.syntax import read_signature

if TYPE_CHECKING:
    from collections.abc import Iterator

Sink = Callable[[str, ast.AST, str, "str | None"], None]

_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)

_PATH = InstanceValue("pathlib.Path")


class Expressions:
    """Reads the expressions of one function.

    Parameters
    ----------
    body
        The function.
    sink
        Receives the findings: the code, the node, the text, and the advice if it isn't the rule's own.
    names
        The registered names, if they are known.
    depth
        The number of calls between the orchestrator and the function.
    """

    def __init__(self, body: Body, sink: Sink, names: RegisteredNames | None, depth: int = 0) -> None:
        self.body = body
        self.has_loop = isinstance(body.node, ast.AsyncFunctionDef)
        """True if the orchestrator is an ``async def``, which has an event loop."""
        self.names = names
        self.depth = depth
        self.known: dict[str, Value] = {}
        self.locals: set[str] = set()
        self.stored: set[str] = set()
        """Attributes that the function sets."""
        self.is_orderless = False
        """True while the collection that is read may have any order."""
        self.harmless = 0
        """Greater than 0 inside calls that only print."""
        self.guarded = 0
        """Greater than 0 inside ``if not context.is_replaying:`` around calls without effect inside."""
        self.first_runs = 0
        """Greater than 0 inside ``if not context.is_replaying:``."""
        self.spared: set[tuple[int, int]] = set()
        """Ends of expressions whose values do no harm, since they are printed or guarded."""
        self.tries = 0
        """The number of enclosing ``try`` statements with handlers."""
        self.muted = 0
        self.defaults: set[str] = set()
        """Parameters whose default is a list, a dict or a set."""
        self.awaited: ast.expr | None = None
        self._sink = sink

    def report(self, code: str, node: ast.AST, text: str, instead: str | None = None) -> None:
        """Report a finding, unless the node is harmless here."""
        is_harmless = (self.harmless and code[3] == "1") or (self.guarded and code[3] in "13")
        if not (self.muted or is_harmless):
            self._sink(code, node, text, instead)

    def is_shared(self, name: str) -> bool:
        """Return whether a name refers to an object outside the orchestrator."""
        return name not in self.locals

    def value(self, node: ast.expr, *, is_orderless: bool = False) -> Value:
        """Return an expression's abstract value, and check it on the way."""
        before, self.is_orderless = self.is_orderless, is_orderless
        if self.harmless or self.guarded:
            self.spared.add((node.end_lineno or 0, node.end_col_offset or 0))
        try:
            method = getattr(self, f"_{type(node).__name__}", self._other)
            return cast(Value, method(node))
        finally:
            self.is_orderless = before

    def check_iteration(self, node: ast.AST, value: Value, *, is_orderless: bool = False) -> None:
        """Report an iteration over a set, unless its order has no effect."""
        if isinstance(value, SetValue) and not value.is_stable and not is_orderless:
            self.report("DNB104", node, "Set iteration order varies between processes.")

    @contextmanager
    def harmless_if(self, is_harmless: bool) -> Iterator[None]:
        """Return a context in which values do no harm, if the condition holds."""
        self.harmless += is_harmless
        try:
            yield
        finally:
            self.harmless -= is_harmless

    # -- names and attributes --------------------------------------------------------------------

    def _Name(self, node: ast.Name) -> Value:
        if node.id in self.locals:
            return self.known.get(node.id)
        return self._check_data(node, self.body.scope.lookup(node.id))

    def _check_data(self, node: ast.expr, value: Value) -> Value:
        if isinstance(value, NamedObject) and value.path in DATA:
            self.report(DATA[value.path], node, f"{value.path} is read.")
        return value

    def _Attribute(self, node: ast.Attribute) -> Value:
        return self.attribute(self.value(node.value), node)

    def attribute(self, owner: Value, node: ast.Attribute) -> Value:
        """Return the value of an attribute of a known owner."""
        match owner:
            case ContextValue():
                return context_calls.member(self, node)
            case NamedObject(scope=scope) if scope is not None:
                return scope.own(node.attr)
            case NamedObject():
                return self._check_data(node, attribute_value(owner, node.attr))
            case InstanceValue("pathlib.Path") if node.attr in ("parent", "name", "stem", "suffix"):
                return _PATH if node.attr == "parent" else PlainData("str")
            case InstanceValue():
                return NamedObject(f"{owner.path}().{node.attr}")
            case EntityProxyValue() if not node.attr.startswith("_"):
                return ContextMember(context_calls.OPERATION)
            case TaskValue() if node.attr == "result":
                return owner.result
            case EventData() if node.attr in ("get", "items", "keys", "values"):
                context_calls.check_event_data_as_value(self, node)
        return None

    def _Subscript(self, node: ast.Subscript) -> Value:
        if isinstance(self.value(node.value), EventData):
            context_calls.check_event_data_as_value(self, node)
        self._key(node.slice)
        return None

    def _key(self, node: ast.expr) -> None:
        """Check a key of a dictionary; ``id()`` is a sound one, since a dictionary keeps its own order."""
        for part in node.args if calls.is_id(node) and isinstance(node, ast.Call) else [node]:
            self.value(part)

    def _Constant(self, node: ast.Constant) -> Value:
        value = node.value
        if value is ...:
            return None
        if isinstance(value, str):
            return PlainData("str", value)
        return PlainData("None" if value is None else type(value).__name__)

    def _JoinedStr(self, node: ast.JoinedStr) -> Value:
        self._other(node)
        return PlainData("str")

    # -- collections -----------------------------------------------------------------------------

    def _Set(self, node: ast.Set) -> Value:
        self._other(node)
        return SetValue(all(isinstance(item, ast.Constant) and _is_number(item.value) for item in node.elts))

    def _List(self, node: ast.List | ast.Tuple) -> Value:
        values = [self.value(item) for item in node.elts]
        has_tasks = any(isinstance(value, TaskValue) for value in values)
        return PlainData("list of tasks" if has_tasks else type(node).__name__.lower())

    _Tuple = _List

    def _Dict(self, node: ast.Dict) -> Value:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self._key(key)
            self.value(value)
        return PlainData("dict")

    def _Starred(self, node: ast.Starred) -> Value:
        self.check_iteration(node, self.value(node.value), is_orderless=self.is_orderless)
        return None

    def _ListComp(self, node: ast.ListComp) -> Value:
        item = self._comprehension(node.generators, [node.elt])
        return PlainData("list of tasks" if isinstance(item, TaskValue) else "list")

    def _GeneratorExp(self, node: ast.GeneratorExp) -> Value:
        item = self._comprehension(node.generators, [node.elt])
        return PlainData("generator of tasks" if isinstance(item, TaskValue) else "generator")

    def _SetComp(self, node: ast.SetComp) -> Value:
        self.is_orderless = True
        self._comprehension(node.generators, [node.elt])
        return SetValue()

    def _DictComp(self, node: ast.DictComp) -> Value:
        self.is_orderless = True  # until the dict is iterated over, which isn't followed
        keys = node.key.args if isinstance(node.key, ast.Call) and calls.is_id(node.key) else [node.key]
        self._comprehension(node.generators, [*keys, node.value])
        return PlainData("dict")

    def _comprehension(self, generators: list[ast.comprehension], elements: list[ast.expr]) -> Value:
        is_orderless = self.is_orderless and not any(calls.schedules(self, element) for element in elements)
        for generator in generators:
            self.check_iteration(generator.iter, self.value(generator.iter), is_orderless=is_orderless)
            self.forget(generator.target)
            for condition in generator.ifs:
                self.value(condition)
        return [self.value(element) for element in elements][-1]

    def forget(self, target: ast.expr) -> None:
        """Mark the names that a target binds as unknown."""
        for child in ast.walk(target):
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                self.known[child.id] = None

    def _BinOp(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        if isinstance(node.op, _SET_OPERATORS):
            stable = [side.is_stable for side in (left, right) if isinstance(side, SetValue)]
            if stable or _is_keys(node.left):
                return SetValue(stable == [True, True])
        if isinstance(node.op, ast.Div) and _PATH in (left, right):
            return _PATH
        return left if left == right and isinstance(left, PlainData) and left.text is None else None

    # -- the rest --------------------------------------------------------------------------------

    def _Call(self, node: ast.Call) -> Value:
        return calls.check_call(self, node)

    def _IfExp(self, node: ast.IfExp) -> Value:
        self.value(node.test)
        value, other = self.value(node.body), self.value(node.orelse)
        return value if value == other else None

    def _Compare(self, node: ast.Compare) -> Value:
        sides = [node.left, *node.comparators]
        if all(calls.is_id(side) for side in sides):  # sound, since both are of the same process
            sides = [argument for side in sides if isinstance(side, ast.Call) for argument in side.args]
        values = [self.value(side) for side in sides]
        if EventData() in values and any(
            isinstance(value, PlainData) and value.text is not None for value in values
        ):
            context_calls.check_event_data_as_value(self, node)
        return PlainData("bool")

    def _NamedExpr(self, node: ast.NamedExpr) -> Value:
        self.known[node.target.id] = value = self.value(node.value)
        return value

    def _Lambda(self, node: ast.Lambda) -> Value:
        before = dict(self.known)
        arguments = node.args
        names = {
            argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        }
        new = names - self.locals
        self.locals |= names
        self.known.update(dict.fromkeys(names))
        self.value(node.body)
        self.locals -= new
        self.known = before
        return Function("<lambda>", lambda: None, parameters=read_signature(node))

    def _Yield(self, node: ast.Yield) -> Value:
        value = PlainData("None") if node.value is None else self.value(node.value)
        self.check_awaited(node, value)
        return value.result if isinstance(value, TaskValue) else None

    def _YieldFrom(self, node: ast.YieldFrom) -> Value:
        self.awaited = node.value
        self.check_iteration(node.value, self.value(node.value))
        return None

    def _Await(self, node: ast.Await) -> Value:
        self.awaited = node.value
        value = self.value(node.value)
        if not (isinstance(value, Unstarted) and value.function.is_async):
            self.check_awaited(node, value)
        return value.result if isinstance(value, TaskValue) else None

    def check_awaited(self, node: ast.Yield | ast.Await, value: Value) -> None:
        """Check the value of a ``yield`` or an ``await``."""

    def read_helper(self, body: Body, sink: Sink, arguments: Sequence[Value], *, waits: bool) -> None:
        """Read a function that is called here."""

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
