"""The executions of an instance, one after the other, and the code with which each began."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from durablenb.core.generations import GenerationCounter, is_remnant
from durablenb.core.ports.store import Record
from durablenb.model.events import Event, ExecutionStarted
from durablenb.model.source import Source

FindText = Callable[[str], str | None]
"""Gives the source text with a hash, if it is kept."""


class RecordedExecutions:
    """The executions of an instance, numbered from 1, oldest first, without purged generations."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._all: list[tuple[str, list[Event]]] = []
        self._counter = GenerationCounter()
        self.seq = 0
        """The position of the last added event in the journal."""
        self.add(records)

    def add(self, records: Iterable[Record]) -> bool:
        """Add later events; return whether there were any."""
        before = self.seq
        for record in records:
            self.seq = record.seq
            self._counter.read(record.event)
            if isinstance(record.event, ExecutionStarted):
                if self._all and is_remnant(self._all[-1][1][-1], record.event):
                    self._all.pop()
                self._all.append((record.execution_id, []))
            if self._all:
                self._all[-1][1].append(record.event)
        return self.seq != before

    @property
    def purged(self) -> int:
        """The number of generations that were purged."""
        return self._counter.purged

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, number: int) -> tuple[str, Sequence[Event]]:
        """Return the id and the events of an execution.

        Raises
        ------
        ValueError
            If there is no such execution.
        """
        if not 1 <= number <= len(self):
            raise ValueError(f"There is no execution {number:,}: they are numbered from 1 to {len(self):,}.")
        return self._all[number - 1]


def text_at_start(events: Sequence[Event], text_of: FindText, now: Source | None = None) -> str | None:
    """Return the source text with which an execution began, if it is kept and isn't that of `now`."""
    started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
    was = None if started is None else started.source
    return None if was is None or (now is not None and now.hash == was) else text_of(was)
