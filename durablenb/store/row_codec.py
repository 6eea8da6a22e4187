"""Encodes events as rows of the journal, and decodes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from durablenb.core.ports.store import Record
from durablenb.model import events
from durablenb.model.errors import StoreError
from durablenb.model.failures import FailureDetails

COLUMNS = (
    "seq",
    "instance_id",
    "execution_id",
    "event_id",
    "event_type",
    "timestamp",
    "name",
    "task_id",
    "payload",
    "started_at",
    "attributes",
)

Row = tuple[Any, ...]


class Columns(NamedTuple):
    """The columns of an event's own fields; `extra` fields are in the column of attributes."""

    payload: str | None
    has_name: bool
    has_task: bool
    is_timed: bool
    extra: tuple[str, ...]
    defaults: tuple[Any, ...]
    """The defaults of the extra fields, which aren't written; None for a field without a default."""


_PAYLOADS = (*events.VALUES, "failure", "reason")
"""The fields that are written as the payload."""

_OWN = frozenset(("event_id", "timestamp", "name", "task_id", "started_at", *_PAYLOADS))


def _columns(kind: type[events.Event]) -> Columns:
    own = {field.name: field for field in fields(kind)}
    extra = [field for name, field in own.items() if name not in _OWN]
    return Columns(
        payload=next((name for name in _PAYLOADS if name in own), None),
        has_name="name" in own,
        has_task="task_id" in own,
        is_timed="started_at" in own,
        extra=tuple(field.name for field in extra),
        defaults=tuple(_default(field) for field in extra),
    )


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return None if field.default is MISSING else field.default


EVENT_COLUMNS = {kind: _columns(kind) for kind in events.ALL_EVENTS}
EVENT_TYPES = {kind.__name__: kind for kind in events.ALL_EVENTS}
"""The kinds of events by their names in the journal."""

_EXTRA: dict[type[events.Event], tuple[Callable[[Any], Any], Any]] = {
    kind: (attrgetter(*of.extra), of.defaults if len(of.defaults) > 1 else of.defaults[0])
    for kind, of in EVENT_COLUMNS.items()
    if of.extra
}
"""For each kind of event, a getter of its extra fields, and its result if all have their defaults."""

_WITH_WORKER = tuple(
    kind for kind, of in EVENT_COLUMNS.items() if of.extra in (("worker",), ("worker", "cached_from"))
)


def event_types(kinds: Iterable[type[events.Event]]) -> str:
    """Return the names of these kinds of events as a list of SQL."""
    return ", ".join(f"'{kind.__name__}'" for kind in kinds)


def to_row(record: Record) -> Row:
    """Return the row of a record, with values in the order of `COLUMNS`."""
    seq, instance_id, execution_id, event = record
    of = EVENT_COLUMNS[type(event)]
    started = getattr(event, "started_at", None) if of.is_timed else None
    return (
        seq,
        instance_id,
        execution_id,
        event.event_id,
        type(event).__name__,
        event.timestamp.replace(tzinfo=None),
        event.name if of.has_name else None,  # type: ignore[attr-defined]
        event.task_id if of.has_task else None,  # type: ignore[attr-defined]
        _payload_text(of.payload, event) if of.payload else None,
        started.replace(tzinfo=None) if started else None,
        _attributes_text(event, of) if of.extra else None,
    )


def from_row(row: Row) -> Record:
    """Return the record of a row.

    Raises
    ------
    StoreError
        If this durablenb doesn't know the type of the event.
    """
    seq, instance_id, execution_id, event_id, kind_name, at, name, task, payload, started, extra = row
    kind = EVENT_TYPES.get(kind_name)
    if kind is None:
        raise StoreError(
            f"Event {event_id} of {instance_id!r} has the type {kind_name!r}, which this durablenb doesn't "
            "know. If a newer durablenb wrote it, update yours; else another program has changed the file."
        )
    of = EVENT_COLUMNS[kind]
    values: dict[str, Any] = {}
    if of.has_name:
        values["name"] = name
    if of.has_task:
        values["task_id"] = task
    if of.payload:
        values[of.payload] = _READ.get(of.payload, _same)(payload)
    if started is not None:
        values["started_at"] = started.replace(tzinfo=UTC)
    values.update(read_attributes(extra))
    event = kind(event_id, at.replace(tzinfo=UTC), **values)
    return Record(seq, instance_id, execution_id, event)


def read_attributes(text: str | None) -> dict[str, Any]:
    """Return the fields in a column of attributes, by name."""
    if text is None:
        return {}
    return {key: _READ.get(key, _same)(value) for key, value in json.loads(text).items()}


def _payload_text(field: str, event: events.Event) -> str:
    value: Any = getattr(event, field)
    if isinstance(value, FailureDetails):
        return value.as_text()
    return json.dumps(value) if field == "reason" else value


@lru_cache(maxsize=1_024)
def _worker_text(worker: str | None) -> str | None:
    return None if worker is None else json.dumps({"worker": worker})


def _attributes_text(event: events.Event, of: Columns) -> str | None:
    if isinstance(event, _WITH_WORKER) and getattr(event, "cached_from", None) is None:
        return _worker_text(event.worker)  # type: ignore[attr-defined]  # many events, few workers
    get, defaults = _EXTRA[type(event)]
    if get(event) == defaults:
        return None
    kept = {}
    for key, default in zip(of.extra, of.defaults, strict=True):
        value = getattr(event, key)
        if value is not None and value != default:
            kept[key] = _WRITE.get(type(value), _same)(value)
    return json.dumps(kept) if kept else None


def _same(value: Any) -> Any:
    return value


def _parent_fields(parent: events.ParentInstance) -> dict[str, Any]:
    return {
        "instance_id": parent.instance_id,
        "execution_id": parent.execution_id,
        "task_id": parent.task_id,
        "name": parent.name,
    }


def _written(items: tuple[Any, ...]) -> list[Any]:
    return [_WRITE.get(type(item), _same)(item) for item in items]


def _origin_fields(origin: events.Origin) -> dict[str, Any]:
    kept = {
        "instance_id": origin.instance_id,
        "execution_id": origin.execution_id,
        "event_id": origin.event_id,
        "tasks": origin.tasks,
    }
    if origin.again:
        kept["again"] = list(origin.again)
    if origin.parent_instance_id is not None:
        kept["parent_instance_id"] = origin.parent_instance_id
    if origin.time is not None:
        kept["time"] = _WRITE[datetime](origin.time)
    return kept


def _origins(items: list[dict[str, Any]]) -> tuple[events.Origin, ...]:
    return tuple(
        events.Origin(
            **{
                **fields,
                "again": tuple(fields.get("again", ())),
                "time": _moment(fields["time"]) if "time" in fields else None,
            }
        )
        for fields in items
    )


_WRITE: dict[type, Callable[[Any], Any]] = {
    tuple: _written,
    events.Origin: _origin_fields,
    datetime: lambda moment: moment.replace(tzinfo=None).isoformat(),
    events.ParentInstance: _parent_fields,
}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_READ: dict[str, Callable[[Any], Any]] = {
    "failure": lambda text: FailureDetails.from_json(json.loads(text)),
    "reason": json.loads,
    "parent": lambda fields: events.ParentInstance(**fields),
    "caller": lambda fields: events.ParentInstance(**fields),
    "entity_ids": tuple,
    "forked_from": _origins,
    "fire_at": _moment,
    "deliver_at": _moment,
    "scheduled_start_time": _moment,
}
