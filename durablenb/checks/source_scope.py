"""Abstract values of source texts: functions and names, resolved without running anything."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator

from durablenb.checks.abstract_values import (
    AZURES,
    Body,
    Function,
    Kind,
    NamedObject,
    Node,
    Scope,
    Value,
    is_within,
)
from durablenb.checks.syntax import is_generator, read_signature

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

Binding = ast.expr | ast.FunctionDef | ast.AsyncFunctionDef | NamedObject | None


class SourceScope:
    """Resolves the names of a module, a notebook, or a function that contains others.

    Parameters
    ----------
    lines
        The lines of the text.
    parent
        Resolves names that aren't bound here.
    evaluate
        Returns the value of an expression.
    imported
        Returns the value of a name that is imported from another file of the project, or None.
    """

    def __init__(
        self,
        lines: tuple[str, ...],
        parent: Scope | None,
        evaluate: Evaluate,
        imported: Callable[[str], Value] | None = None,
    ) -> None:
        self.lines = lines
        self._parent = parent
        self._evaluate = evaluate
        self._imported = imported
        self._bound: dict[str, list[tuple[Binding, tuple[str, ...]]]] = {}
        self._known: dict[str, Value] = {}

    def bind(self, name: str, binding: Binding) -> None:
        """Add a binding of a name; the last one counts."""
        self._bound.setdefault(name, []).append((binding, self.lines))

    def read(self, body: list[ast.stmt]) -> None:
        """Add all names that statements bind, in inner blocks as well."""
        for statement in body:
            for name, binding in _bindings(statement):
                self.bind(name, binding)

    def lookup(self, name: str) -> Value:
        """Return the value of a name, or None if it is unknown."""
        if name in self._known:
            return self._known[name]
        if name not in self._bound:
            if self._parent is not None:
                return self._parent.lookup(name)
            return NamedObject(f"builtins.{name}") if hasattr(builtins, name) else None
        self._known[name] = None  # in case the binding refers to its own name
        binding, lines = self._bound[name][-1]
        value: Value
        if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef):
            value = source_function(binding, self, lines)
        elif isinstance(binding, ast.expr):
            value = self._evaluate(binding, self)
        else:
            value = binding
            if binding is not None and self._imported is not None:
                value = self._imported(binding.path) or binding
        self._known[name] = value
        return value

    def own(self, name: str) -> Value:
        """Return the value of a name that is bound here, or None."""
        return self.lookup(name) if name in self._bound else None

    @property
    def imports_azure(self) -> bool:
        """True if the text imports ``azure.durable_functions``."""
        return self.imports(AZURES)

    def imports(self, package: str) -> bool:
        """Tell whether the text imports a package, or something of it."""
        bindings = (binding for bound in self._bound.values() for binding, _ in bound)
        return any(
            isinstance(binding, NamedObject) and is_within(package, binding.path) for binding in bindings
        ) or (isinstance(self._parent, SourceScope) and self._parent.imports(package))

    def function(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return the function to which a name was bound last, here or in an enclosing scope."""
        if name in self._bound:
            binding = self._bound[name][-1][0]
            return binding if isinstance(binding, ast.FunctionDef | ast.AsyncFunctionDef) else None
        return self._parent.function(name) if isinstance(self._parent, SourceScope) else None


def _bindings(node: ast.stmt) -> Iterator[tuple[str, Binding]]:
    match node:
        case ast.Import():
            for alias in node.names:
                path = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or path, NamedObject(path)
        case ast.ImportFrom():
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield alias.asname or alias.name, NamedObject(f"{module}.{alias.name}")
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name, node
        case ast.ClassDef():
            yield node.name, NamedObject(f"{node.name}")
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
        for item in target.elts:
            yield from _targets(item, None)


def source_function(node: Node, scope: Scope, lines: tuple[str, ...]) -> Function:
    """Return the value of a function in a source text."""
    body = Body(node, scope, lines)
    if isinstance(node, ast.Lambda):
        return Function("<lambda>", lambda: body, parameters=read_signature(node))
    kind, name = registration(node)
    is_known = kind is not None or not node.decorator_list  # another decorator may return anything
    is_async = is_known and isinstance(node, ast.AsyncFunctionDef)
    return Function(
        node.name,
        lambda: body,
        kind,
        name,
        read_signature(node),
        is_known and is_generator(node) and not is_async,
        is_async,
    )


def registration(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[Kind | None, str | None]:
    """Return the kind and the name under which decorators register a function."""
    kind, name = None, None
    for decorator in node.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if not isinstance(target, ast.Attribute):
            continue
        kind = _KINDS.get(target.attr, kind)
        if call is not None:
            name = given_name(call, positional=target.attr == "function_name") or name
    return kind, name


def given_name(call: ast.Call, *, positional: bool = False) -> str | None:
    """Return the name in a decorator, or in another call that registers, or None."""
    arguments = [keyword.value for keyword in call.keywords if keyword.arg in _NAMES]
    if positional:
        arguments += call.args[:1]
    constants = (argument.value for argument in arguments if isinstance(argument, ast.Constant))
    return next((name for name in constants if isinstance(name, str)), None)
