"""Values become trees of what JSON has; what it doesn't have is tagged ``{"@type": ..., "@value": ...}``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durablenb.model.payloads import DEPTH_LIMIT, Blob
from durablenb.values.refusal import Refusal, a
from durablenb.values.tags import TAGS

if TYPE_CHECKING:
    from durablenb.values.kinds import Cells
    from durablenb.values.shelf import Shelf
    from durablenb.values.types import Types

Encoder = Callable[["Writer", Any, int], Any]

PLAIN = frozenset({str, int, bool, type(None), float})
"""JSON's own; a float that isn't finite is found when the text is made."""

PLAIN_BUT_FLOATS = PLAIN - {float}

_TEXT = frozenset({str})
_UNHASHABLE = frozenset({"dict", "set", "bytearray"})
_REMEDY = (
    "Use JSON's types, the standard library's, data frames and arrays; make your own class a dataclass. "
    "Pickle a model, as durablenb.Pickled(value) in a hub opened with allow_pickle=True, or save it and "
    "pass its path"
)


class Writer:
    """Writes one value.

    Parameters
    ----------
    types
        The user's types.
    shelf
        Where blobs are made; None where there may be none.
    cells
        How the objects inside a data frame are written.
    checks_floats
        Whether floats that aren't finite are looked for, which takes time.
    """

    __slots__ = ("blobs", "cells", "plain", "shelf", "types")

    def __init__(
        self, types: Types, shelf: Shelf | None, cells: Cells, *, checks_floats: bool = False
    ) -> None:
        self.types = types
        self.shelf = shelf
        self.cells = cells
        self.plain = PLAIN_BUT_FLOATS if checks_floats else PLAIN
        self.blobs: dict[str, Blob] = {}

    def tree(self, value: Any, depth: int = 0) -> Any:
        """The value as what JSON has; one call a level, so that deep values are no trouble.

        Raises
        ------
        Refusal
            If something inside it can't be kept.
        """
        kind = type(value)
        if kind in self.plain:
            return value
        if depth >= DEPTH_LIMIT:
            raise too_deep()
        if kind is list:
            if self.plain.issuperset(map(type, value)):
                return value
            made: list[Any] = []
            try:
                for item in value:
                    made.append(self.tree(item, depth + 1))
            except Refusal as refusal:
                refusal.within(f"[{len(made)}]")
                raise
            return made
        if kind is dict and _TEXT.issuperset(map(type, value)) and not _looks_tagged(value):
            if self.plain.issuperset(map(type, value.values())):
                return value
            fields: dict[str, Any] = {}
            key = ""
            try:
                for key, item in value.items():
                    fields[key] = self.tree(item, depth + 1)
            except Refusal as refusal:
                refusal.within(f"[{key!r}]")
                raise
            return fields
        return self.types.encoder(kind)(self, value, depth)

    def hashable(self, value: Any, depth: int) -> Any:
        """A key of a dict, or an item of a set; it has to come back as something hashable."""
        tree = self.tree(value, depth)
        if not _is_hashable(tree):
            raise Refusal(
                f"{a(type(value))} as a key, or in a set", "Register its type: hub.register_type(...)"
            )
        return tree


def tagged(name: str, tree: Any) -> dict[str, Any]:
    """A tree under a tag."""
    return {"@type": name, "@value": tree}


def encoder_of(kind: type) -> Encoder | None:
    """How the standard library's types are written, and what is made of them by inheritance alone."""
    for base in kind.__mro__:
        found = _ENCODERS.get(base)
        if found is not None:
            return found
    return None


def refused(kind: type) -> Encoder:
    """The encoder of what can't be kept."""

    def refuse(writer: Writer, value: Any, depth: int) -> Any:
        raise Refusal(a(kind), _REMEDY)

    return refuse


def too_deep() -> Refusal:
    """The refusal of a value of too many levels."""
    refusal = Refusal(f"more than {DEPTH_LIMIT} levels deep", "Flatten the value")
    refusal.is_too_deep = True
    return refusal


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
    if number - number == 0:  # not so for inf and nan
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
        except Refusal as refusal:
            refusal.within("{...}")
            raise
        # A set has no order, or another one in each process; its text has to be the same in all of them.
        return tagged(name, sorted(items, key=json.dumps))

    return write


def _dict(writer: Writer, value: dict[Any, Any], depth: int) -> Any:
    """One with keys that aren't text, or with keys that look like a tag: as pairs."""
    plain = dict(value)
    if type(value) is not dict and _TEXT.issuperset(map(type, plain)) and not _looks_tagged(plain):
        return writer.tree(plain, depth)
    pairs = []
    key: Any = None
    try:
        for key, item in plain.items():
            pairs.append([writer.hashable(key, depth + 3), writer.tree(item, depth + 3)])
    except Refusal as refusal:
        refusal.within(f"[{_shown(key)}]")
        raise
    return tagged("dict", pairs)


def _shown(key: object) -> str:
    try:
        return repr(key)
    except Exception:
        return f"<{type(key).__name__}>"


def _simple(name: str) -> Encoder:
    write = TAGS[name].write

    def encode(writer: Writer, value: Any, depth: int) -> Any:
        return {"@type": name, "@value": write(value)}

    return encode


_ENCODERS: dict[type, Encoder] = {
    **{tag.kind: _simple(name) for name, tag in TAGS.items()},
    str: lambda writer, value, depth: str.__str__(value),
    int: lambda writer, value, depth: int.__int__(value),
    float: _float,
    list: _list,
    dict: _dict,
    tuple: _tuple,
    set: _set_as("set"),
    frozenset: _set_as("frozenset"),
}
