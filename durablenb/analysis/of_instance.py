"""Items of one kind that an instance has, in order: its events, the lines of its log, its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from durablenb.model.display import SavedSequence

T = TypeVar("T")


class OfInstance(SavedSequence[T]):
    """A sequence that belongs to an instance, and so do its slices.

    Parameters
    ----------
    instance_id
        The instance's id.
    items
        The items, in order.
    """

    def __init__(self, instance_id: str, items: Iterable[T]) -> None:
        super().__init__(items)
        self.instance_id = instance_id

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type(self)):
            return (self.instance_id, self._items) == (other.instance_id, other._items)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.instance_id)
