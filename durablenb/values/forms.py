"""The classes that users write: what each is kept as, and how it is built again."""

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


class Form(NamedTuple):
    """How the values of a class are kept.

    Parameters
    ----------
    simplified
        Gives a simpler value, which is kept in its place.
    build
        Makes a value of a class from the simpler one.
    restore
        The same where the simpler one was kept under the class's registered name, and so is complete.
    """

    simplified: Callable[[Any], Any]
    build: Callable[[type[Any], Any], Any]
    restore: Callable[[type[Any], Any], Any]


def _form_of(kind: type[Any]) -> Form | None:
    if callable(getattr(kind, "to_json", None)) and callable(getattr(kind, "from_json", None)):
        return AZURE
    if issubclass(kind, Enum):
        return _ENUM
    if is_model(kind):
        return MODEL
    if dataclasses.is_dataclass(kind):
        return DATACLASS
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return NAMED
    return None


form_of = cast(Callable[[type[Any]], Form | None], lru_cache(maxsize=1024)(_form_of))
"""The form of a class, or None if it has none."""


def is_model(kind: type[Any]) -> bool:
    """Whether it is a pydantic model's class."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(kind, pydantic.BaseModel)


_resolved_hints = cast(Callable[[type[Any]], dict[str, Any]], lru_cache(1024)(typing.get_type_hints))


def hints_of(kind: type[Any]) -> dict[str, Any]:
    """The annotations of a class's fields; those that can't be resolved yet are left out."""
    try:
        return _resolved_hints(kind)
    except Exception:
        found: dict[str, Any] = {}
        for base in reversed(kind.__mro__):
            found.update(_annotations_of(base))
        return {name: hint for name, hint in found.items() if not isinstance(hint, (str, typing.ForwardRef))}


def _annotations_of(kind: type[Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):  # where looking at them resolves them
        from annotationlib import Format, get_annotations

        return get_annotations(kind, format=Format.FORWARDREF)
    found: dict[str, Any] = vars(kind).get("__annotations__", {})
    return found


def unknown_parameters(kind: type[Any]) -> list[str]:
    """The parameters that a dataclass's constructor needs and that are none of its fields."""
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):
        return []
    known = {field.name for field in dataclasses.fields(kind)}
    return [
        one.name
        for one in parameters
        if one.default is one.empty and one.kind in _BY_NAME and one.name not in known
    ]


def constructor_fields(kind: type[Any]) -> dict[str, bool]:
    """The parameters of a dataclass's constructor: whether each has to be given."""
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
    """The constructor supplies what an older value hasn't; what was kept is put back as it was."""
    made = _constructed(kind, fields)
    for field in dataclasses.fields(kind):
        if field.name in fields:
            object.__setattr__(made, field.name, fields[field.name])
    return made


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


def _made(kind: type[Any], items: Any) -> Any:
    return kind(**items) if isinstance(items, dict) else kind(*items)


AZURE = Form(_to_json, _from_json, _from_json)
"""Of classes with Azure's methods, to_json and from_json."""

_ENUM = Form(lambda member: member.value, _member, _member)
MODEL = Form(_dumped, _validated, _validated)
"""Of pydantic's models."""

DATACLASS = Form(_fields, _constructed, _restored)
"""Of dataclasses."""

NAMED = Form(tuple, _made, _made)
"""Of named tuples."""
