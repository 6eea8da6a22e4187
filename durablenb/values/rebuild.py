"""Plain JSON becomes what an annotation says: ``list[Order]``, ``dict[str, Order]``, ``Order | None``."""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

from durablenb.values.envelopes import data_in, described, is_envelope, is_of
from durablenb.values.forms import AZURE, DATACLASS, MODEL, NAMED, constructor_fields, form_of, hints_of


class Unregistered:
    """What is kept under a name that isn't registered; an annotation may still say what it is."""

    __slots__ = ("is_known", "name", "simplified")

    def __init__(self, name: str, simplified: Any) -> None:
        self.name = name
        self.simplified = simplified
        self.is_known = False


def rebuilt(value: Any, wanted: Any) -> Any:
    """The value as the annotation wants it; what doesn't fit is left as it is.

    Raises
    ------
    TypeError
        If it is for a class of the user's, and can't be made one.
    """
    if wanted is None or wanted is Any or type(value) is wanted:
        return value
    origin = typing.get_origin(wanted)
    if origin is None:
        return _as_class(value, wanted) if isinstance(wanted, type) else _as_alias(value, wanted)
    arguments = typing.get_args(wanted)
    if origin is typing.Annotated:
        return rebuilt(value, arguments[0])
    if origin is typing.Union or origin is types.UnionType:
        return _as_one_of(value, arguments)
    make = _CONTAINERS.get(origin)
    if make is not None:
        return make(value, arguments)
    return _as_class(value, origin) if isinstance(origin, type) else value


def _as_alias(value: Any, wanted: Any) -> Any:
    """``NewType``, ``type X = ...``, a bound type variable; others say nothing."""
    for attribute in ("__supertype__", "__value__", "__bound__"):
        meant = getattr(wanted, attribute, None)
        if meant is not None:
            return rebuilt(value, meant)
    return value


def _as_class(value: Any, kind: type[Any]) -> Any:
    if isinstance(value, Unregistered):
        if not _is_built(kind):
            return value
        value.is_known = True
        return _built(kind, value.simplified, is_complete=True)
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
        return _with_fields(value, hints_of(kind)) if isinstance(value, dict) else value
    if type(value) not in _FROM_JSON or not _is_built(kind):
        return value
    if is_envelope(value):
        if not is_of(value, kind):
            raise TypeError(
                f"The value is {described(value)}, and not a {kind.__name__} of {kind.__module__}. Register "
                "its class with hub.register_type, or say another type where the value is taken."
            )
        value = data_in(value)
    return built_anew(kind, value)


def _is_built(kind: type[Any]) -> bool:
    return form_of(kind) is not None or callable(getattr(kind, "from_json", None))


def _built(kind: type[Any], value: Any, *, is_complete: bool) -> Any:
    form = form_of(kind) or AZURE
    if form is DATACLASS and not isinstance(value, dict):
        raise TypeError(f"{_short(value)} can't be made a {kind.__name__}: it is no dict.")
    try:
        if form is DATACLASS or form is NAMED or (is_complete and form is MODEL):
            value = _with_parts(value, hints_of(kind))
        return form.restore(kind, value) if is_complete else form.build(kind, value)
    except Exception as error:
        raise TypeError(
            f"{_short(value)} can't be made a {kind.__name__}: {type(error).__name__}: {error}"
        ) from error


def built_anew(kind: type[Any], value: Any) -> Any:
    """A class's object of plain JSON."""
    return _built(kind, value, is_complete=False)


def built_again(kind: type[Any], value: Any) -> Any:
    """What was kept under the registered name of a class."""
    return _built(kind, value, is_complete=True)


def _as_one_of(value: Any, members: tuple[Any, ...]) -> Any:
    if value is None or any(_is_instance(value, member) for member in members):
        return value
    best: Any = value
    for member in sorted(members, key=lambda one: not _fits_exactly(value, one)):
        try:
            made = rebuilt(value, member)
        except TypeError as error:
            best = error if best is value else best
            continue
        if made is not value:
            return made
    if isinstance(best, TypeError):
        raise best
    return value


def _fits_exactly(value: Any, member: Any) -> bool:
    """Whether it is a dataclass whose fields are those of the value, no more and no less."""
    kind = typing.get_origin(member) or member
    if not (isinstance(value, dict) and isinstance(kind, type) and form_of(kind) is DATACLASS):
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
    return [rebuilt(item, wanted) for item, wanted in zip(value, hints.values(), strict=True)]


def _with_fields(value: dict[str, Any], hints: dict[str, Any]) -> dict[str, Any]:
    return {name: rebuilt(item, hints.get(name)) for name, item in value.items()}


def _as_items(kind: Callable[[list[Any]], Any]) -> Callable[[Any, tuple[Any, ...]], Any]:
    def make(value: Any, arguments: tuple[Any, ...]) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset)):
            return value
        chosen = kind if type(value) is list else type(value)
        return chosen([rebuilt(item, arguments[0]) for item in value])

    return make


def _as_sequence(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    return type(value)(rebuilt(item, arguments[0]) for item in value)


def _as_tuple(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(rebuilt(item, arguments[0]) for item in value)
    if len(arguments) != len(value):
        return tuple(value)
    return tuple(rebuilt(item, wanted) for item, wanted in zip(value, arguments, strict=True))


def _as_dict(value: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, dict) or len(arguments) != 2:
        return value
    return {rebuilt(key, arguments[0]): rebuilt(item, arguments[1]) for key, item in value.items()}


def _is_instance(value: Any, kind: Any) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # list[int] and its like
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
"""What is often written as text where JSON comes from elsewhere."""

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
