"""The parts of a key that come from code: a function, what it calls, and the values that both read."""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
import re
import sys
import types
import typing
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from durablenb.core.code_names import (
    ImportRead,
    NameRead,
    closure_reads,
    global_reads,
    import_reads,
    nested_codes,
)
from durablenb.engine.keys.digests import code_digest, value_digest
from durablenb.engine.keys.user_code import is_importable, is_users_module
from durablenb.model.caching import digest
from durablenb.values.codec import ValueCodec
from durablenb.values.user_classes import converter_for

_UNDEFINED = "undefined"
_UNSEEN = {
    ("builtins", "eval"): "eval",
    ("builtins", "exec"): "exec",
    ("builtins", "globals"): "globals",
    ("builtins", "__import__"): "__import__",
    ("importlib", "import_module"): "importlib.import_module",
    ("sys", "modules"): "sys.modules",
    ("sys", "_getframe"): "sys._getframe",
    ("inspect", "currentframe"): "inspect.currentframe",
    ("inspect", "stack"): "inspect.stack",
}
"""Functions that reach names that the code doesn't show."""

_QUERIES = frozenset({"sql", "query", "execute", "eval"})
"""Methods of DuckDB, Polars and pandas that find variables of their caller by names in a text."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_GENERATED = re.compile(
    r"__(dict|weakref|module|doc|qualname|annotations|annotate|annotate_func|annotations_cache|signature|"
    r"firstlineno|static_attributes|abstractmethods|parameters|pydantic_(?!fields__)\w+)__|_abc_impl"
)
"""Names in a class that Python or a library derives from the others."""


class UnknownPartError(Exception):
    """A part of a key can't be computed; the message says which one, and what to do."""


class CodeParts:
    """Collects the parts of the key of a function.

    Parameters
    ----------
    ignore
        Names that don't count.
    texts
        Texts from which a query may take names of variables, beside those of the code.
    """

    def __init__(self, ignore: Collection[str], texts: Sequence[str] = ()) -> None:
        self._ignore = frozenset(ignore)
        self._codec = ValueCodec()
        self._names: dict[int, str] = {}
        self._alive: list[Any] = []
        """All that has a name: ids are unique only among objects that exist."""
        self._taken: set[str] = set()
        self._part = self._user = ""
        """The part that is being added, and the function of which it is."""
        self._found_in: dict[str, str] = {}
        """The parts in which functions, classes and modules were first referred to, by their names."""
        self._left: deque[Callable[[], None]] = deque()
        self._texts = set(texts)
        self._queried: dict[int, dict[str, Any]] = {}
        """The namespaces of functions that find variables by names in a text."""
        self.parts: dict[str, str] = {}

    def add(self, part: str, value: Any) -> None:
        """Add a value, and the code of all functions and classes that it refers to.

        Raises
        ------
        UnknownPartError
            If something of it can't be part of a key.
        """
        self._put(part, value)
        while self._left:
            while self._left:
                self._left.popleft()()
            self._add_queried()

    # -- references ------------------------------------------------------------------------------

    def function(self, function: types.FunctionType) -> str:
        """Return a name for a function; of the user's own ones, the code becomes a part."""
        is_users = is_users_module(function.__globals__.get("__name__"))
        if not is_users and is_importable(function):
            self.check(function.__module__, function.__qualname__)
            return f"{function.__module__}.{function.__qualname__}"
        name, is_new = self._name(function, _qualified(function))
        if is_new:
            self._left.append(lambda: self._add_function(name, function, has_globals=is_users))
        return name

    def class_(self, class_: type[Any]) -> str:
        """Return a name for a class; of the user's own ones, the definition becomes a part."""
        if not is_users_module(class_.__module__):
            module: object = class_.__module__
            return f"{module if isinstance(module, str) else ''}.{class_.__qualname__}"
        name, is_new = self._name(class_, _qualified(class_))
        if is_new:
            self._left.append(lambda: self._add_class(name, class_))
        return name

    def module(self, module: types.ModuleType) -> str:
        """Return a name for a module; of the user's own ones, all that is in it becomes a part."""
        if not is_users_module(module.__name__):
            return module.__name__
        name, is_new = self._name(module, module.__name__)
        if is_new:
            self._left.append(lambda: self._add_module(name, module))
        return name

    def check(self, module: str, name: str) -> None:
        """Raise `UnknownPartError` for a library's function that reaches names the code doesn't show."""
        unseen = _UNSEEN.get((module, name))
        if unseen is not None:
            raise UnknownPartError(
                f"{unseen}, which is used by {self._user}, can reach code that the key doesn't see. Write "
                "the names out"
            )

    def _name(self, value: Any, wanted: str) -> tuple[str, bool]:
        """Return a name that no other object has, and whether the object is a new one."""
        known = self._names.get(id(value))
        if known is not None:
            return known, False
        name, count = wanted, 1
        while name in self._taken:
            count += 1
            name = f"{wanted} ({count})"
        self._taken.add(name)
        self._names[id(value)] = name
        self._found_in[name] = self._part
        self._alive.append(value)
        return name, True

    # -- parts -----------------------------------------------------------------------------------

    def _put(self, part: str, value: Any) -> None:
        if part in self.parts:
            return
        if isinstance(value, str):
            self._texts.add(value)
        self._part = part
        try:
            self.parts[part] = value_digest(value, self, self._codec)
        except UnknownPartError:
            raise
        except RecursionError:
            raise self._unknown(part, value, "it is nested too deeply") from None
        except Exception as error:
            raise self._unknown(part, value, f"{type(error).__name__}: {error}") from error

    def _unknown(self, part: str, value: Any, why: str) -> UnknownPartError:
        """Return the error for a value that can't be part of a key, with the way that leads to it."""
        way = [part]
        while (found := self._found_in.get(way[-1].rpartition(" of ")[2])) and found not in (
            *way,
            "function",
        ):
            way.append(found)
        kind, _, rest = way[-1].partition(" ")
        name = rest.partition(" of ")[0].rpartition(".")[2]
        leave = f", or leave it out: CachePolicy(ignore=({name!r},))" if kind in _KINDS else ""
        behind = "".join(f", behind the {one}," for one in way[1:])
        return UnknownPartError(
            f"the {part} ({type(value).__name__}){behind} can't be part of a key ({why}). Make it inside of "
            f"the function, give the activity what it depends on as input{leave}"
        )

    def _add_function(self, name: str, function: types.FunctionType, *, has_globals: bool) -> None:
        code, self._user = function.__code__, name
        self.parts[f"code of {name}"] = code_digest(code)
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for variable, cell in cells.items():
            if variable not in self._ignore:
                self._add_cell(f"variable {variable} of {name}", variable, cell, code)
        positional = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        named = [*zip(positional[len(positional) - len(defaults) :], defaults, strict=True)]
        for parameter, value in (*named, *(function.__kwdefaults__ or {}).items()):
            if parameter not in self._ignore:
                self._put(f"default {parameter} of {name}", value)
        own = {key: value for key, value in vars(function).items() if not key.startswith("__")}
        for key, value in own.items():
            if key not in self._ignore:
                self._put(f"attribute {key} of {name}", value)
        if has_globals:
            self._add_globals(name, function)

    def _add_cell(self, part: str, variable: str, cell: types.CellType, code: types.CodeType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # it has no value yet
            self.parts[part] = _UNDEFINED
            return
        if isinstance(value, types.ModuleType):
            for read in _code_names(code).closures:
                if read.name == variable:
                    self._add_read(part, value, read.attributes)
            return
        self._put(part, value)

    def _add_globals(self, name: str, function: types.FunctionType) -> None:
        code, namespace = function.__code__, function.__globals__
        label = self._label(namespace)
        names = _code_names(code)
        for read in names.globals:
            if read.name in self._ignore:
                continue
            if read.name in namespace:
                self._add_read(f"global {label}{read.name}", namespace[read.name], read.attributes)
            elif hasattr(builtins, read.name):
                self._add_builtin(name, read.name)
            else:
                self.parts[f"global {label}{read.name}"] = _UNDEFINED
        for imported in names.imports:
            self._add_import(name, imported, namespace.get("__package__") or "")
        self._texts.update(names.texts)
        if names.has_query:
            self._queried[id(namespace)] = namespace

    def _label(self, namespace: dict[str, Any]) -> str:
        """Return the prefix of a module's globals: empty for those of the notebook."""
        module = str(namespace.get("__name__", "?"))
        name, _ = self._name(namespace, "" if module == "__main__" else f"{module}.")
        return name

    def _add_builtin(self, name: str, builtin: str) -> None:
        value = getattr(builtins, builtin)
        self.check("builtins", builtin)
        if getattr(value, "__module__", "builtins") != "builtins":  # somebody has replaced it
            self._put(f"global {builtin}", value)

    def _add_read(self, part: str, value: Any, attributes: Sequence[str]) -> None:
        """Add the value of a name; for a module, only the attribute that is read."""
        for attribute in attributes:
            if not isinstance(value, types.ModuleType):
                break
            if attribute in self._ignore:
                return
            module, value = value, getattr(value, attribute, _Missing)
            self.check(module.__name__, attribute)
            if is_users_module(module.__name__):
                self.parts[f"{part} as a module"] = module.__name__
                part = f"global {self._label(vars(module))}{attribute}"
                continue
            part = f"{part}.{attribute}"
            if not (isinstance(value, types.ModuleType) or _has_users_code(value)):
                self.parts[part] = f"library {module.__name__}.{_described(value)}"
                return
        self._put(part, value)

    def _add_import(self, name: str, read: ImportRead, package: str) -> None:
        """Add what a function imports when it runs."""
        full = read.module
        if read.level:
            full = importlib.util.resolve_name("." * read.level + read.module, package)
        if not is_users_module(full):
            for attribute in read.names or [one for chain in read.reads or () for one in chain[:1]]:
                self.check(full, attribute)
            return
        part = f"import {full} of {name}"
        try:
            module = sys.modules.get(full) or importlib.import_module(full)
        except Exception as error:
            raise UnknownPartError(
                f"the {part} can't be read ({type(error).__name__}: {error}). Import it outside of the "
                "function"
            ) from error
        if read.names is not None:
            for attribute in read.names:
                value = getattr(module, attribute, sys.modules.get(f"{full}.{attribute}", _Missing))
                self._add_read(f"import {full}.{attribute} of {name}", value, ())
        elif read.reads is not None:
            for chain in read.reads:
                self._add_read(part, module, chain)
        else:
            self._put(part, module)

    def _add_module(self, name: str, module: types.ModuleType) -> None:
        for key, value in list(vars(module).items()):
            if not (key.startswith("__") and key.endswith("__")) and key not in self._ignore:
                self._put(f"global {name}.{key}", value)

    def _add_class(self, name: str, class_: type[Any]) -> None:
        self._put(f"bases of {name}", (type(class_), class_.__bases__))
        for key, value in list(vars(class_).items()):
            if not _GENERATED.fullmatch(key) and key not in self._ignore:
                self._put(f"attribute {key} of {name}", value)
        if converter_for(class_) is not None:  # values of it are rebuilt by its annotations
            self._put(f"annotations of {name}", _hints(name, class_))

    def _add_queried(self) -> None:
        """Add the globals that a query may find by a name in a text."""
        if not self._queried:
            return
        names = {name for text in self._texts for name in _NAME.findall(text)}
        for namespace in list(self._queried.values()):
            label = self._label(namespace)
            for name in sorted(names & namespace.keys() - self._ignore):
                value = namespace[name]
                if not isinstance(value, (types.ModuleType, types.FunctionType, type)):
                    self._put(f"global {label}{name}", value)


class _Missing:
    """Stands for an attribute that a module doesn't have."""


_KINDS = ("global", "variable", "default", "attribute", "import")
"""The kinds of parts whose names a policy can ignore."""


def _qualified(value: Any) -> str:
    module, name = value.__module__, str(getattr(value, "__qualname__", "?"))
    return name if module in ("__main__", None) else f"{module}.{name}"


def _hints(name: str, class_: type[Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(class_)
    except Exception as error:
        raise UnknownPartError(
            f"the annotations of the class {name} can't be read ({type(error).__name__}: {error}). Define "
            "the names that they use"
        ) from error


def _has_users_code(value: Any) -> bool:
    """Return True for a user's function or class that was put into a library's module."""
    inner = inspect.unwrap(value) if callable(value) else value
    if isinstance(inner, types.FunctionType):
        return is_users_module(inner.__globals__.get("__name__"))
    return isinstance(inner, type) and is_users_module(inner.__module__)


def _described(value: Any) -> str:
    """Return a text for what a library's module has: its value if it is plain, else its type."""
    if isinstance(value, (bool, int, float, str, bytes)) or value is None:
        return digest(repr(value))
    return str(getattr(value, "__qualname__", type(value).__qualname__))


class _CodeNames(NamedTuple):
    """The names that a code object, with those inside it, reads outside of itself."""

    globals: tuple[NameRead, ...]
    closures: tuple[NameRead, ...]
    imports: tuple[ImportRead, ...]
    texts: tuple[str, ...]
    has_query: bool


_known: WeakKeyDictionary[types.CodeType, _CodeNames] = WeakKeyDictionary()


def _code_names(code: types.CodeType) -> _CodeNames:
    found = _known.get(code)
    if found is None:
        codes = list(nested_codes(code))
        texts = (constant for one in codes for constant in one.co_consts if isinstance(constant, str))
        found = _known[code] = _CodeNames(
            tuple(dict.fromkeys(global_reads(code))),
            tuple(dict.fromkeys(closure_reads(code))),
            tuple(import_reads(code)),
            tuple(texts),
            any(not _QUERIES.isdisjoint(one.co_names) for one in codes),
        )
    return found
