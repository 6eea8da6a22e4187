"""Who takes part in an orchestration: who asks for it, it, and whom it asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from durablenb.analysis.instance.steps import MOST_ENTITIES
from durablenb.analysis.instance.timeline import Kind, Span
from durablenb.model.events import (
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
)

Role = Literal["client", "parent", "orchestrator", "activity", "child", "entity"]

STEERING: dict[type[Event], str] = {
    ExecutionSuspended: "suspend",
    ExecutionResumed: "resume",
    ExecutionRewound: "rewind",
    ExecutionTerminated: "terminate",
}
"""What clients ask for, beside raising events."""

BY_CLIENTS: tuple[type[Event], ...] = (EventRaised, *STEERING)

MOST_PARTNERS = 6
"""Lifelines beside the orchestrator's and its client's; of more, those of one role are one."""

_ROLES: dict[Kind, Role] = {
    "activity": "activity",
    "sub-orchestration": "child",
    "entity call": "entity",
    "signal": "entity",
    "lock": "entity",
}
_PLURALS = {"activity": "activities", "child": "children", "entity": "entities"}
BY_ONESELF: tuple[Kind, ...] = ("timer", "external event")


@dataclass(frozen=True, slots=True)
class Lifeline:
    """Somebody who takes part; or all of one role, where they are many."""

    name: str
    role: Role
    is_shared: bool = False


class Cast:
    """Who takes part: those who ask the orchestrator, it, and those whom it asks, in order of appearance."""

    def __init__(self, events: Sequence[Event], spans: Sequence[Span]) -> None:
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        parent = started.parent if started is not None else None
        above: list[Lifeline] = []
        if parent is not None:
            is_entity = parent.instance_id.startswith("@")
            above.append(Lifeline(parent.instance_id if is_entity else parent.name, "parent"))
        if parent is None or any(isinstance(event, BY_CLIENTS) for event in events):
            above.append(Lifeline("client", "client"))
        self.orchestrator = len(above)
        self.client = len(above) - 1
        """Or who started it, where no client had anything to say."""
        partners = _gathered(list(dict.fromkeys(self._named(spans))))
        self.lifelines = (*above, Lifeline(started.name if started else "", "orchestrator"), *partners)
        self._places = {(line.role, line.name): place for place, line in enumerate(self.lifelines)}
        self._shared = {line.role: place for place, line in enumerate(self.lifelines) if line.is_shared}

    def partners_of(self, span: Span) -> list[int]:
        """Return the places of those of whom it is asked; the orchestrator's own if it waits by itself."""
        if span.kind in BY_ONESELF:
            return [self.orchestrator]
        role = _ROLES[span.kind]
        if role in self._shared:
            return [self._shared[role]]
        return [self._places[role, name] for name in self._names(span)]

    def _named(self, spans: Iterable[Span]) -> Iterator[Lifeline]:
        spans = [span for span in spans if span.kind not in BY_ONESELF]
        entity_ids = dict.fromkeys(entity for span in spans for entity in _entities_of(span))
        self._crowds = Counter(map(_crowd_of, entity_ids))
        for span in spans:
            for name in self._names(span):
                yield Lifeline(name, _ROLES[span.kind])

    def _names(self, span: Span) -> list[str]:
        entity_ids = _entities_of(span)
        if not entity_ids:
            return [span.name]
        crowds = self._crowds
        names = (_crowd_of(one) if crowds[_crowd_of(one)] > MOST_ENTITIES else one for one in entity_ids)
        return list(dict.fromkeys(names))


def _gathered(partners: list[Lifeline]) -> list[Lifeline]:
    """Return at most so many lifelines as there is room for."""
    while len(partners) > MOST_PARTNERS:
        counts = Counter(line.role for line in partners if not line.is_shared)
        role, count = counts.most_common(1)[0]
        shared = Lifeline(f"{count:,} {_PLURALS[role]}", role, is_shared=True)
        place = next(place for place, line in enumerate(partners) if line.role == role)
        partners = [line for line in partners if line.role != role]
        partners.insert(min(place, len(partners)), shared)
    return partners


def _entities_of(span: Span) -> tuple[str, ...]:
    request = span.request
    if isinstance(request, EntityLockRequested):
        return request.entity_ids
    if isinstance(request, (EntityOperationCalled, EntityOperationSignaled)):
        return (request.entity_id,)
    return ()


def _crowd_of(entity_id: str) -> str:
    return f"@{entity_id.removeprefix('@').partition('@')[0]}@*"
