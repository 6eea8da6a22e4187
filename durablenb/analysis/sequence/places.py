"""Where events of a history stand that were written more than once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from durablenb.model.events import Event, EventRaised, ExecutionRewound, ExecutionStarted

_Key = tuple[type[Event], datetime, int | None, str | None]


def places_of(events: Sequence[Event], asked: set[int]) -> tuple[dict[int, int], set[int]]:
    """Return where each event stands in the history, and which ones are copies, by their identities.

    A rewind writes what it keeps once more, and continue-as-new the external events that nobody had waited
    for: those stand where they stood first. What a rewind lets be done again was asked for twice.
    """
    places: dict[int, int] = {}
    copies: set[int] = set()
    own: dict[_Key, list[int]] = {}
    before: dict[_Key, list[int]] = {}
    for place, event in enumerate(events):
        if isinstance(event, ExecutionRewound):
            own, before = {}, own
        elif isinstance(event, ExecutionStarted) and event.generation and not before:
            before = {key: several for key, several in own.items() if key[0] is EventRaised}
            own = {}
        key = (type(event), event.timestamp, getattr(event, "task_id", None), getattr(event, "name", None))
        own.setdefault(key, []).append(place)
        earlier = before.get(key)
        first = earlier.pop(0) if earlier else place
        is_copy = first != place and id(events[first]) not in asked
        places[id(event)] = first if is_copy else place
        if is_copy:
            copies.add(id(event))
    return places, copies
