"""Functions and names as they are in this process."""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
import sys
import sysconfig
from collections import deque
from collections.abc import Iterator
from functools import _lru_cache_wrapper, partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, cast

from durablenb.checks.catalogue import DATA, named_code
from durablenb.checks.values import (
    AZURES,
    Body,
    Data,
    Drawn,
    Function,
    Instance,
    Kind,
    Named,
    Node,
    SetOf,
    Value,
    is_of,
)
from durablenb.core.app_model import FunctionBuilder, Orchestrator
from durablenb.core.registry import KIND_ATTRIBUTE
from durablenb.model.source import source_of

_RENAMED = {
    "posix": "os",
    "nt": "os",
    "posixpath": "os.path",
    "ntpath": "os.path",
    "genericpath": "os.path",
    "_io": "io",
    "_random": "random",
    "_thread": "threading",
}

LIBRARIES = ("<frozen ", *{path for name, path in sysconfig.get_paths().items() if "lib" in name})
"""Where the code of libraries is."""

_WRAPPING = (FunctionType, _lru_cache_wrapper)

_PLAIN = (bool, int, float, complex, bytes, bytearray, tuple, list, dict, deque)


class LiveScope:
    """The names that a function sees: of its closure, of its module, builtin ones."""

    def __init__(self, function: FunctionType) -> None:
        self._globals = function.__globals__
        self._closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        self.is_incomplete = False
        """Whether a name was looked up that isn't defined yet."""

    def lookup(self, name: str) -> Value:
        """What the name stands for; None if that isn't known."""
        if name in self._closure:
            try:
                return value_of(self._closure[name].cell_contents)
            except ValueError:  # an empty cell
                self.is_incomplete = True
                return None
        if name in self._globals:
            return value_of(self._globals[name])
        if hasattr(builtins, name):
            return Named(f"builtins.{name}")
        self.is_incomplete = True
        return None

    @property
    def is_azures(self) -> bool:
        """Whether the module has names from ``azure.durable_functions``, or from what stands in for it."""
        return any(_is_azures(one) for one in list(self._globals.values()))


def _is_azures(found: Any) -> bool:
    kind = type(found)  # an object that stands for another one isn't asked what it is
    if issubclass(kind, ModuleType):
        return is_of(AZURES, found.__name__)
    if issubclass(kind, type):
        kind = found
    return any(is_of(package, str(kind.__module__)) for package in (AZURES, "durablenb.azure"))


def value_of(found: Any, path: str | None = None) -> Value:
    """What the checker knows of an object; `path` is where in a module it was found."""
    if isinstance(found, ModuleType):
        return Named(_renamed(found.__name__), found)
    if found is sys.argv or path in DATA:
        return Named(path or "sys.argv")
    if isinstance(found, str):
        return Data("str", found)
    if found is None or isinstance(found, _PLAIN):
        return Data(type(found).__name__)
    if isinstance(found, set | frozenset):
        return SetOf(all(type(one) in (int, float, bool) for one in found), isinstance(found, frozenset))
    function = function_of(found)
    if function is not None:
        return function
    name = path if path is not None and named_code(path) else path_of(found)
    if name is None and callable(found):
        name = path
    if name is not None:
        return Named(name, found)
    kind = path_of(type(found)) or ""
    if kind == "os._Environ":
        return Named("os.environ")
    if isinstance(found, Iterator) and kind.startswith(("itertools.", "builtins.")):
        return Drawn()
    return Instance(kind)


def member_of(value: Named, name: str) -> Value:
    """An attribute of a module or a class; nothing is imported for it."""
    path = f"{value.path}.{name}"
    if isinstance(value.object, ModuleType) and name in vars(value.object):
        return value_of(vars(value.object)[name], path)
    return Named(path)


def function_of(found: Any) -> Function | None:
    """A function of the user's, behind what decorators and apps have made of it."""
    plain, kind = user_function(found), _plain(found)[1]
    if plain is None:
        return None
    if kind is None and is_activity(found):
        kind = "activity"
    name = next((one for one in (_name(found), _name(plain)) if one), None)
    is_wrapped = isinstance(found, _WRAPPING) and hasattr(found, "__wrapped__")
    flags = 0 if is_wrapped else plain.__code__.co_flags  # what it gives is its decorator's affair
    return Function(
        plain.__name__,
        partial(body_of, plain),
        kind,
        name,
        _parameters(plain),
        bool(flags & inspect.CO_GENERATOR),
        bool(flags & inspect.CO_COROUTINE),
    )


def is_activity(found: Any) -> bool:
    """Whether a function was registered as an activity, under whatever name it is known here."""
    return getattr(found, KIND_ATTRIBUTE, getattr(_plain(found)[0], KIND_ATTRIBUTE, None)) == "activity"


def user_function(found: Any) -> FunctionType | None:
    """The same as it runs: the function itself."""
    plain, _ = _plain(found)
    if not isinstance(plain, FunctionType) or plain.__code__.co_filename.startswith(LIBRARIES):
        return None
    return None if str(plain.__module__).split(".")[0] == "durablenb" else plain


def _name(found: Any) -> str | None:
    name = getattr(found, "__durable_name__", None)
    return name if isinstance(name, str) else None


def _plain(found: Any) -> tuple[Any, Kind | None]:
    kind: Kind | None = None
    for _ in range(20):  # decorators of decorators
        if isinstance(found, FunctionBuilder):
            kind, found = found.kind, found.function
        elif isinstance(found, Orchestrator):
            kind, found = "orchestrator", found.orchestrator_function
        elif isinstance(found, _WRAPPING) and hasattr(found, "__wrapped__"):
            found = found.__wrapped__
        else:
            break
    return found.__func__ if isinstance(found, MethodType) else found, kind


def _parameters(function: FunctionType) -> tuple[int, int] | None:
    code = function.__code__
    if code.co_kwonlyargcount > len(function.__kwdefaults__ or {}):
        return None
    needed = code.co_argcount - len(function.__defaults__ or ())
    return needed, 1_000 if code.co_flags & inspect.CO_VARARGS else code.co_argcount


def body_of(function: FunctionType) -> Body | None:
    """A function's source, or None where it isn't at hand or isn't that of this function."""
    source = source_of(function)
    if source is None:
        return None
    text = source.text
    is_indented = text[:1].isspace()
    try:
        tree = ast.parse(f"if True:\n{text}" if is_indented else text)
    except (SyntaxError, ValueError):
        return None
    nodes = [node for node in ast.walk(tree) if _is_it(node, function)]
    if len(nodes) != 1 and function.__name__ == "<lambda>":
        return None
    if not nodes:
        return None
    lines = ["", *text.splitlines()] if is_indented else text.splitlines()
    shift = source.first_line - (2 if is_indented else 1)
    return Body(cast(Node, nodes[0]), LiveScope(function), tuple(lines), shift, function.__code__.co_filename)


def _is_it(node: ast.AST, function: FunctionType) -> bool:
    if isinstance(node, ast.Lambda):
        return function.__name__ == "<lambda>"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function.__code__.co_name


def path_of(found: Any) -> str | None:
    """The full name of a class, or of a function of a library, as one imports it; None for other objects."""
    if isinstance(found, type):
        return _public(found.__module__, found.__qualname__, found)
    owner = getattr(found, "__self__", None)
    name = getattr(found, "__name__", None)
    if not isinstance(name, str) or not isinstance(found, BuiltinFunctionType | FunctionType | MethodType):
        return None
    if owner is None or isinstance(owner, ModuleType):
        return _public(found.__module__ or "", getattr(found, "__qualname__", name), found)
    if isinstance(owner, type):
        return f"{path_of(owner)}.{name}"
    module = type(owner).__module__
    shared = sys.modules.get(module)  # such as random.random, a method of one that the module keeps
    if shared is not None and vars(shared).get(name) == found:
        return f"{_renamed(module)}.{name}"
    for public in ("numpy.random",):
        if public in sys.modules and vars(sys.modules[public]).get(name) == found:
            return f"{public}.{name}"
    return f"{path_of(type(owner))}().{name}"


def _public(module: str, name: str, found: object) -> str:
    """The shortest name by which it can be had: ``asyncio.gather`` rather than ``asyncio.tasks.gather``."""
    first = name.split(".")[0]
    prefixes = itertools.accumulate(module.split("."), "{}.{}".format)
    public = [module.lstrip("_")] if module.startswith("_") else []
    for shorter in (*public, *prefixes):
        seen = vars(sys.modules[shorter]).get(first) if shorter in sys.modules else None
        if seen is not None and (seen is found or (first != name and isinstance(seen, type))):
            return f"{_renamed(shorter)}.{name}"
    return f"{_renamed(module)}.{name}"


def _renamed(module: str) -> str:
    return _RENAMED.get(module, module)
