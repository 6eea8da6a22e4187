"""The validation of bundles before they are imported: ids, order, ancestors, blobs and log lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from durablenb.core.ports.store import HistoryBundle, Record
from durablenb.journal.bundle.values import blob_references
from durablenb.model.entities import EntityId
from durablenb.model.events import EntityEvent, ExecutionStarted
from durablenb.model.ids import checked_instance_id
from durablenb.model.source import source_hash


def check_bundle(bundle: HistoryBundle) -> HistoryBundle:
    """Return the bundle if it is consistent and complete.

    Raises
    ------
    ValueError
        If an id is invalid, events are out of order, a value refers to a missing blob, or an instance is its
        own ancestor.
    """
    _check_ids({record.instance_id for record in bundle.records})
    owners = _check_order(bundle.records)
    _check_ancestors(bundle.records)
    _check_blobs(bundle)
    for hash_, text in bundle.sources:
        if source_hash(text) != hash_:
            raise ValueError(f"the source {hash_!r} has another hash")
    for line in bundle.lines:
        if line.instance_id not in owners.values():
            raise ValueError(f"a line of the log is of {line.instance_id!r}, which isn't there")
    for state in bundle.outputs:
        if state.instance_id not in owners.values():
            raise ValueError(f"an output is of {state.instance_id!r}, which isn't there")
    return bundle


def _check_ids(ids: Iterable[str]) -> None:
    for instance_id in ids:
        if not instance_id.startswith("@"):
            checked_instance_id(instance_id)
        elif str(EntityId.get_entity_id(instance_id)) != instance_id:
            raise ValueError(f"{instance_id!r} is no entity's id: the name is in lower case")


def _check_order(records: Sequence[Record]) -> dict[str, str]:
    """Return the instance of each execution."""
    owners: dict[str, str] = {}
    last: dict[str, int] = {}
    started: set[str] = set()
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
        if isinstance(event, ExecutionStarted) and event.generation and instance_id not in started:
            raise ValueError(f"{instance_id!r} begins with execution {event.generation}, not with 0")
        started.add(instance_id)
    return owners


def _check_ancestors(records: Sequence[Record]) -> None:
    parents: dict[str, set[str]] = {}
    for _, instance_id, _, event in records:
        if isinstance(event, ExecutionStarted) and event.parent is not None:
            parents.setdefault(instance_id, set()).add(event.parent.instance_id)
    checked: set[str] = set()
    for first in parents:
        path: list[str] = []
        stack = [(first, 0)]
        while stack:
            instance_id, depth = stack.pop()
            checked.update(path[depth:])
            del path[depth:]
            if instance_id in path:
                raise ValueError(f"{instance_id!r} is its own ancestor")
            if instance_id in checked or instance_id not in parents:
                continue
            path.append(instance_id)
            stack += [(parent, len(path)) for parent in parents[instance_id]]
        checked.update(path)


def _check_blobs(bundle: HistoryBundle) -> None:
    hashes = {blob.hash for blob in bundle.blobs}
    for blob in bundle.blobs:
        if sha256(blob.content).hexdigest() != blob.hash:
            raise ValueError(f"the blob {blob.hash[:12]!r} has another hash")
    for record in bundle.records:
        _check_present(blob_references(record.event), hashes, f"a value of {record.instance_id!r}")
    for state in bundle.outputs:
        used = [part.hash for part in state.parts if part.hash is not None]
        _check_present(used, hashes, f"an output of {state.instance_id!r}")


def _check_present(used: Iterable[str], hashes: set[str], user: str) -> None:
    for hash_ in used:
        if hash_ not in hashes:
            raise ValueError(f"{user} refers to the blob {hash_[:12]}, which isn't there")
