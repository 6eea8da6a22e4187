"""Encoding: turns values into JSON trees; types that JSON lacks become ``{"@type": ..., "@value": ...}``.

Beside the writer, the searches for the part of a value that made encoding fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durablenb.model.arguments import TAG, Arguments
from durablenb.model.payloads import DEPTH_LIMIT, Blob
from durablenb.values.encode_error import EncodeError, describe_type
from durablenb.values.standard_types import STANDARD_TYPES

if TYPE_CHECKING:
    from durablenb.values.blob_cache import BlobCache
    from durablenb.values.converter_kinds import CellCodec
    from durablenb.values.type_registry import TypeRegistry

Encoder = Callable[["Writer", Any, int], Any]

PLAIN = frozenset({str, int, bool, type(None), float})
"""JSON's own types; a float that isn't finite is noticed when the text is made."""

PLAIN_BUT_FLOATS = PLAIN - {float}

_TEXT = frozenset({str})
_UNHASHABLE = frozenset({"dict", "set", "bytearray"})
_REMEDY = (
    "Use JSON's types, the standard library's, data frames and arrays; make your own class a dataclass. "
    "Pickle a model, as durablenb.Pickled(value) in a hub opened with allow_pickle=True, or save it and "
    "pass its path"
)


class Writer:
    """Encodes one value.

    Parameters
    ----------
    types
        The registry with the encoder of each type.
    blob_cache
        The cache that makes blobs; None where a value may have none.
    cells
        The codec of the objects inside data frames.
    checks_floats
        Look for floats that aren't finite, which takes time.
    """

    __slots__ = ("blob_cache", "blobs", "cells", "plain", "types")

    def __init__(
        self,
        types: TypeRegistry,
        blob_cache: BlobCache | None,
        cells: CellCodec,
        *,
        checks_floats: bool = False,
    ) -> None:
        self.types = types
        self.blob_cache = blob_cache
        self.cells = cells
        self.plain = PLAIN_BUT_FLOATS if checks_floats else PLAIN
        self.blobs: dict[str, Blob] = {}

    def tree(self, value: Any, depth: int = 0) -> Any:
        """Return a value's JSON tree; one call for each level, so that deep values don't exhaust the stack.

        Raises
        ------
        EncodeError
            If a part of the value can't be kept.
        """
        kind = type(value)
        if kind in self.plain:
            return value
        if depth >= DEPTH_LIMIT:
            raise too_deep()
        if kind is list:
            if self.plain.issuperset(map(type, value)):
                return value
            items: list[Any] = []
            try:
                for item in value:
                    items.append(self.tree(item, depth + 1))
            except EncodeError as error:
                error.within(f"[{len(items)}]")
                raise
            return items
        if kind is dict and _TEXT.issuperset(map(type, value)) and not _looks_tagged(value):
            if self.plain.issuperset(map(type, value.values())):
                return value
            fields: dict[str, Any] = {}
            key = ""
            try:
                for key, item in value.items():
                    fields[key] = self.tree(item, depth + 1)
            except EncodeError as error:
                error.within(f"[{key!r}]")
                raise
            return fields
        return self.types.encoder(kind)(self, value, depth)

    def hashable(self, value: Any, depth: int) -> Any:
        """Return the tree of a dict's key or a set's item, whose decoded value has to be hashable."""
        tree = self.tree(value, depth)
        if not _is_hashable(tree):
            raise EncodeError(
                f"{describe_type(type(value))} as a key, or in a set",
                "Register its type: hub.register_type(...)",
            )
        return tree


def tagged(name: str, tree: Any) -> dict[str, Any]:
    """Return a tree under a tag."""
    return {"@type": name, "@value": tree}


def standard_encoder(kind: type) -> Encoder | None:
    """Return the encoder of a type of the standard library, or of a class that inherits from one."""
    for base in kind.__mro__:
        encoder = _ENCODERS.get(base)
        if encoder is not None:
            return encoder
    return None


def refusing_encoder(kind: type) -> Encoder:
    """Return the encoder of a type whose values can't be kept."""

    def refuse(writer: Writer, value: Any, depth: int) -> Any:
        raise EncodeError(describe_type(kind), _REMEDY)

    return refuse


def too_deep() -> EncodeError:
    """Return the error for a value of too many levels."""
    error = EncodeError(f"more than {DEPTH_LIMIT} levels deep", "Flatten the value")
    error.is_too_deep = True
    return error


# -- the culprit, searched for after encoding has failed -------------------------------------------


def find_cycle(
    value: object, types: TypeRegistry, blob_cache: BlobCache | None, cells: CellCodec
) -> EncodeError | None:
    """Return the error for a value that contains itself, or another one that encoding it raises."""
    try:
        _CycleFinder(types, blob_cache, cells).tree(value)
    except EncodeError as error:
        return error
    except RecursionError:
        pass
    return None


class _CycleFinder(Writer):
    """Looks for a value inside itself."""

    __slots__ = ("_enclosing",)

    def __init__(self, types: TypeRegistry, blob_cache: BlobCache | None, cells: CellCodec) -> None:
        super().__init__(types, blob_cache, cells)
        self._enclosing: set[int] = set()

    def tree(self, value: Any, depth: int = 0) -> Any:
        if type(value) in self.plain:
            return value
        if id(value) in self._enclosing:
            raise EncodeError("a reference to itself", "Break the cycle")
        self._enclosing.add(id(value))
        try:
            return super().tree(value, depth)
        finally:
            self._enclosing.discard(id(value))


def find_unencodable(tree: Any, error: Exception) -> EncodeError:
    """Return the error for the part that JSON's encoder rejected.

    Such a part is a number of too many digits, or a result of `redact`.
    """
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    for key, item in items:
        try:
            json.dumps(item, allow_nan=False)
        except (ValueError, TypeError) as inner:
            return find_unencodable(item, inner).within(f"[{key!r}]")
    if type(tree) is int:
        return EncodeError("a number of too many digits", "Pass it as text")
    return EncodeError(
        f"a {type(tree).__name__} that can't become text ({error})",
        "Replace it by text, or by something smaller",
    )


# -- the standard library's types ------------------------------------------------------------------


def _looks_tagged(value: dict[Any, Any]) -> bool:
    return "@type" in value or "@payload" in value


def _is_hashable(tree: Any) -> bool:
    if not isinstance(tree, dict):
        return not isinstance(tree, list)
    name = tree.get("@type")
    if name == "tuple":
        return all(map(_is_hashable, tree["@value"]))
    return name is not None and name not in _UNHASHABLE and "@payload" not in tree


def _float(writer: Writer, value: float, depth: int) -> Any:
    number = float.__float__(value)
    if number - number == 0:  # false for inf and nan
        return number
    return tagged("float", float.__repr__(number))


def _list(writer: Writer, value: list[Any], depth: int) -> Any:
    return writer.tree(list(value), depth)


def _tuple(writer: Writer, value: tuple[Any, ...], depth: int) -> Any:
    return tagged("tuple", writer.tree(list(value), depth + 1))


def _set_as(name: str) -> Encoder:
    def write(writer: Writer, value: Any, depth: int) -> Any:
        try:
            items = [writer.hashable(item, depth + 2) for item in value]
        except EncodeError as error:
            error.within("{...}")
            raise
        # A set's order varies between processes; its text must not.
        return tagged(name, sorted(items, key=json.dumps))

    return write


def _dict(writer: Writer, value: dict[Any, Any], depth: int) -> Any:
    """Encode a dict as pairs if it has keys that aren't text, or keys that look like a tag."""
    plain = dict(value)
    if type(value) is not dict and _TEXT.issuperset(map(type, plain)) and not _looks_tagged(plain):
        return writer.tree(plain, depth)
    pairs = []
    key: Any = None
    try:
        for key, item in plain.items():
            pairs.append([writer.hashable(key, depth + 3), writer.tree(item, depth + 3)])
    except EncodeError as error:
        error.within(f"[{_safe_repr(key)}]")
        raise
    return tagged("dict", pairs)


def _arguments(writer: Writer, value: Arguments, depth: int) -> Any:
    return tagged(TAG, writer.tree([list(value.positional), value.named], depth + 1))


def _safe_repr(key: object) -> str:

    try:
        return repr(key)
    except Exception:
        return f"<{type(key).__name__}>"


def _standard_encoder(name: str) -> Encoder:
    write = STANDARD_TYPES[name].write

    def encode(writer: Writer, value: Any, depth: int) -> Any:
        return {"@type": name, "@value": write(value)}

    return encode


_ENCODERS: dict[type, Encoder] = {
    **{standard_type.kind: _standard_encoder(name) for name, standard_type in STANDARD_TYPES.items()},
    str: lambda writer, value, depth: str.__str__(value),
    int: lambda writer, value, depth: int.__int__(value),
    float: _float,
    list: _list,
    dict: _dict,
    tuple: _tuple,
    set: _set_as("set"),
    frozenset: _set_as("frozenset"),
    Arguments: _arguments,
}
