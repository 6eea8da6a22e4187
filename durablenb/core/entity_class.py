"""Entities that are classes: public methods are operations, attributes are the state."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

from durablenb.core.entity import DurableEntityContext
from durablenb.model.errors import FunctionNotFoundError

Entity = Callable[[DurableEntityContext], Any]

DELETE = "delete"
"""The operation that every entity which is a class has."""

CONTEXT = "context"
"""The parameter of a method that gets the `DurableEntityContext`."""

_GIVEN = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


class EntityClass:
    """An entity's function that lets the methods of a class do the operations.

    Parameters
    ----------
    kind
        A class that can be made without arguments: a plain one, a dataclass, a pydantic model.

    Raises
    ------
    TypeError
        If it has no operations, or one with more than one argument.

    Notes
    -----
    A method has one parameter for its input, or none. One that is called ``context`` gets the
    `DurableEntityContext`. Names of operations are found without case, too, as in .NET.
    """

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.__name__ = kind.__name__
        self.__doc__ = kind.__doc__
        self.operations = {name: Operation(method) for name, method in operations_of(kind)}
        if not self.operations:
            raise TypeError(f"{kind.__name__} has no public method: an entity's methods are its operations.")

    @property
    def is_async(self) -> bool:
        """Whether all of its operations are ``async def``."""
        return all(inspect.iscoroutinefunction(one.method) for one in self.operations.values())

    def __call__(self, context: DurableEntityContext) -> Any:
        """Does an operation."""
        operation = self.operation(context.operation_name)
        if operation is None:
            context.destruct_on_exit()
            return None
        entity = self._entity(context)
        context._hold(entity, fields_of)
        return operation.run(entity, context)

    def operation(self, name: str) -> Operation | None:
        """The operation of that name; None stands for the implied ``delete``.

        Raises
        ------
        FunctionNotFoundError
            If there is none.
        """
        found = self.operations.get(name)
        if found is None:
            found = next((one for each, one in self.operations.items() if each.lower() == name.lower()), None)
        if found is not None:
            return found
        if name.lower() == DELETE:
            return None
        known = sorted({*self.operations, DELETE})
        import difflib  # for messages alone

        close = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise FunctionNotFoundError(
            f"{self.kind.__name__} has no operation {name!r}.{meant} It has: {', '.join(known)}."
        )

    def _entity(self, context: DurableEntityContext) -> Any:
        state = context.get_state(expected_type=self.kind if _is_built(self.kind) else None)
        if state is not None and _is_built(self.kind):
            return state
        entity = self.kind()
        if state is not None:
            vars(entity).update(state)
        return entity


class Operation:
    """A method that is an operation.

    Parameters
    ----------
    method
        The function in the class.

    Raises
    ------
    TypeError
        If it wants more than an input and the context.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        parameters = list(inspect.signature(method).parameters.values())[1:]
        self._wants_context = any(one.name == CONTEXT for one in parameters)
        inputs = [one for one in parameters if one.name != CONTEXT and one.kind in _GIVEN]
        if len([one for one in inputs if one.default is one.empty]) > 1:
            names = ", ".join(one.name for one in inputs)
            raise TypeError(
                f"{method.__qualname__} takes {names}; an operation has one input. Give it a dict, a "
                "dataclass, or a list."
            )
        self._input = inputs[0] if inputs else None

    def run(self, entity: Any, context: DurableEntityContext) -> Any:
        """Calls the method with the operation's input."""
        named = {CONTEXT: context} if self._wants_context else {}
        if self._input is None:
            return self.method(entity, **named)
        value = context.get_input(_hint(self.method, self._input.name))
        if value is None and self._input.default is not self._input.empty:
            return self.method(entity, **named)
        if self._input.kind is self._input.POSITIONAL_ONLY:
            return self.method(entity, value, **named)
        return self.method(entity, **{self._input.name: value}, **named)


def operations_of(kind: type[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The public methods of a class and of those it is made from, but for a library's own."""
    seen: set[str] = set()
    for owner in kind.__mro__:
        if owner is object or owner.__module__.partition(".")[0] == "pydantic":
            continue
        for name, value in vars(owner).items():
            if not name.startswith("_") and name not in seen and inspect.isfunction(value):
                yield name, value
            seen.add(name)


def fields_of(entity: Any) -> dict[str, Any]:
    """The attributes of an entity's object: its state."""
    if dataclasses.is_dataclass(entity):
        return {one.name: getattr(entity, one.name) for one in dataclasses.fields(entity)}
    if _is_model(type(entity)):
        return dict(entity)
    return dict(vars(entity))


def _is_built(kind: type[Any]) -> bool:
    """Whether the codec makes its objects from their fields."""
    return dataclasses.is_dataclass(kind) or _is_model(kind)


def _is_model(kind: type[Any]) -> bool:
    return hasattr(kind, "model_validate") and hasattr(kind, "model_fields")


def _hint(method: Callable[..., Any], name: str) -> Any:
    try:
        return typing.get_type_hints(method).get(name)
    except Exception:  # a name that isn't there yet
        return None
