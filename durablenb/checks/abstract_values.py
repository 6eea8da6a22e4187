"""Abstract values: the checker's knowledge of an expression's value, such as its full name or its class."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import Signature
from typing import Any, Literal, Protocol

Kind = Literal["activity", "orchestrator", "entity"]


class Scope(Protocol):
    """Resolves the free names of a function."""

    def lookup(self, name: str) -> Value:
        """Return the value of a name, or None if it is unknown."""
        ...

    @property
    def imports_azure(self) -> bool:
        """True if the module imports ``azure.durable_functions``, as far as its names show."""
        ...


class OwnNames(Protocol):
    """The names of a module."""

    def own(self, name: str) -> Value:
        """Return the value of a name of the module, or None if it has none or it is unknown."""
        ...


@dataclass(frozen=True)
class NamedObject:
    """A module, a class or a function, by its full name; `scope` has the names of a project's own module."""

    path: str
    object: Any = field(default=None, compare=False, repr=False)
    scope: OwnNames | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class InstanceValue:
    """An object of a class, by the class's full name."""

    path: str


@dataclass(frozen=True)
class ContextValue:
    """The orchestrator's context."""


@dataclass(frozen=True)
class ContextMember:
    """A method or a property of the context."""

    name: str


@dataclass(frozen=True)
class TaskValue:
    """A task, with the context's method that made it, and its result if that matters."""

    made_by: str
    result: Value = None


@dataclass(frozen=True)
class EventData:
    """The data of an external event that was awaited without an ``expected_type``."""


@dataclass(frozen=True)
class EntityProxyValue:
    """The result of ``context.entity(...)``."""


@dataclass(frozen=True)
class PlainData:
    """A value that is certainly no task: a number, a text, a list.

    Parameters
    ----------
    kind
        The name of its class.
    text
        The text, if the value is one and is known.
    """

    kind: str
    text: str | None = None


@dataclass(frozen=True)
class SetValue:
    """A set; one of numbers alone is stable: it has the same order in every process."""

    is_stable: bool = False
    is_frozen: bool = False


@dataclass(frozen=True)
class LiveIterator:
    """An iterator, which is used up by reading."""


@dataclass(frozen=True)
class Unstarted:
    """The generator or coroutine that a call returned; none of its code has run yet."""

    function: Function


@dataclass(frozen=True)
class ActivityResult:
    """The result of calling an activity's function directly, with the activity's name; it is no task."""

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
        Resolves its free names.
    lines
        The source lines to which the tree's line numbers refer, from 1.
    shift
        The difference between the line number in the file or cell and that in the tree.
    file
        The file that the code was compiled from, if it was.
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
        Returns its source, or None if that isn't available.
    kind, durable_name
        The kind and the name of its registration.
    parameters
        Its parameters, without those for an activity's context; None if they are unknown.
    """

    name: str
    load: Callable[[], Body | None] = field(repr=False)
    kind: Kind | None = None
    durable_name: str | None = None
    parameters: Signature | None = None
    is_generator: bool = False
    is_async: bool = False

    @property
    def called(self) -> str:
        """The name for calls through the context."""
        return self.durable_name or self.name


Value = (
    NamedObject
    | InstanceValue
    | ContextValue
    | ContextMember
    | TaskValue
    | EventData
    | EntityProxyValue
    | PlainData
    | SetValue
    | LiveIterator
    | Unstarted
    | ActivityResult
    | Function
    | None
)


AZURES = "azure.durable_functions"


def merged(first: dict[str, Value], second: dict[str, Value]) -> dict[str, Value]:
    """Return the values of names after either of two branches: unknown where the branches disagree."""
    return {
        name: value if name not in first or name not in second or first[name] == second[name] else None
        for name, value in (first | second).items()
    }


def is_within(package: str, path: str) -> bool:
    """Tell whether a full name is that of a package, or of something in it."""
    return path == package or path.startswith(f"{package}.")


def with_article(kind: str) -> str:
    """Return a class's name with its article."""
    return kind if kind == "None" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
