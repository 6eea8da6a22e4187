"""Names of functions: compared without case, as Azure's host does, and shown as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import TypeVar, overload

T = TypeVar("T")
D = TypeVar("D")


folded = str.lower
"""What two names have in common that differ in case alone. Each step of an orchestration asks for some."""


class ByName(MutableMapping[str, T]):
    """Things by the names of functions; a name that is set again is kept as it was written last.

    Notes
    -----
    `get` isn't the inherited one, which makes an exception of each name that isn't there.
    """

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

    @overload
    def get(self, name: str, /) -> T | None: ...

    @overload
    def get(self, name: str, /, default: T | D) -> T | D: ...

    def get(self, name: str, /, default: D | None = None) -> T | D | None:
        """The thing of that name, or the default."""
        found = self._items.get(folded(name))
        return default if found is None else found[1]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._items.values()])

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items())!r})"
