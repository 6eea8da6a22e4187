"""The name that operations of entities have in common, whichever entity they are of."""

from __future__ import annotations

from durablenb.core.requests import name_in
from durablenb.model.events import EntityLockRequested, Event


def family_in(event: Event) -> str:
    """Return the name of what an event is about, with ``*`` for the keys of entities.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from durablenb.model.events import EntityOperationCalled
    >>> family_in(EntityOperationCalled(7, datetime(2026, 1, 1, tzinfo=UTC), 2, "add", "@counter@a", "5"))
    '@counter@*.add'
    """
    if isinstance(event, EntityLockRequested):
        return ", ".join(dict.fromkeys(_any_of(entity_id) for entity_id in event.entity_ids))
    entity_id = getattr(event, "entity_id", None)
    return name_in(event) if entity_id is None else f"{_any_of(entity_id)}.{getattr(event, 'name', '')}"


def _any_of(entity_id: str) -> str:
    return f"@{entity_id.removeprefix('@').partition('@')[0]}@*"
