"""Types from annotations: of an activity's input, and of a function's result."""

from __future__ import annotations

import collections.abc
import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

_GENERATORS = (collections.abc.Generator, collections.abc.Coroutine, collections.abc.Awaitable)
"""Annotations whose last argument is the function's result."""

_STREAMS = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.AsyncGenerator)


_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, type)


class _Types(NamedTuple):
    input: Any
    result: Any


def input_type(function: object) -> Any:
    """Return the annotation of a function's first parameter, or None."""
    return _types(function).input


def result_type(function: object) -> Any:
    """Return the annotation of a function's result, for a generator its return value; or None."""
    return _types(function).result


def _types(function: object) -> _Types:
    try:
        return _known(function)
    except Exception:  # a name in an annotation isn't defined yet
        hints = _annotations_of(_plain(function))
        unresolved = (str, typing.ForwardRef)
        return _of(function, {name: hint for name, hint in hints.items() if not isinstance(hint, unresolved)})


def _annotations_of(function: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14) and callable(function):  # where reading __annotations__ resolves them
        from annotationlib import Format, get_annotations

        return get_annotations(function, format=Format.FORWARDREF)
    annotations: dict[str, Any] = getattr(function, "__annotations__", {})
    return annotations


@functools.lru_cache(maxsize=1024)
def _resolved(function: Any) -> _Types:
    return _of(function, typing.get_type_hints(_plain(function)))


_known = typing.cast(Callable[[object], _Types], _resolved)


def _of(function: Any, hints: dict[str, Any]) -> _Types:
    wanted = hints.get("return")
    origin = typing.get_origin(wanted) or wanted
    if origin in _GENERATORS:
        wanted = (typing.get_args(wanted) or (None,))[-1]
    elif origin in _STREAMS:
        wanted = None
    return _Types(hints.get(_first_parameter(function)), wanted)


def _first_parameter(function: Any) -> str:
    try:
        return next(iter(inspect.signature(_behind(function)).parameters), "")
    except (TypeError, ValueError):
        return ""


def _behind(function: Any) -> Any:
    """Return the function under an app's decorators."""
    inner = getattr(function, "function", None)
    return inner if callable(inner) else function


def _plain(function: Any) -> Any:
    """Return the function behind partial objects, decorators and callable objects."""
    function = _behind(function)
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if callable(function) and not isinstance(function, _FUNCTIONS):
        return type(function).__call__
    return function
