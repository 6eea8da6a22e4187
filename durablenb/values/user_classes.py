"""Converters of users' classes: dataclasses, enums, named tuples, pydantic models, ``to_json``."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any, NamedTuple, cast

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Converter(NamedTuple):
    """Converts the values of one sort of class.

    Parameters
    ----------
    simplify
        Returns a simpler value, which is kept in place of the value.
    build
        Makes an object of a class from plain JSON.
    restore
        Makes an object from a simpler value that was kept under the class's registered name, and so is
        complete.
    """

    simplify: Callable[[Any], Any]
    build: Callable[[type[Any], Any], Any]
    restore: Callable[[type[Any], Any], Any]


def _converter_for(kind: type[Any]) -> Converter | None:
    if callable(getattr(kind, "to_json", None)) and callable(getattr(kind, "from_json", None)):
        return JSON_METHODS
    if issubclass(kind, Enum):
        return _ENUM
    if is_pydantic_model(kind):
        return PYDANTIC
    if dataclasses.is_dataclass(kind):
        return DATACLASS
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return NAMED_TUPLE
    return None


converter_for = cast(Callable[[type[Any]], Converter | None], lru_cache(maxsize=1024)(_converter_for))
"""Return the converter for a class, or None if its objects can't be kept."""


def is_pydantic_model(kind: type[Any]) -> bool:
    """Tell whether a class is a pydantic model."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


_resolved_hints = cast(Callable[[type[Any]], dict[str, Any]], lru_cache(1024)(typing.get_type_hints))


def field_hints(kind: type[Any]) -> dict[str, Any]:
    """Return the annotations of a class's fields, without those that can't be resolved yet."""
    try:
        return _resolved_hints(kind)
    except Exception:
        hints: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            hints.update(_own_annotations(base))
        return {name: hint for name, hint in hints.items() if not isinstance(hint, (str, typing.ForwardRef))}


def _own_annotations(kind: type[Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):  # where reading __annotations__ resolves them
        from annotationlib import Format, get_annotations

        return get_annotations(kind, format=Format.FORWARDREF)
    annotations: dict[str, Any] = vars(kind).get("__annotations__", {})
    return annotations


def unknown_parameters(kind: type[Any]) -> list[str]:
    """Return the required parameters of a dataclass's constructor that aren't fields."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return []
    known = {field.name for field in dataclasses.fields(kind)}
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind in _BY_NAME and parameter.name not in known
    ]


def constructor_fields(kind: type[Any]) -> dict[str, bool]:
    """Return the names of the fields that a dataclass's constructor takes, and whether each is required."""
    missing = dataclasses.MISSING
    return {
        field.name: field.default is missing and field.default_factory is missing
        for field in dataclasses.fields(kind)
        if field.init
    }


def _fields(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _constructed(kind: type[Any], fields: dict[str, Any]) -> Any:
    known = constructor_fields(kind)
    return kind(**{name: value for name, value in fields.items() if name in known})


def _restored(kind: type[Any], fields: dict[str, Any]) -> Any:
    """Construct an object, so that new fields get their defaults, then set the kept fields as they were."""
    restored = _constructed(kind, fields)
    for field in dataclasses.fields(kind):
        if field.name in fields:
            object.__setattr__(restored, field.name, fields[field.name])
    return restored


def _validated(kind: type[Any], fields: Any) -> Any:
    return kind.model_validate(fields, by_alias=True, by_name=True)


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="python", round_trip=True, by_alias=False)


def _member(kind: type[Any], value: Any) -> Any:
    return kind(value)


def _from_json(kind: type[Any], value: Any) -> Any:
    return kind.from_json(value)


def _to_json(value: Any) -> Any:
    return type(value).to_json(value)


def _from_items(kind: type[Any], items: Any) -> Any:
    return kind(**items) if isinstance(items, dict) else kind(*items)


JSON_METHODS = Converter(_to_json, _from_json, _from_json)
"""Converts objects of classes with Azure's methods, ``to_json`` and ``from_json``."""

_ENUM = Converter(lambda member: member.value, _member, _member)
PYDANTIC = Converter(_dumped, _validated, _validated)
"""Converts pydantic models."""

DATACLASS = Converter(_fields, _constructed, _restored)
"""Converts dataclasses' objects."""

NAMED_TUPLE = Converter(tuple, _from_items, _from_items)
"""Converts named tuples."""
