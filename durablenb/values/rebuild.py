"""Rebuilds plain JSON to an annotation: ``list[Order]``, ``dict[str, Order]``, ``Order | None``.

Rebuilding is lenient: a part that doesn't fit its annotation stays plain, unless the annotation is a class of
the user's.
"""

from __future__ import annotations

import collections.abc
import itertools
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from durablenb.model.arguments import Arguments, ArgumentTypes
from durablenb.values.azure_envelopes import describe_envelope, envelope_data, is_envelope, names_class
from durablenb.values.user_classes import (
    DATACLASS,
    JSON_METHODS,
    NAMED_TUPLE,
    PYDANTIC,
    constructor_fields,
    converter_for,
    field_hints,
)


class UnregisteredValue:
    """A simplified object whose class isn't registered, but may still be given by an annotation."""

    __slots__ = ("is_built", "name", "simplified")

    def __init__(self, name: str, simplified: Any) -> None:
        self.name = name
        self.simplified = simplified
        self.is_built = False


def rebuild(value: Any, annotation: Any) -> Any:
    """Return a value rebuilt to an annotation; parts that don't fit stay as they are.

    Raises
    ------
    TypeError
        If the annotation is a class of the user's, and no object of it can be made.
    """
    if annotation is None or annotation is Any or type(value) is annotation:
        return value
    if type(value) is Arguments:
        return _arguments(value, annotation)
    origin = typing.get_origin(annotation)
    if origin is None:
        return _as_class(value, annotation) if isinstance(annotation, type) else _as_alias(value, annotation)
    arguments = typing.get_args(annotation)
    if origin is typing.Annotated:
        return rebuild(value, arguments[0])
    if origin is typing.Union or origin is types.UnionType:
        return _as_union_member(value, arguments)
    rebuild_container = _CONTAINERS.get(origin)
    if rebuild_container is not None:
        return rebuild_container(value, arguments)
    return _as_class(value, origin) if isinstance(origin, type) else value


def _arguments(value: Arguments, hints: Any) -> Any:
    """Rebuild each argument to the annotation of its parameter."""
    if not isinstance(hints, ArgumentTypes):
        return value
    positional = itertools.zip_longest(value.positional, hints.positional[: len(value.positional)])
    return Arguments(
        tuple(rebuild(item, hint) for item, hint in positional), _with_fields(value.named, hints.named)
    )


def _as_alias(value: Any, annotation: Any) -> Any:
    """Rebuild to the target of a ``NewType``, a ``type X = ...`` or a bound type variable."""
    for attribute in ("__supertype__", "__value__", "__bound__"):
        target = getattr(annotation, attribute, None)
        if target is not None:
            return rebuild(value, target)
    return value


def _as_class(value: Any, kind: type[Any]) -> Any:
    if isinstance(value, UnregisteredValue):
        if not _is_buildable(kind):
            return value
        value.is_built = True
        return restore(kind, value.simplified)
    if value is None or kind is object or _is_instance(value, kind):
        return value
    convert = _TEXTS.get(kind)
    if convert is not None:
        return _converted(convert, value) if isinstance(value, str) else value
    if kind in (float, complex) and type(value) is int:
        return kind(value)
    if kind in (tuple, set, frozenset):
        return kind(value) if isinstance(value, list) else value
    if typing.is_typeddict(kind):
        return _with_fields(value, field_hints(kind)) if isinstance(value, dict) else value
    if type(value) not in _FROM_JSON or not _is_buildable(kind):
        return value
    if is_envelope(value):
        if not names_class(value, kind):
            raise TypeError(
                f"The value is {describe_envelope(value)}, and not a {kind.__name__} of {kind.__module__}. "
                "Register its class with hub.register_type, or pass another expected_type."
            )
        value = envelope_data(value)
    return build(kind, value)


def _is_buildable(kind: type[Any]) -> bool:
    return converter_for(kind) is not None or callable(getattr(kind, "from_json", None))


def _make_object(kind: type[Any], value: Any, *, is_complete: bool) -> Any:
    converter = converter_for(kind) or JSON_METHODS
    if converter is DATACLASS and not isinstance(value, dict):
        raise TypeError(f"{_short(value)} can't be made a {kind.__name__}: it is no dict.")
    try:
        if converter is DATACLASS or converter is NAMED_TUPLE or (is_complete and converter is PYDANTIC):
            value = _with_parts(value, field_hints(kind))
        return converter.restore(kind, value) if is_complete else converter.build(kind, value)
    except Exception as error:
        raise TypeError(
            f"{_short(value)} can't be made a {kind.__name__}: {type(error).__name__}: {error}"
        ) from error


def build(kind: type[Any], value: Any) -> Any:
    """Return an object of a class, made from plain JSON."""
    return _make_object(kind, value, is_complete=False)


def restore(kind: type[Any], value: Any) -> Any:
    """Return an object of a class, made from the JSON that was kept under the class's registered name."""
    return _make_object(kind, value, is_complete=True)


def _as_union_member(value: Any, members: tuple[Any, ...]) -> Any:
    if value is None or any(_is_instance(value, member) for member in members):
        return value
    first_error: TypeError | None = None
    for member in sorted(members, key=lambda member: not _fits_exactly(value, member)):
        try:
            rebuilt = rebuild(value, member)
        except TypeError as error:
            first_error = first_error or error
            continue
        if rebuilt is not value:
            return rebuilt
    if first_error is not None:
        raise first_error
    return value


def _fits_exactly(value: Any, member: Any) -> bool:
    """Tell whether a union's member is a dataclass that has exactly the fields of the value."""
    kind = typing.get_origin(member) or member
    if not (isinstance(value, dict) and isinstance(kind, type) and converter_for(kind) is DATACLASS):
        return False
    fields = constructor_fields(kind)
    return set(value) <= set(fields) and all(name in value for name, needed in fields.items() if needed)


def _with_parts(value: Any, hints: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return _with_fields(value, hints)
    if not isinstance(value, (list, tuple)):
        raise TypeError("it is neither a list nor a dict")
    if len(value) != len(hints):  # a named tuple without annotations
        return value
    return [rebuild(item, hint) for item, hint in zip(value, hints.values(), strict=True)]


def _with_fields(value: dict[str, Any], hints: dict[str, Any]) -> dict[str, Any]:
    return {name: rebuild(item, hints.get(name)) for name, item in value.items()}


def _as_items(kind: Callable[[list[Any]], Any]) -> Callable[[Any, tuple[Any, ...]], Any]:
    def rebuild_items(value: Any, arguments: tuple[Any, ...]) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)):
            return value
        container = kind if type(value) is list else type(value)
        return container([rebuild(item, arguments[0]) for item in value])

    return rebuild_items


def _as_sequence(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    return type(value)(rebuild(item, arguments[0]) for item in value)


def _as_tuple(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(rebuild(item, arguments[0]) for item in value)
    if len(arguments) != len(value):
        return tuple(value)
    return tuple(rebuild(item, argument) for item, argument in zip(value, arguments, strict=True))


def _as_dict(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, dict) or len(arguments) != 2:
        return value
    return {rebuild(key, arguments[0]): rebuild(item, arguments[1]) for key, item in value.items()}


def _is_instance(value: Any, kind: Any) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a generic alias such as list[int]
        return False


def _converted(convert: Callable[[str], Any], text: str) -> Any:
    try:
        return convert(text)
    except (ValueError, ArithmeticError):
        return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


_FROM_JSON = frozenset({dict, list, tuple, str, int, float, bool})

_TEXTS: dict[type[Any], Callable[[str], Any]] = {
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: Decimal,
    Path: Path,
    PurePath: Path,
}
"""Types that JSON from elsewhere has as text."""


_CONTAINERS: dict[Any, Callable[[Any, tuple[Any, ...]], Any]] = {
    list: _as_items(list),
    set: _as_items(set),
    frozenset: _as_items(frozenset),
    tuple: _as_tuple,
    dict: _as_dict,
    collections.abc.Mapping: _as_dict,
    collections.abc.MutableMapping: _as_dict,
    collections.abc.Sequence: _as_sequence,
    collections.abc.Iterable: _as_sequence,
    collections.abc.Collection: _as_sequence,
}
