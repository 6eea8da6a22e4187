"""Where the orchestrators are in source texts, and what else is registered there."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from durablenb.checks.names import Names
from durablenb.checks.reading import Reader
from durablenb.checks.values import Body, Kind, Node, Scope, Value
from durablenb.checks.written import WrittenScope, function_in, name_given, registered_as

_ADDING: dict[str, Kind] = {
    "add_activity": "activity",
    "add_entity": "entity",
    "add_orchestrator": "orchestrator",
}

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Orchestrators:
    """The orchestrators of a file or a notebook.

    Parameters
    ----------
    texts
        Texts that share their names, each with the name of its place.
    names
        Gets what is registered.

    Raises
    ------
    SyntaxError
        If one of the texts isn't Python.
    """

    def __init__(self, texts: Iterable[tuple[str, str]], names: Names) -> None:
        self.found: list[tuple[str, Body]] = []
        self._names = names
        self._seen: set[int] = set()
        self._entities: set[int] = set()
        scope = WrittenScope((), None, evaluate)
        trees = []
        for place, text in texts:
            tree = ast.parse(text, filename=place)
            scope.lines = tuple(text.splitlines())
            scope.read(tree.body)
            trees.append((place, scope.lines, tree))
        for self._place, self._lines, tree in trees:
            self._walk(tree, scope)
        self.found = [one for one in self.found if id(one[1].node) not in self._entities]

    def _walk(self, node: ast.AST, scope: WrittenScope) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _FUNCTIONS):
                for decorator in child.decorator_list:
                    self._walk(decorator, scope)
                self._defined(child, scope)
                self._walk(child, self._inside(child, scope))
            elif isinstance(child, ast.ClassDef):
                if any("entity" in ast.dump(one) for one in child.decorator_list):
                    self._register("entity", name_in(child.decorator_list) or child.name, None, scope)
                self._walk(child, scope)
            else:
                if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
                    self._called(child, child.func, scope)
                self._walk(child, scope)

    def _inside(self, node: ast.FunctionDef | ast.AsyncFunctionDef, parent: Scope) -> WrittenScope:
        scope = WrittenScope(self._lines, parent, evaluate)
        arguments = node.args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            scope.bind(one.arg, None)
        scope.read(node.body)
        return scope

    def _defined(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: WrittenScope) -> None:
        kind, name = registered_as(node)
        if kind is not None:
            self._register(kind, name or node.name, node, scope)
        if kind == "orchestrator" or (kind is None and _takes_context(node)):
            self._add(node, scope)

    def _called(self, node: ast.Call, target: ast.Attribute, scope: WrittenScope) -> None:
        """Sees ``Orchestrator.create(f)``, ``Entity.create(f)``, and what is registered by a call."""
        function = _function(node.args[0], scope) if node.args else None
        if target.attr == "create":
            made_by = getattr(target.value, "attr", getattr(target.value, "id", ""))
            if made_by == "Orchestrator" and function is not None:
                self._add(function, scope)
            elif made_by == "Entity":
                self._entities.add(id(function))
        elif target.attr in _ADDING:
            kind = _ADDING[target.attr]
            given = node.args[1] if len(node.args) > 1 else None
            name = given.value if isinstance(given, ast.Constant) else name_given(node)
            name = name or getattr(function, "name", None)
            if isinstance(name, str):
                self._register(kind, name, function, scope)
            if kind == "orchestrator" and function is not None:
                self._add(function, scope)

    def _add(self, node: Node, scope: WrittenScope) -> None:
        has_context = node.args.args or node.args.posonlyargs
        if has_context and id(node) not in self._seen:
            self._seen.add(id(node))
            self.found.append((self._place, Body(node, scope, self._lines)))

    def _register(self, kind: Kind, name: str, node: Node | None, scope: WrittenScope) -> None:
        if kind == "activity":
            made = None if node is None else function_in(node, scope, self._lines)
            if node is not None:
                self._names.add_function(node, self._place)
            known = self._names.activities.setdefault(name, made)
            if known is not None and (made is None or made.parameters != known.parameters):
                self._names.activities[name] = None  # two of one name
        elif kind == "orchestrator":
            self._names.orchestrators.add(name)
        else:
            self._names.entities.add(name.lower())
            self._entities.add(id(node))


def name_in(decorators: Iterable[ast.expr]) -> str | None:
    """The name that a decorator gives, or None."""
    return next((name for one in decorators if isinstance(one, ast.Call) and (name := name_given(one))), None)


def _function(node: ast.expr, scope: WrittenScope) -> Node | None:
    if isinstance(node, ast.Lambda):
        return node
    return scope.function(node.id) if isinstance(node, ast.Name) else None


def _takes_context(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = (*node.args.posonlyargs, *node.args.args)
    if not arguments or arguments[0].annotation is None:
        return False
    said = arguments[0].annotation
    name = getattr(said, "attr", getattr(said, "id", getattr(said, "value", "")))
    return str(name).rpartition(".")[2] == "DurableOrchestrationContext"


def evaluate(node: ast.expr, scope: Scope) -> Value:
    """What an expression is that stands outside of functions."""
    nothing = ast.arguments([], [], None, [], [], None, [])
    body = Body(ast.Lambda(nothing, node), scope, ())
    reader = Reader(body, lambda *_: None, None, depth=1, waits=False)
    reader.muted = 1
    return reader.value(node)
