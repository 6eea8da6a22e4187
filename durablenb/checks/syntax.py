"""Facts from a function's syntax tree alone: the names that it binds, its parameters, its yields."""

from __future__ import annotations

import ast
from inspect import Parameter, Signature
from typing import Any

from durablenb.checks.abstract_values import Node
from durablenb.core.activity_context import ActivityContext


class Bindings:
    """Collects the names that a function binds, and the attributes that it sets.

    Parameters
    ----------
    node
        The function.
    """

    def __init__(self, node: Node) -> None:
        arguments = node.args
        self.positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
        optional = (arguments.vararg, arguments.kwarg, *arguments.kwonlyargs)
        others = [argument.arg for argument in optional if argument]
        self.locals = {*self.positional, *others}
        self.stored: set[str] = set()
        """Attributes that are set."""
        self.declared: set[str] = set()
        """Names that ``global`` or ``nonlocal`` declares."""
        for child in own_nodes(node):
            self._add(child)
        self.locals -= self.declared
        defaults = zip(reversed(self.positional), reversed(arguments.defaults), strict=False)
        self.shared_defaults = {
            name: default for name, default in defaults if isinstance(default, ast.List | ast.Dict | ast.Set)
        }
        """Parameters whose default is a list, a dict or a set, which all calls share."""

    def _add(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                self.locals.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                self.stored.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self.locals.add(name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                self.locals.add(name)
            case ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                self.locals.add(name)
            case ast.Import() | ast.ImportFrom():
                self.locals.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
            case ast.Global() | ast.Nonlocal():
                self.declared.update(node.names)


def read_signature(node: Node) -> Signature:
    """Return a function's signature, without a parameter for an activity's context."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    by_position = len(arguments.posonlyargs)
    first_default = len(positional) - len(arguments.defaults)
    parameters = [
        _parameter(
            argument,
            Parameter.POSITIONAL_ONLY if place < by_position else Parameter.POSITIONAL_OR_KEYWORD,
            has_default=place >= first_default,
        )
        for place, argument in enumerate(positional)
        if not _is_context(argument)
    ]
    if arguments.vararg is not None:
        parameters.append(_parameter(arguments.vararg, Parameter.VAR_POSITIONAL))
    parameters += [
        _parameter(argument, Parameter.KEYWORD_ONLY, has_default=default is not None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if not _is_context(argument)
    ]
    if arguments.kwarg is not None:
        parameters.append(_parameter(arguments.kwarg, Parameter.VAR_KEYWORD))
    return Signature(parameters)


def _parameter(argument: ast.arg, kind: Any, *, has_default: bool = False) -> Parameter:
    return Parameter(argument.arg, kind, default=None if has_default else Parameter.empty)


def _is_context(parameter: ast.arg) -> bool:
    if parameter.annotation is None:
        return False
    names = (
        getattr(part, "id", None) or getattr(part, "attr", None) or getattr(part, "value", None)
        for part in ast.walk(parameter.annotation)
    )
    return any(
        isinstance(name, str) and name.rpartition(".")[2] == ActivityContext.__name__ for name in names
    )


def own_nodes(node: Node) -> list[ast.AST]:
    """Return all nodes of a function's body, without those of functions and classes inside it."""
    nodes: list[ast.AST] = []
    pending: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    while pending:
        child = pending.pop()
        nodes.append(child)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            pending.extend(ast.iter_child_nodes(child))
    return nodes


def is_generator(node: Node) -> bool:
    """Tell whether a function has a ``yield`` of its own."""
    return any(isinstance(child, ast.Yield | ast.YieldFrom) for child in own_nodes(node))
