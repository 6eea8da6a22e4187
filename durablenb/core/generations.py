"""The remains of purged generations, and which ones are gone.

The first event of generation 0 stays in the journal; so the beginning of another generation follows on it at
once, which a history that is whole never has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from durablenb.core.short_repr import plural
from durablenb.model.events import Event, ExecutionStarted


def is_remnant(event: Event | None, following: Event) -> bool:
    """Return True if an event is all that is left of its generation, since this one follows on it."""
    return (
        isinstance(event, ExecutionStarted)
        and isinstance(following, ExecutionStarted)
        and following.generation > 0
    )


def without_remnants(events: Iterable[Event]) -> Iterator[Event]:
    """Yield the events of an instance, without those that are all that is left of their generation."""
    last: Event | None = None
    for event in events:
        if last is not None and not is_remnant(last, event):
            yield last
        last = event
    if last is not None:
        yield last


class GenerationCounter:
    """Reads an instance's events one by one, and counts executions and purged generations.

    Parameters
    ----------
    events
        The first events.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.executions = 0
        """The executions that are there, including those after continue-as-new and rewind."""
        self.purged = 0
        """The generations that were purged."""
        self._generation = 0
        self._last: Event | None = None
        for event in events:
            self.read(event)

    def read(self, event: Event) -> range:
        """Read the next event; return the generations that were purged right before it."""
        last, self._last = self._last, event
        if type(event) is not ExecutionStarted:
            return range(0)
        before, self._generation = self._generation, event.generation
        has_remnant = is_remnant(last, event)
        self.executions += not has_remnant  # which counted, and is none
        gone = range(before + (not has_remnant), event.generation)
        self.purged += len(gone)
        return gone


def purged_text(gone: range) -> str:
    """Return which generations were purged, in words.

    Examples
    --------
    >>> purged_text(range(3)), purged_text(range(4, 5))
    ('3 generations were purged: 0 to 2', '1 generation was purged: 4')
    """
    if len(gone) == 1:
        return f"1 generation was purged: {gone[0]:,}"
    return f"{len(gone):,} generations were purged: {gone[0]:,} to {gone[-1]:,}"


def earlier_purged(count: int) -> str:
    """Return how many generations were purged, in words.

    Examples
    --------
    >>> earlier_purged(1), earlier_purged(1_200)
    ('1 earlier generation purged', '1,200 earlier generations purged')
    """
    return f"{plural(count, 'earlier generation')} purged"
