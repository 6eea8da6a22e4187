"""Digests of values: equal for equal values in every process, different for different ones.

A value is written into a hash, with the type of each part. What isn't a plain value is written as it would be
pickled: the function that rebuilds it, and that function's arguments. Functions, classes and modules are only
referred to; the receiver of these references sees to what they are.
"""

from __future__ import annotations

import copyreg
import functools
import struct
import types
import typing
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from durablenb.engine.keys.user_code import is_users_module
from durablenb.values.codec import ValueCodec

_BUILTINS = (
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
)
_FRAMES = ("pandas", "polars", "pyarrow")
"""Libraries whose values the codec writes in one form, however they came about."""

_TABLES = ("DataFrame", "Series", "Table", "RecordBatch")
_NUMBERS = (int, float)
_SHOWN_DIGITS = 40


class References(Protocol):
    """Takes the functions, classes and modules that a value refers to, and returns names for them."""

    def function(self, function: types.FunctionType) -> str:
        """Return a name for a function."""
        ...

    def class_(self, class_: type[Any]) -> str:
        """Return a name for a class."""
        ...

    def module(self, module: types.ModuleType) -> str:
        """Return a name for a module."""
        ...

    def check(self, module: str, name: str) -> None:
        """Raise for a library's function that can't be part of a key."""
        ...


def value_digest(value: Any, references: References, codec: ValueCodec) -> str:
    """Return the digest of a value; of a number the number itself, after ``=``.

    Raises
    ------
    Exception
        Whatever a part of the value raises that can't be written.
    """
    if value is None or type(value) is bool or type(value) in _NUMBERS:
        shown = f"={value!r}"
        if len(shown) <= _SHOWN_DIGITS:
            return shown
    writer = _Writer(references, codec)
    writer.write(value)
    return writer.digest


def code_digest(code: types.CodeType) -> str:
    """Return the digest of what a code does: its instructions, constants and names, and no line numbers."""
    known = _codes.get(code)
    if known is None:
        writer = _Writer(None, None)
        writer.write(code)
        known = _codes[code] = writer.digest
    return known


_codes: WeakKeyDictionary[types.CodeType, str] = WeakKeyDictionary()


class _Writer:
    """Writes values into a hash."""

    def __init__(self, references: References | None, codec: ValueCodec | None) -> None:
        self._references = references
        self._codec = codec
        self._hash = sha256()
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []
        """The objects that have been written: ids are unique only among objects that exist."""

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:40]

    def write(self, value: Any) -> None:
        """Write a value."""
        kind = type(value)
        if kind is str:
            self._text("str", value)
        elif kind in (int, bool, types.NoneType, types.EllipsisType, types.NotImplementedType):
            self._text(kind.__name__, repr(value))
        elif kind is float:
            self._bytes("float", struct.pack(">d", value))
        elif kind is complex:
            self._bytes("complex", struct.pack(">dd", value.real, value.imag))
        elif kind in (bytes, bytearray):
            self._bytes(kind.__name__, value)
        elif kind is tuple:
            self._items("tuple", value)
        elif kind in (set, frozenset):
            self._unordered(kind.__name__, value)
        elif kind is types.CodeType:
            self._code(value)
        elif kind in _REFERRED or isinstance(value, (type, *_BUILTINS)):
            self._refer(value)
        elif not self._is_repeated(value):
            self._write_object(kind, value)

    def _write_object(self, kind: type[Any], value: Any) -> None:
        """Write an object that may be changed, and may contain itself."""
        if kind is list:
            self._items("list", value)
        elif kind is dict or kind is types.MappingProxyType:
            self._items(kind.__name__, [part for pair in value.items() for part in pair])
        elif kind is types.MethodType:
            self._items("method", (value.__func__, value.__self__))
        elif kind in (types.BuiltinMethodType, types.MethodWrapperType):
            self._builtin(value)
        elif isinstance(value, (staticmethod, classmethod)):
            self._items(kind.__name__, (value.__func__,))
        elif kind is property:
            self._items("property", (value.fget, value.fset, value.fdel))
        elif isinstance(value, functools.cached_property):
            self._items("cached_property", (value.func, value.attrname))
        elif isinstance(value, functools._lru_cache_wrapper):
            self._items("lru_cache", (value.__wrapped__, value.cache_parameters()))
        elif isinstance(value, (types.GetSetDescriptorType, types.MemberDescriptorType)):
            self._text("descriptor", value.__name__)
        elif isinstance(value, typing.TypeVar):
            self._text("TypeVar", value.__name__)
        elif self._is_table(kind):
            assert self._codec is not None
            self._text(f"{kind.__module__}.{kind.__qualname__}", self._codec.encode(value))
        else:
            self._reduced(kind, value)

    @staticmethod
    def _is_table(kind: type[Any]) -> bool:
        return kind.__module__.partition(".")[0] in _FRAMES and kind.__name__ in _TABLES

    def _builtin(self, value: Any) -> None:
        module = getattr(value, "__module__", None)
        if module is not None and is_users_module(module):
            raise TypeError(f"{module}.{value.__qualname__} is compiled code, which can't be read")
        if module is not None and self._references is not None:
            self._references.check(module, value.__qualname__)
        self._items("builtin", (value.__qualname__, module))
        if not isinstance(value.__self__, types.ModuleType | None):
            self.write(value.__self__)

    def _reduced(self, kind: type[Any], value: Any) -> None:
        """Write an object as it would be pickled."""
        reduce = copyreg.dispatch_table.get(kind)
        reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        if isinstance(reduced, str):  # a name in a module, such as that of a function of Cython's
            self._items("global", (reduced, str(getattr(value, "__module__", ""))))
            if is_users_module(kind.__module__):
                self._items("object", (kind, getattr(value, "__dict__", None)))
            return
        rebuild, arguments, *rest = reduced
        self._items("object", (rebuild, arguments))
        for part in rest:  # the state, then iterators of items
            self.write(list(part) if isinstance(part, Iterator) else part)

    def _refer(self, value: Any) -> None:
        assert self._references is not None
        if isinstance(value, types.FunctionType):
            self._text("function", self._references.function(value))
        elif isinstance(value, type):
            self._text("class", self._references.class_(value))
        elif isinstance(value, types.ModuleType):
            self._text("module", self._references.module(value))
        else:  # a method of a type in C
            self._items("slot", (value.__qualname__, value.__objclass__))

    def _code(self, code: types.CodeType) -> None:
        self._items(
            "code",
            (
                code.co_name,
                code.co_code,
                code.co_consts,
                code.co_names,
                code.co_varnames,
                code.co_freevars,
                code.co_cellvars,
                code.co_argcount,
                code.co_posonlyargcount,
                code.co_kwonlyargcount,
                code.co_flags,
                getattr(code, "co_exceptiontable", b""),
            ),
        )

    def _is_repeated(self, value: Any) -> bool:
        """Write a reference to an object that was written before; return False for a new one."""
        number = self._seen.setdefault(id(value), len(self._seen))
        if number < len(self._alive):
            self._text("again", str(number))
            return True
        self._alive.append(value)
        return False

    def _items(self, tag: str, items: Any) -> None:
        several = list(items)
        self._text(tag, str(len(several)))
        for item in several:
            self.write(item)

    def _unordered(self, tag: str, items: Any) -> None:
        digests = []
        for item in items:
            writer = _Writer(self._references, self._codec)
            writer.write(item)
            digests.append(writer.digest)
        self._items(tag, sorted(digests))

    def _text(self, tag: str, text: str) -> None:
        self._bytes(tag, text.encode("utf-8", "surrogatepass"))

    def _bytes(self, tag: str, content: bytes | bytearray) -> None:
        self._hash.update(f"{tag}:{len(content)}:".encode())
        self._hash.update(content)


_REFERRED = frozenset({types.FunctionType, types.ModuleType})
