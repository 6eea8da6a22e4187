"""Prefixes of ids, so that imported histories don't clash with others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from durablenb.model.events import Event, ExecutionStarted, Origin, ParentInstance

Rename = Callable[[str], str]

Ids = tuple[str, str]
"""The ids of an instance and of an execution."""


def prefixed(instance_id: str, prefix: str) -> str:
    """Return an id of an instance or an execution with a prefix; in an entity's id, the key gets it."""
    if not instance_id.startswith("@"):
        return prefix + instance_id
    name, separator, key = instance_id[1:].partition("@")
    return f"@{name}{separator}{prefix}{key}"


def bare(instance_id: str, prefix: str) -> str:
    """Return an id without its prefix."""
    if not instance_id.startswith("@"):
        return instance_id.removeprefix(prefix)
    name, separator, key = instance_id[1:].partition("@")
    return f"@{name}{separator}{key.removeprefix(prefix)}"


def with_prefix(event: Event, prefix: str) -> Event:
    """Return an event with a prefix before all ids in it; an execution's first event records the prefix."""
    renamed = _renamed(event, lambda id_: prefixed(id_, prefix))
    if isinstance(renamed, ExecutionStarted):
        return replace(renamed, prefix=prefix + renamed.prefix)
    return renamed


def without_prefix(ids: Ids, history: Sequence[Event]) -> tuple[Ids, Sequence[Event]]:
    """Return the ids and the events of an execution without the prefix of its ids, if it has one."""
    started = history[0] if history else None
    if not isinstance(started, ExecutionStarted) or not started.prefix:
        return ids, history
    prefix = started.prefix
    events = [_renamed(event, lambda id_: bare(id_, prefix)) for event in history]
    events = [replace(event, prefix="") if isinstance(event, ExecutionStarted) else event for event in events]
    return (bare(ids[0], prefix), bare(ids[1], prefix)), events


def _renamed(event: Event, rename: Rename) -> Event:
    changes: dict[str, Any] = {}
    for name in ("instance_id", "entity_id"):
        if (value := getattr(event, name, None)) is not None:
            changes[name] = rename(value)
    for name in ("parent", "caller"):
        if (link := getattr(event, name, None)) is not None:
            changes[name] = _renamed_link(link, rename)
    if (several := getattr(event, "entity_ids", None)) is not None:
        changes["entity_ids"] = tuple(map(rename, several))
    if isinstance(event, ExecutionStarted) and event.forked_from:
        changes["forked_from"] = tuple(_renamed_origins(event.forked_from, rename))
    return replace(event, **changes) if changes else event


def _renamed_link(link: ParentInstance, rename: Rename) -> ParentInstance:
    return replace(link, instance_id=rename(link.instance_id), execution_id=rename(link.execution_id))


def _renamed_origins(origins: Iterable[Origin], rename: Rename) -> Iterable[Origin]:
    for origin in origins:
        parent = origin.parent_instance_id
        yield replace(
            origin,
            instance_id=rename(origin.instance_id),
            execution_id=rename(origin.execution_id),
            parent_instance_id=None if parent is None else rename(parent),
        )
