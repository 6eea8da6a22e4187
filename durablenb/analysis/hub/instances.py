"""Instances as a sequence that shows as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import overload

from durablenb.analysis.drawn import DrawnInstance
from durablenb.model.display import Displayed
from durablenb.model.status import DurableOrchestrationStatus


class InstanceList(Displayed, Sequence[DurableOrchestrationStatus]):
    """Where several instances stand; equal to a list of the same.

    Parameters
    ----------
    statuses
        Of each, in order.
    handle_of
        Gives the handle of one, where they are from.
    """

    def __init__(
        self,
        statuses: Sequence[DurableOrchestrationStatus],
        handle_of: Callable[[str], DrawnInstance] | None = None,
    ) -> None:
        self._statuses = tuple(statuses)
        self._handle_of = handle_of

    def handles(self) -> list[DrawnInstance] | None:
        """Return the handles of all of them; None if it isn't known where they are from."""
        if self._handle_of is None:
            return None
        return [self._handle_of(str(status.instance_id)) for status in self._statuses]

    @overload
    def __getitem__(self, index: int) -> DurableOrchestrationStatus: ...
    @overload
    def __getitem__(self, index: slice) -> InstanceList: ...
    def __getitem__(self, index: int | slice) -> DurableOrchestrationStatus | InstanceList:
        if isinstance(index, slice):
            return InstanceList(self._statuses[index], self._handle_of)
        return self._statuses[index]

    def __len__(self) -> int:
        return len(self._statuses)

    def __iter__(self) -> Iterator[DurableOrchestrationStatus]:
        return iter(self._statuses)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (InstanceList, list)):
            return list(self) == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def counts(self) -> dict[str, int]:
        """Return how many there are of each status."""
        return dict(Counter(str(status.runtime_status) for status in self._statuses))

    def __repr__(self) -> str:
        counts = ", ".join(f"{count:,} {status}" for status, count in self.counts().items())
        return f"<{len(self):,} instance{'' if len(self) == 1 else 's'}{': ' if counts else ''}{counts}>"
