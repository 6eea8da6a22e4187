"""Names of functions: compared without case, as Azure's host does, and shown as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableMapping
from typing import TypeVar, overload

T = TypeVar("T")
D = TypeVar("D")


folded = str.lower
"""Return a name in the form in which names are compared; cached, since each episode needs several."""


class ByName(MutableMapping[str, T]):
    """A mapping by names of functions, without case; a name keeps its latest spelling.

    Notes
    -----
    `get` replaces the inherited one, which raises and catches an exception for each missing name.
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
        """Return the value of a name, or the default."""
        entry = self._items.get(folded(name))
        return default if entry is None else entry[1]

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, _ in self._items.values()])

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items())!r})"
