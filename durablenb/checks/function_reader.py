"""Reads a whole function, statement by statement, along every path."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence

from durablenb.checks import outside_state, tasks
from durablenb.checks.abstract_values import Body, Function, NamedObject, PlainData, SetValue, Value
from durablenb.checks.control_flow import ControlFlow
from durablenb.checks.expressions import Sink
from durablenb.checks.registered_names import RegisteredNames
from durablenb.checks.syntax import Bindings, is_generator, read_signature
from durablenb.checks.tasks import UnreadTasks

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class FunctionReader(ControlFlow):
    """Reads one function, with the functions inside it.

    Parameters
    ----------
    body, sink, names, depth
        As for `Expressions`.
    arguments
        The values of its positional arguments.
    waits
        True if its yields and awaits are the orchestration's.
    outer
        The reader of the enclosing function, if there is one.
    has_loop
        Whether the orchestrator has an event loop; None if the function is the orchestrator.
    """

    def __init__(
        self,
        body: Body,
        sink: Sink,
        names: RegisteredNames | None,
        *,
        depth: int = 0,
        arguments: Sequence[Value] = (),
        waits: bool = True,
        outer: FunctionReader | None = None,
        has_loop: bool | None = None,
    ) -> None:
        super().__init__(body, sink, names, depth)
        if has_loop is not None:
            self.has_loop = has_loop
        self.waits = waits
        self.outer = outer
        self.nested: list[Body] = []
        bindings = Bindings(body.node)
        self.locals, self.stored, self.declared = bindings.locals, bindings.stored, bindings.declared
        self.known.update(zip(bindings.positional, arguments, strict=False))
        for name, default in bindings.shared_defaults.items():
            if name not in self.known:
                self.known[name] = self.value(default)
                self.defaults.add(name)
        self.unread = UnreadTasks(body.node)

    def lookup(self, name: str) -> Value:
        """Return the value of a name for a function inside this one."""
        return self.known.get(name) if name in self.locals else self.body.scope.lookup(name)

    @property
    def imports_azure(self) -> bool:
        """True if the module imports ``azure.durable_functions``, as far as its names show."""
        return self.body.scope.imports_azure

    def is_shared(self, name: str) -> bool:
        """Return whether a name refers to an object outside the orchestrator."""
        return super().is_shared(name) and (self.outer is None or self.outer.is_shared(name))

    def read(self) -> None:
        """Read the function, and report its findings."""
        node = self.body.node
        if isinstance(node, ast.Lambda):
            self.value(node.body)
            return
        self.block(node.body)
        self.unread.report(self)
        for inner in self.nested:
            reader = FunctionReader(
                inner,
                self._sink,
                self.names,
                depth=self.depth,
                waits=False,
                outer=self,
                has_loop=self.has_loop,
            )
            reader.spared = self.spared
            reader.read()

    def read_helper(self, body: Body, sink: Sink, arguments: Sequence[Value], *, waits: bool) -> None:
        """Read a function that is called here."""
        FunctionReader(
            body,
            sink,
            self.names,
            depth=self.depth + 1,
            arguments=arguments,
            waits=waits,
            has_loop=self.has_loop,
        ).read()

    def check_awaited(self, node: ast.Yield | ast.Await, value: Value) -> None:
        """Check the value of a ``yield`` or an ``await``, if it is the orchestration's."""
        if self.waits:
            tasks.check_awaited(self, node, value)

    # -- statements ------------------------------------------------------------------------------

    def _Expr(self, node: ast.Expr) -> None:
        value = self.value(node.value)
        tasks.check_statement(self, node, value)

    def _Assign(self, node: ast.Assign) -> None:
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
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
                text = f"{node.target.id} is changed, and all calls share its default value."
                self.report("DNB302", node, text)
            known = self.known.get(node.target.id)
            is_kept = isinstance(known, SetValue) or (
                isinstance(known, PlainData) and known.kind in ("list", "int")
            )
            self.known[node.target.id] = known if is_kept else None
            if isinstance(known, PlainData) and known.kind.startswith("list"):
                self.check_iteration(node.value, value)
        else:
            self.bind(node.target, None, node.value)

    def bind(self, target: ast.expr, value: Value, source: ast.expr) -> None:
        """Bind a name, an item or an attribute to a value."""
        match target:
            case ast.Name():
                self._check_declared(target)
                self.known[target.id] = value
                self.defaults.discard(target.id)
                self.unread.note_assignment(self, target.id, value, source)
            case ast.Tuple() | ast.List():
                self.check_iteration(source, value)
                parts = source.elts if isinstance(source, ast.Tuple) else []
                is_paired = len(parts) == len(target.elts) and not any(
                    isinstance(item, ast.Starred) for item in (*parts, *target.elts)
                )
                for number, item in enumerate(target.elts):
                    part: Value = None
                    if is_paired:
                        self.muted += 1
                        part = self.value(parts[number])
                        self.muted -= 1
                    self.bind(item, part, parts[number] if is_paired else source)
            case ast.Starred():
                self.bind(target.value, PlainData("list"), source)
            case ast.Attribute() | ast.Subscript():
                self._other(target)
                outside_state.check_target(self, target)

    def _check_declared(self, target: ast.Name) -> None:
        if target.id in self.declared and self.is_shared(target.id):
            self.report("DNB301", target, f"{target.id} is set, a variable outside the orchestrator.")

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
        self.known[node.name] = Function(
            node.name,
            _no_body,
            parameters=read_signature(node),
            is_generator=is_generator(node) and not is_async,
            is_async=is_async,
        )
        if not self.muted:
            self.nested.append(Body(node, self, self.body.lines, self.body.shift))

    _AsyncFunctionDef = _FunctionDef

    def _ClassDef(self, node: ast.ClassDef) -> None:
        self.known[node.name] = None

    def _Import(self, node: ast.Import) -> None:
        for alias in node.names:
            path = alias.name if alias.asname else alias.name.split(".")[0]
            self.known[alias.asname or path] = NamedObject(path, sys.modules.get(path))

    def _ImportFrom(self, node: ast.ImportFrom) -> None:
        from durablenb.checks.live_scope import attribute_value

        module = "." * node.level + (node.module or "")
        owner = NamedObject(module, sys.modules.get(module))
        for alias in node.names:
            self.known[alias.asname or alias.name] = attribute_value(owner, alias.name)


def _no_body() -> None:

    return None
