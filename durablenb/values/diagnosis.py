"""Why a value could not be written, where that is found out afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from durablenb.values.refusal import Refusal
from durablenb.values.writer import Writer

if TYPE_CHECKING:
    from durablenb.values.codec import ValueCodec


def why_too_deep(value: object, codec: ValueCodec, otherwise: Refusal) -> Refusal:
    """A refusal that says that the value holds itself, or the other one."""
    try:
        _Tracker(codec).tree(value)
    except Refusal as refusal:
        return refusal
    except RecursionError:
        pass
    return otherwise


class _Tracker(Writer):
    """Looks for a value inside itself."""

    __slots__ = ("_above",)

    def __init__(self, codec: ValueCodec) -> None:
        super().__init__(codec.types, codec.shelf, codec)
        self._above: set[int] = set()

    def tree(self, value: Any, depth: int = 0) -> Any:
        if type(value) in self.plain:
            return value
        if id(value) in self._above:
            raise Refusal("a reference to itself", "Break the cycle")
        self._above.add(id(value))
        try:
            return super().tree(value, depth)
        finally:
            self._above.discard(id(value))


def blamed(tree: Any, error: Exception) -> Refusal:
    """What JSON's encoder refused: a number of too many digits, or what a redaction returned."""
    items: Any = ()
    if isinstance(tree, dict):
        items = tree.items()
    elif isinstance(tree, (list, tuple)):
        items = enumerate(tree)
    for key, item in items:
        try:
            json.dumps(item, allow_nan=False)
        except (ValueError, TypeError) as inner:
            return blamed(item, inner).within(f"[{key!r}]")
    if type(tree) is int:
        return Refusal("a number of too many digits", "Hand it on as text")
    return Refusal(
        f"a {type(tree).__name__} that can't become text ({error})",
        "Replace it by text, or by something smaller",
    )
