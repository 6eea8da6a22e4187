"""Several arguments of one call of an activity, which the journal keeps as one input."""

from __future__ import annotations

import types
import typing
from typing import Any

TAG = "arguments"
"""The tag of several arguments in the journal."""

_PREFIX = f'{{"@type": "{TAG}"'


class Arguments:
    """The arguments of a call of an activity that has more than one.

    Parameters
    ----------
    positional, named
        The values by position and by name.
    """

    __slots__ = ("named", "positional")

    def __init__(self, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
        self.positional = positional
        self.named = named

    def __repr__(self) -> str:
        positional = [repr(value) for value in self.positional]
        return f"({', '.join([*positional, *(f'{name}={value!r}' for name, value in self.named.items())])})"


class ArgumentTypes(typing.NamedTuple):
    """The annotations of a function's parameters, by position and by name."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


class _NoInput:
    """The default of an input, which may be None itself."""

    def __repr__(self) -> str:
        return "None"


NO_INPUT: Any = _NoInput()
"""The value of a missing input: None, unless there are other arguments."""


def are_arguments(text: object) -> bool:
    """Tell whether an input's text has several arguments; an entity's batch of operations is no text."""
    return isinstance(text, str) and text.startswith(_PREFIX)


def input_and_type(
    input_: Any, expected_type: Any, more: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, Any]:
    """Return a call's input, of all its arguments, and the type of its result.

    The argument after the input is the expected type if it is a type, an annotation or None, and if no other
    argument follows by position.
    """
    if more or (expected_type is not None and not is_annotation(expected_type)):
        more, expected_type = (expected_type, *more), None
    if not more and not named:
        return None if input_ is NO_INPUT else input_, expected_type
    first = () if input_ is NO_INPUT else (input_,)
    return Arguments((*first, *more), named), expected_type


def is_annotation(value: Any) -> bool:
    """Tell whether a value is None, a class or an annotation such as ``list[Order]``."""
    if value is None or value is Any or isinstance(value, (type, types.GenericAlias, types.UnionType)):
        return True
    return typing.get_origin(value) is not None or type(value).__module__ == "typing"
