"""Finds the orchestrators in source texts, and the names that the texts register."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from durablenb.checks.abstract_values import Body, Kind, Node, Scope, Value
from durablenb.checks.function_reader import FunctionReader
from durablenb.checks.registered_names import RegisteredNames
from durablenb.checks.source_scope import SourceScope, given_name, registration, source_function
from durablenb.model.source import code_lines

_ADDING: dict[str, Kind] = {
    "add_activity": "activity",
    "add_entity": "entity",
    "add_orchestrator": "orchestrator",
}

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class OrchestratorFinder:
    """Finds the orchestrators of a file or a notebook.

    Parameters
    ----------
    texts
        Texts that share their names, each with its path.
    names
        Receives the names that the texts register.
    imported
        Returns the value of a name that the texts import from another file of the project, or None.

    Raises
    ------
    SyntaxError
        If a text isn't Python.
    """

    def __init__(
        self,
        texts: Iterable[tuple[str, str]],
        names: RegisteredNames,
        imported: Callable[[str], Value] | None = None,
    ) -> None:
        self.orchestrators: list[tuple[str, Body]] = []
        self._names = names
        self._seen: set[int] = set()
        self._entities: set[int] = set()
        scope = SourceScope((), None, evaluate, imported)
        trees = []
        for path, text in texts:
            tree = ast.parse(text, filename=path)
            scope.lines = tuple(code_lines(text))
            scope.read(tree.body)
            trees.append((path, scope.lines, tree))
        for self._path, self._lines, tree in trees:
            self._walk(tree, scope)
        self.orchestrators = [
            (path, body) for path, body in self.orchestrators if id(body.node) not in self._entities
        ]

    def _walk(self, node: ast.AST, scope: SourceScope) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _FUNCTIONS):
                for decorator in child.decorator_list:
                    self._walk(decorator, scope)
                self._read_definition(child, scope)
                self._walk(child, self._inner_scope(child, scope))
            elif isinstance(child, ast.ClassDef):
                if any("entity" in ast.dump(decorator) for decorator in child.decorator_list):
                    self._register("entity", decorated_name(child.decorator_list) or child.name, None, scope)
                self._walk(child, scope)
            else:
                if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute):
                    self._read_call(child, child.func, scope)
                self._walk(child, scope)

    def _inner_scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef, parent: Scope) -> SourceScope:
        scope = SourceScope(self._lines, parent, evaluate)
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            scope.bind(argument.arg, None)
        scope.read(node.body)
        return scope

    def _read_definition(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: SourceScope) -> None:
        kind, name = registration(node)
        if kind is not None:
            self._register(kind, name or node.name, node, scope)
        if kind == "orchestrator" or (kind is None and _takes_context(node)):
            self._add(node, scope)

    def _read_call(self, node: ast.Call, target: ast.Attribute, scope: SourceScope) -> None:
        """Recognize ``Orchestrator.create(f)``, ``Entity.create(f)``, and calls that register."""
        function = _function(node.args[0], scope) if node.args else None
        if target.attr == "create":
            class_name = getattr(target.value, "attr", getattr(target.value, "id", ""))
            if class_name == "Orchestrator" and function is not None:
                self._add(function, scope)
            elif class_name == "Entity":
                self._entities.add(id(function))
        elif target.attr in _ADDING:
            kind = _ADDING[target.attr]
            second = node.args[1] if len(node.args) > 1 else None
            name = second.value if isinstance(second, ast.Constant) else given_name(node)
            name = name or getattr(function, "name", None)
            if isinstance(name, str):
                self._register(kind, name, function, scope)
            if kind == "orchestrator" and function is not None:
                self._add(function, scope)

    def _add(self, node: Node, scope: SourceScope) -> None:
        has_context = node.args.args or node.args.posonlyargs
        if has_context and not _is_foreign(node, scope) and id(node) not in self._seen:
            self._seen.add(id(node))
            self.orchestrators.append((self._path, Body(node, scope, self._lines)))

    def _register(self, kind: Kind, name: str, node: Node | None, scope: SourceScope) -> None:
        if kind == "activity":
            function = None if node is None else source_function(node, scope, self._lines)
            if node is not None:
                self._names.add_function(node, self._lines, self._path)
            known = self._names.activities.setdefault(name, function)
            if known is not None and (function is None or function.parameters != known.parameters):
                self._names.activities[name] = None  # two of one name
        elif kind == "orchestrator":
            self._names.orchestrators.add(name)
        else:
            self._names.entities.add(name.lower())
            self._entities.add(id(node))


def decorated_name(decorators: Iterable[ast.expr]) -> str | None:
    """Return the first name that a decorator gives, or None."""
    names = (given_name(decorator) for decorator in decorators if isinstance(decorator, ast.Call))
    return next(filter(None, names), None)


def _function(node: ast.expr, scope: SourceScope) -> Node | None:
    if isinstance(node, ast.Lambda):
        return node
    return scope.function(node.id) if isinstance(node, ast.Name) else None


def _is_foreign(node: Node, scope: SourceScope) -> bool:
    """Tell whether a function is an orchestrator of ``durabletask``, whose context has other methods."""
    if not scope.imports("durabletask"):
        return False
    first = (*node.args.posonlyargs, *node.args.args)[0]
    if first.annotation is None:
        return not (scope.imports_azure or scope.imports("durablenb"))
    return "DurableOrchestrationContext" not in ast.dump(first.annotation)


def _takes_context(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = (*node.args.posonlyargs, *node.args.args)
    if not arguments or arguments[0].annotation is None:
        return False
    annotation = arguments[0].annotation
    name = getattr(annotation, "attr", getattr(annotation, "id", getattr(annotation, "value", "")))
    return str(name).rpartition(".")[2] == "DurableOrchestrationContext"


def evaluate(node: ast.expr, scope: Scope) -> Value:
    """Return the value of an expression outside of functions."""
    no_arguments = ast.arguments([], [], None, [], [], None, [])
    body = Body(ast.Lambda(no_arguments, node), scope, ())

    reader = FunctionReader(body, lambda *_: None, None, depth=1, waits=False)
    reader.muted = 1
    return reader.value(node)
