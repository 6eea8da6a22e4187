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
"""The operation that every entity class has."""

CONTEXT = "context"
"""The parameter of a method that receives the `DurableEntityContext`."""

_INPUTS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)


class EntityClass:
    """An entity's function whose operations are the methods of a class.

    Parameters
    ----------
    kind
        A class that can be created without arguments: a plain one, a dataclass, a pydantic model.

    Raises
    ------
    TypeError
        If the class has no operations, or one with more than one argument.

    Notes
    -----
    A method has one parameter for its input, or none. A parameter ``context`` receives the
    `DurableEntityContext`. Names of operations are compared without case, as in .NET.
    """

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        self.__name__ = kind.__name__
        self.__doc__ = kind.__doc__
        self.operations = {name: EntityMethod(method) for name, method in public_methods(kind)}
        if not self.operations:
            raise TypeError(f"{kind.__name__} has no public method: an entity's methods are its operations.")

    @property
    def is_async(self) -> bool:
        """True if all operations are ``async def``."""
        return all(inspect.iscoroutinefunction(operation.method) for operation in self.operations.values())

    def __call__(self, context: DurableEntityContext) -> Any:
        """Run the context's operation."""
        operation = self.operation(context.operation_name)
        if operation is None:
            context.destruct_on_exit()
            return None
        entity = self._entity(context)
        context._hold(entity, state_fields)
        return operation.run(entity, context)

    def operation(self, name: str) -> EntityMethod | None:
        """Return the operation of a name, or None for the implied ``delete``.

        Raises
        ------
        FunctionNotFoundError
            If there is no such operation.
        """
        operation = self.operations.get(name)
        if operation is None:
            same_name = (key for key in self.operations if key.lower() == name.lower())
            operation = self.operations.get(next(same_name, ""))
        if operation is not None:
            return operation
        if name.lower() == DELETE:
            return None
        known = sorted({*self.operations, DELETE})
        import difflib  # needed for messages only

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


class EntityMethod:
    """A method that is an operation.

    Parameters
    ----------
    method
        The function in the class.

    Raises
    ------
    TypeError
        If the method has more parameters than an input and the context.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        parameters = list(inspect.signature(method).parameters.values())[1:]
        self._wants_context = any(parameter.name == CONTEXT for parameter in parameters)
        inputs = [
            parameter for parameter in parameters if parameter.name != CONTEXT and parameter.kind in _INPUTS
        ]
        if len([parameter for parameter in inputs if parameter.default is parameter.empty]) > 1:
            names = ", ".join(parameter.name for parameter in inputs)
            raise TypeError(
                f"{method.__qualname__} takes {names}; an operation has one input. Give it a dict, a "
                "dataclass, or a list."
            )
        self._input = inputs[0] if inputs else None

    def run(self, entity: Any, context: DurableEntityContext) -> Any:
        """Call the method with the operation's input."""
        named = {CONTEXT: context} if self._wants_context else {}
        if self._input is None:
            return self.method(entity, **named)
        value = context.get_input(_hint(self.method, self._input.name))
        if value is None and self._input.default is not self._input.empty:
            return self.method(entity, **named)
        if self._input.kind is self._input.POSITIONAL_ONLY:
            return self.method(entity, value, **named)
        return self.method(entity, **{self._input.name: value}, **named)


def public_methods(kind: type[Any]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the public methods of a class and of its bases, without those of libraries."""
    seen: set[str] = set()
    for owner in kind.__mro__:
        if owner is object or owner.__module__.partition(".")[0] == "pydantic":
            continue
        for name, value in vars(owner).items():
            if not name.startswith("_") and name not in seen and inspect.isfunction(value):
                yield name, value
            seen.add(name)


def state_fields(entity: Any) -> dict[str, Any]:
    """Return the attributes of an entity's object, which are its state."""
    if dataclasses.is_dataclass(entity):
        return {field.name: getattr(entity, field.name) for field in dataclasses.fields(entity)}
    if _is_model(type(entity)):
        return dict(entity)
    return dict(vars(entity))


def _is_built(kind: type[Any]) -> bool:
    """Tell whether the codec creates objects of a class from their fields."""
    return dataclasses.is_dataclass(kind) or _is_model(kind)


def _is_model(kind: type[Any]) -> bool:
    return hasattr(kind, "model_validate") and hasattr(kind, "model_fields")


def _hint(method: Callable[..., Any], name: str) -> Any:
    try:
        return typing.get_type_hints(method).get(name)
    except Exception:  # a name in an annotation isn't defined yet
        return None
