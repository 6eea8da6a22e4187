"""A function, statement by statement, along every way through it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from durablenb.checks import state, waiting
from durablenb.checks.bindings import Bindings
from durablenb.checks.expressions import Sink
from durablenb.checks.flow import Flow
from durablenb.checks.names import Names
from durablenb.checks.unread import Unread
from durablenb.checks.values import Body, Data, Function, Named, SetOf, Value, arity, is_generator

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Reader(Flow):
    """One function, read.

    Parameters
    ----------
    body, sink, names, depth
        As for `Expressions`.
    given
        What its arguments are, by position.
    waits
        Whether what it yields or awaits is what an orchestration waits for.
    outer
        The function around it, if it stands in one that is read.
    """

    def __init__(
        self,
        body: Body,
        sink: Sink,
        names: Names | None,
        *,
        depth: int = 0,
        given: Sequence[Value] = (),
        waits: bool = True,
        outer: Reader | None = None,
    ) -> None:
        super().__init__(body, sink, names, depth)
        self.waits = waits
        self.outer = outer
        self.nested: list[Body] = []
        bound = Bindings(body.node)
        self.locals, self.stored, self.declared = bound.locals, bound.stored, bound.declared
        self.known.update(zip(bound.positional, given, strict=False))
        for name, default in bound.shared_defaults.items():
            if name not in self.known:
                self.known[name] = self.value(default)
                self.defaults.add(name)
        self.unread = Unread(body.node)

    def lookup(self, name: str) -> Value:
        """What a name is for a function inside this one."""
        return self.known.get(name) if name in self.locals else self.body.scope.lookup(name)

    @property
    def is_azures(self) -> bool:
        """Whether the module imports ``azure.durable_functions``, as far as its names show."""
        return self.body.scope.is_azures

    def is_shared(self, name: str) -> bool:
        """Whether the name stands for something outside the orchestrator."""
        return super().is_shared(name) and (self.outer is None or self.outer.is_shared(name))

    def read(self) -> None:
        """Reads all of it."""
        node = self.body.node
        if isinstance(node, ast.Lambda):
            self.value(node.body)
            return
        self.block(node.body)
        self.unread.tell(self)
        for inner in self.nested:
            reader = Reader(inner, self._sink, self.names, depth=self.depth, waits=False, outer=self)
            reader.spared = self.spared
            reader.read()

    def read_helper(self, body: Body, sink: Sink, given: Sequence[Value], *, waits: bool) -> None:
        """Reads a function that is called here."""
        Reader(body, sink, self.names, depth=self.depth + 1, given=given, waits=waits).read()

    def waited(self, node: ast.Yield | ast.Await, value: Value) -> None:
        """The function waits for something."""
        if self.waits:
            waiting.check_waited(self, node, value)

    # -- statements ------------------------------------------------------------------------------

    def _Expr(self, node: ast.Expr) -> None:
        value = self.value(node.value)
        waiting.check_statement(self, node, value)

    def _Assign(self, node: ast.Assign) -> None:
        names = {one.id for one in node.targets if isinstance(one, ast.Name)}
        value = self.value(node.value, is_orderless=bool(names & self.unread.sorted))
        for target in node.targets:
            self.bind(target, value, node.value)

    def _AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value), node.value)

    def _AugAssign(self, node: ast.AugAssign) -> None:
        value = self.value(node.value)
        if isinstance(node.target, ast.Name):
            self._check_declared(node.target)
            if node.target.id in self.defaults:
                self.report("DNB302", node, f"{node.target.id} is changed, and is the same in every call.")
            known = self.known.get(node.target.id)
            is_kept = isinstance(known, SetOf) or (isinstance(known, Data) and known.kind in ("list", "int"))
            self.known[node.target.id] = known if is_kept else None
            if isinstance(known, Data) and known.kind.startswith("list"):
                self.went_through(node.value, value)
        else:
            self.bind(node.target, None, node.value)

    def bind(self, target: ast.expr, value: Value, source: ast.expr) -> None:
        """Gives a name, an item or an attribute a value."""
        match target:
            case ast.Name():
                self._check_declared(target)
                self.known[target.id] = value
                self.defaults.discard(target.id)
                self.unread.assigned(self, target.id, value, source)
            case ast.Tuple() | ast.List():
                self.went_through(source, value)
                parts = source.elts if isinstance(source, ast.Tuple) else []
                is_same = len(parts) == len(target.elts) and not any(
                    isinstance(one, ast.Starred) for one in (*parts, *target.elts)
                )
                for at, one in enumerate(target.elts):
                    part: Value = None
                    if is_same:
                        self.muted += 1
                        part = self.value(parts[at])
                        self.muted -= 1
                    self.bind(one, part, parts[at] if is_same else source)
            case ast.Starred():
                self.bind(target.value, Data("list"), source)
            case ast.Attribute() | ast.Subscript():
                self._other(target)
                state.check_target(self, target)

    def _check_declared(self, target: ast.Name) -> None:
        if target.id in self.declared and self.is_shared(target.id):
            self.report("DNB301", target, f"{target.id} is set, which is a variable outside.")

    def _Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._check_declared(target)
            else:
                self.bind(target, None, target)

    # -- what is defined inside ------------------------------------------------------------------

    def _FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.value(default)
        is_async = isinstance(node, ast.AsyncFunctionDef)
        makes = is_generator(node) and not is_async
        self.known[node.name] = Function(
            node.name, _nothing, None, None, arity(node), is_generator=makes, is_async=is_async
        )
        if not self.muted:
            self.nested.append(Body(node, self, self.body.lines, self.body.shift))

    _AsyncFunctionDef = _FunctionDef

    def _ClassDef(self, node: ast.ClassDef) -> None:
        self.known[node.name] = None

    def _Import(self, node: ast.Import) -> None:
        for one in node.names:
            path = one.name if one.asname else one.name.split(".")[0]
            self.known[one.asname or path] = Named(path, sys.modules.get(path))

    def _ImportFrom(self, node: ast.ImportFrom) -> None:
        from durablenb.checks.live import member_of

        module = "." * node.level + (node.module or "")
        owner = Named(module, sys.modules.get(module))
        for one in node.names:
            self.known[one.asname or one.name] = member_of(owner, one.name)


def _nothing() -> None:
    return None
