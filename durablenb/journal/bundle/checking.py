"""Whether a parcel holds together: only what does may come into a hub."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from durablenb.core.ports.store import Parcel, Record
from durablenb.model.entities import EntityId
from durablenb.model.events import EntityEvent, Event, ExecutionStarted
from durablenb.model.ids import checked_instance_id
from durablenb.model.imports import KeptBlob
from durablenb.model.payloads import references
from durablenb.model.source import hash_of

_VALUES = ("input", "result", "status", "state")


def checked(parcel: Parcel) -> Parcel:
    """The parcel itself, if all of it belongs together and to nothing else.

    Raises
    ------
    ValueError
        If an id can't be one, events don't follow each other, a value refers to what isn't there, or an
        instance is its own ancestor.
    """
    _check_ids({record.instance_id for record in parcel.records})
    owners = _check_order(parcel.records)
    _check_ancestors(parcel.records)
    _check_blobs(parcel.records, parcel.blobs)
    for one, text in parcel.sources:
        if hash_of(text) != one:
            raise ValueError(f"the source {one!r} has another hash")
    for line in parcel.lines:
        if line.instance_id not in owners.values():
            raise ValueError(f"a line of the log is of {line.instance_id!r}, which isn't there")
    return parcel


def checked_id(instance_id: str) -> str:
    """The id itself, if it can be an instance's or an entity's.

    Raises
    ------
    ValueError
        If it can't.
    """
    if instance_id.startswith("@"):
        if str(EntityId.get_entity_id(instance_id)) != instance_id:
            raise ValueError(f"{instance_id!r} is no entity's id: the name is in lower case")
        return instance_id
    return checked_instance_id(instance_id)


def _check_ids(ids: Iterable[str]) -> None:
    for instance_id in ids:
        checked_id(instance_id)


def _check_order(records: Sequence[Record]) -> dict[str, str]:
    """Answers whose each execution is."""
    owners: dict[str, str] = {}
    last: dict[str, int] = {}
    begun: set[str] = set()
    for _, instance_id, execution_id, event in records:
        is_first = execution_id not in owners
        if owners.setdefault(execution_id, instance_id) != instance_id:
            raise ValueError(f"{instance_id!r} and {owners[execution_id]!r} have an execution in common")
        if not is_first and event.event_id <= last[execution_id]:
            raise ValueError(
                f"event {event.event_id} of {instance_id!r} is there twice, or comes after a later one"
            )
        last[execution_id] = event.event_id
        is_entity = instance_id.startswith("@")
        if is_entity is not isinstance(event, EntityEvent):
            kind = type(event).__name__
            raise ValueError(f"{instance_id!r} can't have an event {kind}")
        if is_first and not is_entity and not isinstance(event, ExecutionStarted):
            raise ValueError(f"the history of {instance_id!r} has no beginning")
        if isinstance(event, ExecutionStarted) and event.generation and instance_id not in begun:
            raise ValueError(f"{instance_id!r} begins with execution {event.generation}, not with 0")
        begun.add(instance_id)
    return owners


def _check_ancestors(records: Sequence[Record]) -> None:
    parents: dict[str, set[str]] = {}
    for _, instance_id, _, event in records:
        if isinstance(event, ExecutionStarted) and event.parent is not None:
            parents.setdefault(instance_id, set()).add(event.parent.instance_id)
    settled: set[str] = set()
    for first in parents:
        path: list[str] = []
        waiting = [(first, 0)]
        while waiting:
            one, depth = waiting.pop()
            settled.update(path[depth:])
            del path[depth:]
            if one in path:
                raise ValueError(f"{one!r} is its own ancestor")
            if one in settled or one not in parents:
                continue
            path.append(one)
            waiting += [(parent, len(path)) for parent in parents[one]]
        settled.update(path)


def _check_blobs(records: Sequence[Record], blobs: Sequence[KeptBlob]) -> None:
    there = {blob.hash for blob in blobs}
    for blob in blobs:
        if sha256(blob.content).hexdigest() != blob.hash:
            raise ValueError(f"the blob {blob.hash[:12]!r} has another hash")
    for record in records:
        for one in _referred(record.event):
            if one not in there:
                raise ValueError(
                    f"a value of {record.instance_id!r} refers to the blob {one[:12]}, which isn't there"
                )


def _referred(event: Event) -> Iterable[str]:
    for name in _VALUES:
        text = getattr(event, name, None)
        if isinstance(text, str):
            yield from references(text)
