"""Names of functions: compared without case, as Azure's host does, and shown as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import TypeVar

T = TypeVar("T")


def folded(name: str) -> str:
    """What two names have in common that differ in case alone."""
    return name.lower()


class ByName(MutableMapping[str, T]):
    """Things by the names of functions; a name that is set again is kept as it was written last."""

    def __init__(self, items: Iterable[tuple[str, T]] = ()) -> None:
        self._items: dict[str, tuple[str, T]] = {}
        self.update(items)

    def __getitem__(self, name: str) -> T:
        return self._items[folded(name)][1]

    def __setitem__(self, name: str, value: T) -> None:
        self._items[folded(name)] = (name, value)

    def __delitem__(self, name: str) -> None:
        del self._items[folded(name)]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and folded(name) in self._items

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._items.values()])

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items())!r})"
