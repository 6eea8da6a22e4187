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

from durablenb.core.activity_context import ActivityContext
from durablenb.model.arguments import ArgumentTypes

_GENERATORS = (collections.abc.Generator, collections.abc.Coroutine, collections.abc.Awaitable)
"""Annotations whose last argument is the function's result."""

_STREAMS = (collections.abc.Iterator, collections.abc.Iterable, collections.abc.AsyncGenerator)


_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, type)


class ContextParameter(NamedTuple):
    """The parameter of an activity that gets its context; `place` is None if it is only passed by name."""

    name: str
    place: int | None


class FunctionTypes(NamedTuple):
    """The annotations of a function's input, result and arguments, and the parameter for the context."""

    input: Any
    result: Any
    context: ContextParameter | None
    arguments: ArgumentTypes


def input_type(function: object) -> Any:
    """Return the annotation of the parameter for a function's input, or None."""
    return function_types(function).input


def result_type(function: object) -> Any:
    """Return the annotation of a function's result, for a generator its return value; or None."""
    return function_types(function).result


def context_parameter(function: object) -> ContextParameter | None:
    """Return the parameter that is annotated with `ActivityContext`, or None."""
    return function_types(function).context


def function_types(function: object) -> FunctionTypes:
    """Return the types of a function; None for those that it doesn't say."""
    try:
        return _known(function)
    except Exception:  # a name in an annotation isn't defined yet
        hints = _annotations(_plain(function))
        unresolved = (str, typing.ForwardRef)
        known = {
            name: ActivityContext if _names_context(hint) else hint
            for name, hint in hints.items()
            if not isinstance(hint, unresolved) or _names_context(hint)
        }
        return _function_types(function, known)


def _names_context(hint: Any) -> bool:
    """Tell whether an annotation that can't be resolved yet has the name of `ActivityContext`."""
    text = hint.__forward_arg__ if isinstance(hint, typing.ForwardRef) else hint
    return isinstance(text, str) and text.rpartition(".")[2] == ActivityContext.__name__


def _annotations(function: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14) and callable(function):  # where reading __annotations__ resolves them
        from annotationlib import Format, get_annotations

        return get_annotations(function, format=Format.FORWARDREF)
    annotations: dict[str, Any] = getattr(function, "__annotations__", {})
    return annotations


@functools.lru_cache(maxsize=1024)
def _resolved(function: Any) -> FunctionTypes:
    return _function_types(function, typing.get_type_hints(_plain(function)))


_known = typing.cast(Callable[[object], FunctionTypes], _resolved)


def _function_types(function: Any, hints: dict[str, Any]) -> FunctionTypes:
    wanted = hints.get("return")
    origin = typing.get_origin(wanted) or wanted
    if origin in _GENERATORS:
        wanted = (typing.get_args(wanted) or (None,))[-1]
    elif origin in _STREAMS:
        wanted = None
    context = None
    others = []
    for place, parameter in enumerate(_parameters(function)):
        if context is None and _is_context(hints.get(parameter.name)):
            is_named = parameter.kind is parameter.KEYWORD_ONLY
            context = ContextParameter(parameter.name, None if is_named else place)
        else:
            others.append(parameter)
    named = {parameter.name: hints.get(parameter.name) for parameter in others}
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = tuple(named[parameter.name] for parameter in others if parameter.kind in by_position)
    first = named[others[0].name] if others else None
    return FunctionTypes(first, wanted, context, ArgumentTypes(positional, named))


def _is_context(hint: Any) -> bool:
    return hint is ActivityContext or ActivityContext in typing.get_args(hint)


def _parameters(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(_behind(function)).parameters.values())
    except (TypeError, ValueError):
        return []


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
