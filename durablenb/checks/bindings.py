"""The names that a function binds, those that it takes from outside, and the attributes that it sets."""

from __future__ import annotations

import ast

from durablenb.checks.values import Node, own_nodes


class Bindings:
    """What a function binds.

    Parameters
    ----------
    node
        The function.
    """

    def __init__(self, node: Node) -> None:
        arguments = node.args
        self.positional = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
        others = [one.arg for one in (arguments.vararg, arguments.kwarg, *arguments.kwonlyargs) if one]
        self.locals = {*self.positional, *others}
        self.stored: set[str] = set()
        """Attributes that are set."""
        self.declared: set[str] = set()
        """Names that are said to be outside, by ``global`` or ``nonlocal``."""
        for one in own_nodes(node):
            self._see(one)
        self.locals -= self.declared
        defaults = zip(reversed(self.positional), reversed(arguments.defaults), strict=False)
        self.shared_defaults = {
            name: default for name, default in defaults if isinstance(default, ast.List | ast.Dict | ast.Set)
        }
        """Parameters whose default is a list, a dict or a set: the same one in every call."""

    def _see(self, node: ast.AST) -> None:
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
                self.locals.update(one.asname or one.name.split(".")[0] for one in node.names)
            case ast.Global() | ast.Nonlocal():
                self.declared.update(node.names)
