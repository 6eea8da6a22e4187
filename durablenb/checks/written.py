"""Functions and names as they stand in a source text, which isn't run for it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from functools import partial

from durablenb.checks.values import (
    AZURES,
    Body,
    Function,
    Kind,
    Named,
    Node,
    Scope,
    Value,
    arity,
    is_generator,
    is_of,
)

Evaluate = Callable[[ast.expr, Scope], Value]

_KINDS: dict[str, Kind] = {
    "orchestrator": "orchestrator",
    "orchestration_trigger": "orchestrator",
    "activity": "activity",
    "activity_trigger": "activity",
    "entity": "entity",
    "entity_trigger": "entity",
}

_NAMES = ("name", "orchestration", "activity", "entity_name")

Binding = ast.expr | ast.FunctionDef | ast.AsyncFunctionDef | Named | None


class WrittenScope:
    """The names of a module, a notebook, or a function with others in it.

    Parameters
    ----------
    lines
        The text's lines.
    parent
        Where names are looked up that aren't bound here.
    evaluate
        Works out what an expression is.
    """

    def __init__(self, lines: tuple[str, ...], parent: Scope | None, evaluate: Evaluate) -> None:
        self.lines = lines
        self._parent = parent
        self._evaluate = evaluate
        self._bound: dict[str, list[tuple[Binding, tuple[str, ...]]]] = {}
        self._known: dict[str, Value] = {}

    def bind(self, name: str, binding: Binding) -> None:
        """Notes what a name is bound to; the last one counts."""
        self._bound.setdefault(name, []).append((binding, self.lines))

    def read(self, body: list[ast.stmt]) -> None:
        """Takes all the names that statements bind, those of inner blocks too."""
        for statement in body:
            for name, binding in _bindings(statement):
                self.bind(name, binding)

    def lookup(self, name: str) -> Value:
        """What the name stands for; None if that isn't known."""
        if name in self._known:
            return self._known[name]
        if name not in self._bound:
            if self._parent is not None:
                return self._parent.lookup(name)
            return Named(f"builtins.{name}") if hasattr(builtins, name) else None
        self._known[name] = None  # while it is worked out, and it refers to itself
        binding, lines = self._bound[name][-1]
        found: Value
        if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef):
            found = function_in(binding, self, lines)
        elif isinstance(binding, ast.expr):
            found = self._evaluate(binding, self)
        else:
            found = binding
        self._known[name] = found
        return found

    @property
    def is_azures(self) -> bool:
        """Whether the text imports ``azure.durable_functions``."""
        bound = (binding for one in self._bound.values() for binding, _ in one)
        return any(isinstance(one, Named) and is_of(AZURES, one.path) for one in bound) or (
            self._parent is not None and self._parent.is_azures
        )

    def function(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The function that this name was bound to last, here or further out."""
        if name in self._bound:
            binding = self._bound[name][-1][0]
            return binding if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef) else None
        return self._parent.function(name) if isinstance(self._parent, WrittenScope) else None


def _bindings(node: ast.stmt) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.Import():
            for one in node.names:
                path = one.name if one.asname else one.name.split(".")[0]
                yield one.asname or path, Named(path)
        case ast.ImportFrom():
            module = "." * node.level + (node.module or "")
            for one in node.names:
                yield one.asname or one.name, Named(f"{module}.{one.name}")
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name, node
        case ast.ClassDef():
            yield node.name, Named(f"{node.name}")
        case ast.Assign():
            for target in node.targets:
                yield from _targets(target, node.value)
        case ast.AnnAssign() if node.value is not None:
            yield from _targets(node.target, node.value)
        case ast.AugAssign() | ast.For() | ast.AsyncFor():
            yield from _targets(node.target, None)
        case ast.With() | ast.AsyncWith():
            for item in node.items:
                if item.optional_vars is not None:
                    yield from _targets(item.optional_vars, item.context_expr)
    for block in ("body", "orelse", "finalbody", "handlers"):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for inner in getattr(node, block, ()):
                if isinstance(inner, ast.ExceptHandler):
                    for statement in inner.body:
                        yield from _bindings(statement)
                else:
                    yield from _bindings(inner)


def _targets(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, Binding]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        for one in target.elts:
            yield from _targets(one, None)


def function_in(node: Node, scope: Scope, lines: tuple[str, ...]) -> Function:
    """A function as it stands in a text."""
    body = Body(node, scope, lines)
    if isinstance(node, ast.Lambda):
        return Function("<lambda>", lambda: body, parameters=arity(node))
    kind, name = registered_as(node)
    is_known = kind is not None or not node.decorator_list  # else what it gives is its decorator's affair
    is_async = is_known and isinstance(node, ast.AsyncFunctionDef)
    needs_names = any(default is None for default in node.args.kw_defaults)
    return Function(
        node.name,
        partial(_given, body),
        kind,
        name,
        None if needs_names else arity(node),
        is_known and is_generator(node) and not is_async,
        is_async,
    )


def _given(body: Body) -> Body:
    return body


def registered_as(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Kind | None, str | None]:
    """As what the decorators register a function, and by which name."""
    kind, name = None, None
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not isinstance(target, ast.Attribute):
            continue
        kind = _KINDS.get(target.attr, kind)
        if call is not None:
            name = name_given(call, positional=target.attr == "function_name") or name
    return kind, name


def name_given(call: ast.Call, *, positional: bool = False) -> str | None:
    """The name that a decorator, or a call that registers, gives."""
    given = [one.value for one in call.keywords if one.arg in _NAMES]
    if positional:
        given += call.args[:1]
    texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return texts[0] if texts else None
