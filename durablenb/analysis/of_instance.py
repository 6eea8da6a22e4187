"""Items of one kind that an instance has, in order: its events, the lines of its log, its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Self, TypeVar, overload

from durablenb.model.display import Saved

T = TypeVar("T")


class OfInstance(Saved, Sequence[T]):
    """A sequence that belongs to an instance, and so do its slices.

    Parameters
    ----------
    instance_id
        The instance's id.
    items
        The items, in order.
    """

    def __init__(self, instance_id: str, items: Iterable[T]) -> None:
        self.instance_id = instance_id
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if isinstance(index, slice):
            return type(self)(self.instance_id, self._items[index])
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type(self)):
            return (self.instance_id, self._items) == (other.instance_id, other._items)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.instance_id)
