"""Finds names that a notebook's functions use before a cell defines them."""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from durablenb.core.code_names import global_reads, stored_globals

_NOTEBOOK = "__main__"


def is_defined(name: str) -> bool:
    """Tell whether a cell of the notebook has defined a name."""
    return name in _notebook() or hasattr(builtins, name)


def undefined_name(function: Callable[..., Any]) -> str | None:
    """Return an undefined name that a function needs, itself or through other functions of the notebook.

    Functions of modules always have their names, since a module has run when it is imported.
    """
    notebook, seen = _notebook(), {id(function)}
    functions: list[Any] = [function]
    for used in functions:  # grows while it is read
        for name in _read_names(_plain(used), notebook):
            if not is_defined(name):
                return name
            value = notebook.get(name)
            if callable(value) and id(value) not in seen:
                seen.add(id(value))
                functions.append(value)
    return None


def _notebook() -> dict[str, Any]:
    return vars(sys.modules[_NOTEBOOK])


def _plain(function: Any) -> object:
    while isinstance(function, partial):
        function = function.func
    return inspect.unwrap(function) if hasattr(function, "__wrapped__") else function


def _read_names(function: object, notebook: dict[str, Any]) -> Iterator[str]:
    if isinstance(function, FunctionType) and function.__globals__ is notebook:
        yield from _foreign_globals(function.__code__)


def _foreign_globals(code: CodeType) -> Iterator[str]:
    """Return the global names that a code reads and doesn't define itself."""
    own = stored_globals(code)
    for read in global_reads(code):
        if read.name not in own:
            yield read.name
