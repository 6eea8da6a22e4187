"""Immutable plain data: the methods that dataclasses generate for each class, written once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


class Plain:
    """Equality, hash and text by the fields, for classes decorated with `plain`."""

    __slots__ = ()
    __match_args__: tuple[str, ...]

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        pairs = zip(self.__match_args__, self._values(), strict=True)
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def plain(cls: type[T]) -> type[T]:
    """Make a subclass of `Plain` a dataclass with slots, which type checkers treat as frozen.

    Notes
    -----
    Type checkers reject changes; at run time they aren't checked. Defining a frozen dataclass takes twice as
    long, and up to Python 3.12 a dataclass compiles each of its methods separately: for the events alone,
    that was a third of the time for importing everything else.
    """
    return dataclass(slots=True, eq=False, repr=False)(cls)
