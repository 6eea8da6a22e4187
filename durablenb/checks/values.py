"""What the checker knows of a value: its full name, its class, or what the context gives."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["activity", "orchestrator", "entity"]


class Scope(Protocol):
    """Where a function's free names are looked up."""

    def lookup(self, name: str) -> Value:
        """What the name stands for; None if that isn't known."""
        ...

    @property
    def is_azures(self) -> bool:
        """Whether the module imports ``azure.durable_functions``, as far as its names show."""
        ...


@dataclass(frozen=True)
class Named:
    """A module, a class or a function, by its full name."""

    path: str
    object: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Instance:
    """An object of a class, by the class's full name."""

    path: str


@dataclass(frozen=True)
class Context:
    """The orchestrator's context."""


@dataclass(frozen=True)
class Member:
    """A method or a property of the context."""

    name: str


@dataclass(frozen=True)
class Task:
    """A task: which method of the context made it, and what it gives, if that matters."""

    made_by: str
    gives: Value = None


@dataclass(frozen=True)
class Arrived:
    """The data of an external event, of a type that wasn't asked for."""


@dataclass(frozen=True)
class Proxy:
    """What ``context.entity(...)`` gives."""


@dataclass(frozen=True)
class Data:
    """What is certainly no task: a number, a text, a list.

    Parameters
    ----------
    kind
        Its class's name.
    text
        The text itself, if it is one and known.
    """

    kind: str
    text: str | None = None


@dataclass(frozen=True)
class SetOf:
    """A set; of numbers alone, its order is the same everywhere."""

    is_stable: bool = False
    is_frozen: bool = False


@dataclass(frozen=True)
class Drawn:
    """An iterator that is used up as it is read."""


@dataclass(frozen=True)
class Made:
    """What a call of a generator function or of an ``async def`` gives; nothing has run yet."""

    function: Function


@dataclass(frozen=True)
class Given:
    """What a call of an activity's own function gives, here by its name: its result, not a task."""

    name: str


Node = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Body:
    """A function's source.

    Parameters
    ----------
    node
        Its syntax tree.
    scope
        Where its free names are looked up.
    lines
        The lines in which the tree counts, the first one being number 1.
    shift
        What is added to a line of the tree to get that of the file or the cell.
    file
        Where the code was compiled from, if it was.
    """

    node: Node
    scope: Scope = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)
    shift: int = 0
    file: str = ""


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the user's.

    Parameters
    ----------
    name
        Its own name.
    load
        Gives its source; None where that isn't at hand.
    kind, durable_name
        As what it is registered, and by which name.
    parameters
        How many arguments it has to get, and how many it can get, by position; None if that isn't known.
    """

    name: str
    load: Callable[[], Body | None] = field(repr=False)
    kind: Kind | None = None
    durable_name: str | None = None
    parameters: tuple[int, int] | None = None
    is_generator: bool = False
    is_async: bool = False

    @property
    def called(self) -> str:
        """The name by which it is called through the context."""
        return self.durable_name or self.name


Value = (
    Named
    | Instance
    | Context
    | Member
    | Task
    | Arrived
    | Proxy
    | Data
    | SetOf
    | Drawn
    | Made
    | Given
    | Function
    | None
)


AZURES = "azure.durable_functions"


def merged(one: dict[str, Value], other: dict[str, Value]) -> dict[str, Value]:
    """What is known after two ways through the code: that on which both agree."""
    both = one | other
    return {
        name: value if name not in one or name not in other or one[name] == other[name] else None
        for name, value in both.items()
    }


def arity(node: Node) -> tuple[int, int]:
    """How many arguments a function has to get, and how many it can get, by position."""
    arguments = node.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    needed = positional - len(arguments.defaults)
    return needed, 1_000 if arguments.vararg else positional


def is_of(package: str, path: str) -> bool:
    """Whether a full name is that of a package, or of something in it."""
    return path == package or path.startswith(f"{package}.")


def own_nodes(node: Node) -> list[ast.AST]:
    """All nodes of a function's body, but for those of functions and classes inside it."""
    found: list[ast.AST] = []
    waiting: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
    while waiting:
        one = waiting.pop()
        found.append(one)
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(one))
    return found


def is_generator(node: Node) -> bool:
    """Whether the function has a ``yield`` of its own."""
    return any(isinstance(one, ast.Yield | ast.YieldFrom) for one in own_nodes(node))


def a(kind: str) -> str:
    """A class's name with its article."""
    return kind if kind == "None" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
