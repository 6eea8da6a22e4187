"""Abstract values of live objects: the functions and names of this process, with their sources."""

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

from durablenb.checks.abstract_values import (
    AZURES,
    Body,
    Function,
    InstanceValue,
    Kind,
    LiveIterator,
    NamedObject,
    Node,
    PlainData,
    SetValue,
    Value,
    is_within,
)
from durablenb.checks.forbidden_calls import DATA, rule_for_name
from durablenb.core.annotations import context_parameter
from durablenb.core.app_model import FunctionBuilder, Orchestrator
from durablenb.core.registry import KIND_ATTRIBUTE
from durablenb.model.source import code_lines, read_source

_PUBLIC_MODULES = {
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
"""Prefixes of the paths of libraries' code."""

_WRAPPING = (FunctionType, _lru_cache_wrapper)

_PLAIN = (bool, int, float, complex, bytes, bytearray, tuple, list, dict, deque)


class LiveScope:
    """Resolves the names that a live function sees: of its closure, of its module, and builtins."""

    def __init__(self, function: FunctionType) -> None:
        self._globals = function.__globals__
        self._closure = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        self.is_incomplete = False
        """True if a name was looked up that isn't defined yet."""

    def lookup(self, name: str) -> Value:
        """Return the value of a name, or None if it is unknown."""
        if name in self._closure:
            try:
                return abstract_value(self._closure[name].cell_contents)
            except ValueError:  # an empty cell
                self.is_incomplete = True
                return None
        if name in self._globals:
            return abstract_value(self._globals[name])
        if hasattr(builtins, name):
            return NamedObject(f"builtins.{name}")
        self.is_incomplete = True
        return None

    @property
    def imports_azure(self) -> bool:
        """True if the module has names from ``azure.durable_functions``, or from durablenb's stand-in."""
        return any(_is_from_azure(value) for value in list(self._globals.values()))


def _is_from_azure(value: Any) -> bool:
    kind = type(value)  # not value.__class__, which a proxy may answer with a lookup
    if issubclass(kind, ModuleType):
        return is_within(AZURES, value.__name__)
    if issubclass(kind, type):
        kind = value
    return any(is_within(package, str(kind.__module__)) for package in (AZURES, "durablenb.azure"))


def abstract_value(value: Any, path: str | None = None) -> Value:
    """Return the abstract value of an object; `path` is its full name, if it is a module's attribute."""
    if isinstance(value, ModuleType):
        return NamedObject(_public_module(value.__name__), value)
    if value is sys.argv or path in DATA:
        return NamedObject(path or "sys.argv")
    if isinstance(value, str):
        return PlainData("str", value)
    if value is None or isinstance(value, _PLAIN):
        return PlainData(type(value).__name__)
    if isinstance(value, set | frozenset):
        is_stable = all(type(item) in (int, float, bool) for item in value)
        return SetValue(is_stable, isinstance(value, frozenset))
    function = user_function_value(value)
    if function is not None:
        return function
    name = path if path is not None and rule_for_name(path) else full_name(value)
    if name is None and callable(value):
        name = path
    if name is not None:
        return NamedObject(name, value)
    kind = full_name(type(value)) or ""
    if kind == "os._Environ":
        return NamedObject("os.environ")
    if isinstance(value, Iterator) and kind.startswith(("itertools.", "builtins.")):
        return LiveIterator()
    return InstanceValue(kind)


def attribute_value(owner: NamedObject, name: str) -> Value:
    """Return the value of an attribute of a module or a class, without importing anything."""
    path = f"{owner.path}.{name}"
    if isinstance(owner.object, ModuleType) and name in vars(owner.object):
        return abstract_value(vars(owner.object)[name], path)
    return NamedObject(path)


def user_function_value(registered: Any) -> Function | None:
    """Return the user's function behind decorators and builders of apps, or None if there is none."""
    plain, kind = user_function(registered), _unwrap(registered)[1]
    if plain is None:
        return None
    if kind is None and is_activity(registered):
        kind = "activity"
    is_wrapped = isinstance(registered, _WRAPPING) and hasattr(registered, "__wrapped__")
    flags = 0 if is_wrapped else plain.__code__.co_flags  # a decorator may return anything
    return Function(
        plain.__name__,
        partial(function_body, plain),
        kind,
        _durable_name(registered) or _durable_name(plain),
        _parameters(plain),
        bool(flags & inspect.CO_GENERATOR),
        bool(flags & inspect.CO_COROUTINE),
    )


def is_activity(function: Any) -> bool:
    """Tell whether a function was registered as an activity, under any name."""
    kind = getattr(function, KIND_ATTRIBUTE, getattr(_unwrap(function)[0], KIND_ATTRIBUTE, None))
    return bool(kind == "activity")


def user_function(registered: Any) -> FunctionType | None:
    """Return the user's function behind decorators as a function object, or None if there is none."""
    plain, _ = _unwrap(registered)
    if not isinstance(plain, FunctionType) or plain.__code__.co_filename.startswith(LIBRARIES):
        return None
    return None if str(plain.__module__).split(".")[0] == "durablenb" else plain


def _durable_name(function: Any) -> str | None:
    name = getattr(function, "__durable_name__", None)
    return name if isinstance(name, str) and name else None


def _unwrap(function: Any) -> tuple[Any, Kind | None]:
    kind: Kind | None = None
    for _ in range(20):  # decorators of decorators
        if isinstance(function, FunctionBuilder):
            kind, function = function.kind, function.function
        elif isinstance(function, Orchestrator):
            kind, function = "orchestrator", function.orchestrator_function
        elif isinstance(function, _WRAPPING) and hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            break
    return function.__func__ if isinstance(function, MethodType) else function, kind


def _parameters(function: FunctionType) -> inspect.Signature:
    signature = inspect.signature(function, follow_wrapped=False)
    context = context_parameter(function)
    return signature.replace(
        parameters=[
            parameter
            for parameter in signature.parameters.values()
            if context is None or parameter.name != context.name
        ]
    )


def function_body(function: FunctionType) -> Body | None:
    """Return a function's source, or None if it isn't available or isn't that of this function."""
    source = read_source(function)
    if source is None:
        return None
    text = source.text
    is_indented = text[:1].isspace()
    try:
        tree = ast.parse(f"if True:\n{text}" if is_indented else text)
    except (SyntaxError, ValueError):
        return None
    nodes = [node for node in ast.walk(tree) if _defines(node, function)]
    if len(nodes) != 1 and function.__name__ == "<lambda>":
        return None
    if not nodes:
        return None
    lines = ["", *code_lines(text)] if is_indented else code_lines(text)
    shift = source.first_line - (2 if is_indented else 1)
    return Body(cast(Node, nodes[0]), LiveScope(function), tuple(lines), shift, function.__code__.co_filename)


def _defines(node: ast.AST, function: FunctionType) -> bool:
    if isinstance(node, ast.Lambda):
        return function.__name__ == "<lambda>"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function.__code__.co_name


def full_name(value: Any) -> str | None:
    """Return the name by which a class or a library's function is imported; None for other objects."""
    if isinstance(value, type):
        return _public_name(value.__module__, value.__qualname__, value)
    owner = getattr(value, "__self__", None)
    name = getattr(value, "__name__", None)
    if not isinstance(name, str) or not isinstance(value, BuiltinFunctionType | FunctionType | MethodType):
        return None
    if owner is None or isinstance(owner, ModuleType):
        return _public_name(value.__module__ or "", getattr(value, "__qualname__", name), value)
    if isinstance(owner, type):
        return f"{full_name(owner)}.{name}"
    # random.random is a method of an object that the module keeps, and so are numpy.random's functions.
    module = type(owner).__module__
    for keeper in (module, "numpy.random"):
        if keeper in sys.modules and vars(sys.modules[keeper]).get(name) == value:
            return f"{_public_module(keeper)}.{name}"
    return f"{full_name(type(owner))}().{name}"


def _public_name(module: str, name: str, value: object) -> str:
    """Return an object's shortest name: ``asyncio.gather`` rather than ``asyncio.tasks.gather``."""
    first = name.split(".")[0]
    prefixes = itertools.accumulate(module.split("."), "{}.{}".format)
    public = [module.lstrip("_")] if module.startswith("_") else []
    for shorter in (*public, *prefixes):
        exported = vars(sys.modules[shorter]).get(first) if shorter in sys.modules else None
        if exported is not None and (exported is value or (first != name and isinstance(exported, type))):
            return f"{_public_module(shorter)}.{name}"
    return f"{_public_module(module)}.{name}"


def _public_module(module: str) -> str:
    return _PUBLIC_MODULES.get(module, module)
