"""Events as rows of the journal, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

from durablenb.core.fold import failure_text
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


class Place(NamedTuple):
    """Which columns an event's own fields are kept in; `extra` fields are kept as attributes."""

    payload: str | None = None
    has_name: bool = False
    has_task: bool = False
    is_timed: bool = False
    extra: tuple[str, ...] = ()


_RETRY = ("attempt", "retry_of")
_SENT = ("entity_id", "deliver_at")

PLACES: dict[type[events.Event], Place] = {
    events.ExecutionStarted: Place(
        "input",
        has_name=True,
        extra=(
            "version",
            "parent",
            "tags",
            "scheduled_start_time",
            "generation",
            "source",
            "forked_from",
            "is_partial",
            "prefix",
            "rules",
        ),
    ),
    events.OrchestratorStarted: Place(),
    events.TaskScheduled: Place("input", has_name=True, has_task=True, extra=_RETRY),
    events.TaskCompleted: Place("result", has_task=True, is_timed=True, extra=("worker",)),
    events.TaskFailed: Place("failure", has_task=True, is_timed=True, extra=("worker",)),
    events.SubOrchestrationInstanceCreated: Place(
        "input", has_name=True, has_task=True, extra=("instance_id", "version", *_RETRY)
    ),
    events.SubOrchestrationInstanceCompleted: Place("result", has_task=True),
    events.SubOrchestrationInstanceFailed: Place("failure", has_task=True),
    events.TimerCreated: Place(has_task=True, extra=("fire_at", "retry_of")),
    events.TimerFired: Place(has_task=True),
    events.TimerCanceled: Place(has_task=True),
    events.EventSubscribed: Place(has_name=True, has_task=True),
    events.EventUnsubscribed: Place(has_task=True, extra=("is_left",)),
    events.CodeAwaited: Place(extra=("line", "rest")),
    events.EventRaised: Place("input", has_name=True),
    events.EntityOperationCalled: Place("input", has_name=True, has_task=True, extra=("entity_id",)),
    events.EntityOperationSignaled: Place("input", has_name=True, has_task=True, extra=_SENT),
    events.EntityOperationCompleted: Place("result", has_task=True),
    events.EntityOperationFailed: Place("failure", has_task=True),
    events.EntityLockRequested: Place(has_task=True, extra=("entity_ids",)),
    events.EntityLockGranted: Place(has_task=True),
    events.EntityUnlockSent: Place(has_task=True),
    events.OperationEnqueued: Place("input", has_name=True, extra=("caller", "is_signal", "deliver_at")),
    events.OperationCompleted: Place("result", has_task=True, is_timed=True, extra=("worker",)),
    events.OperationFailed: Place("failure", has_task=True, is_timed=True, extra=("worker",)),
    events.StateChanged: Place("state", has_task=True),
    events.SignalSent: Place("input", has_name=True, has_task=True, extra=_SENT),
    events.OrchestrationStarted: Place(has_name=True, has_task=True, extra=("instance_id",)),
    events.LockEnqueued: Place(extra=("caller", "entity_ids", "position")),
    events.LockTaken: Place(has_task=True),
    events.LockReleased: Place(has_task=True),
    events.CustomStatusSet: Place("status"),
    events.ExecutionSuspended: Place("reason"),
    events.ExecutionResumed: Place("reason"),
    events.ExecutionRewound: Place("reason"),
    events.ExecutionCompleted: Place("result"),
    events.ExecutionFailed: Place("failure"),
    events.ExecutionTerminated: Place("reason"),
    events.ContinueAsNew: Place("input"),
}

_WORKED = (events.TaskCompleted, events.TaskFailed, events.OperationCompleted, events.OperationFailed)
EVENT_TYPES = {kind.__name__: kind for kind in PLACES}
"""The kinds of events by the names that the journal has for them."""

_DEFAULTS: dict[str, Any] = {
    "attempt": 1,
    "generation": 0,
    "tags": {},
    "is_signal": True,
    "position": 0,
    "forked_from": (),
    "is_partial": False,
    "prefix": "",
    "rules": 1,
    "is_left": False,
}


def _usual(extra: tuple[str, ...]) -> tuple[Callable[[Any], Any], Any]:
    fields_of = attrgetter(*extra)
    return fields_of, fields_of(SimpleNamespace(**{key: _DEFAULTS.get(key) for key in extra}))


_EXTRA = {kind: _usual(place.extra) for kind, place in PLACES.items() if place.extra}
"""For each kind of events, what gives these fields, and what most have in them, of which nothing is kept."""


def to_row(record: Record) -> Row:
    """The row of a record, its values in the order of `COLUMNS`."""
    seq, instance_id, execution_id, event = record
    place = PLACES[type(event)]
    started = getattr(event, "started_at", None) if place.is_timed else None
    return (
        seq,
        instance_id,
        execution_id,
        event.event_id,
        type(event).__name__,
        event.timestamp.replace(tzinfo=None),
        event.name if place.has_name else None,  # type: ignore[attr-defined]
        event.task_id if place.has_task else None,  # type: ignore[attr-defined]
        _payload_text(place.payload, event) if place.payload else None,
        started.replace(tzinfo=None) if started else None,
        _attributes_text(event, place.extra) if place.extra else None,
    )


def from_row(row: Row) -> Record:
    """The record that `to_row` made this row of.

    Raises
    ------
    StoreError
        If there are no such events.
    """
    seq, instance_id, execution_id, event_id, kind_name, at, name, task, payload, started, extra = row
    kind = EVENT_TYPES.get(kind_name)
    if kind is None:
        raise StoreError(
            f"Event {event_id} of {instance_id!r} has the type {kind_name!r}, which this durablenb doesn't "
            "know. If a newer durablenb wrote it, update yours; else somebody has changed the file."
        )
    place = PLACES[kind]
    values: dict[str, Any] = {}
    if place.has_name:
        values["name"] = name
    if place.has_task:
        values["task_id"] = task
    if place.payload:
        values[place.payload] = _READ.get(place.payload, _same)(payload)
    if started is not None:
        values["started_at"] = started.replace(tzinfo=UTC)
    values.update(read_attributes(extra))
    event = kind(event_id, at.replace(tzinfo=UTC), **values)
    return Record(seq, instance_id, execution_id, event)


def read_attributes(text: str | None) -> dict[str, Any]:
    """The fields that only some events have, by name; those with their usual value are left out."""
    if text is None:
        return {}
    return {key: _READ.get(key, _same)(value) for key, value in json.loads(text).items()}


def _payload_text(field: str, event: events.Event) -> str:
    value: Any = getattr(event, field)
    if isinstance(value, FailureDetails):
        return failure_text(value)
    return json.dumps(value) if field == "reason" else value


@lru_cache(maxsize=1_024)
def _worker_text(worker: str | None) -> str | None:
    return None if worker is None else json.dumps({"worker": worker})


def _attributes_text(event: events.Event, extra: tuple[str, ...]) -> str | None:
    if isinstance(event, _WORKED):
        return _worker_text(event.worker)  # there are many of these, and few workers
    fields_of, usual = _EXTRA[type(event)]
    if fields_of(event) == usual:
        return None
    kept = {}
    for key in extra:
        value = getattr(event, key)
        if value is not None and value != _DEFAULTS.get(key):
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
    return kept


def _origins(items: list[dict[str, Any]]) -> tuple[events.Origin, ...]:
    return tuple(events.Origin(**{**fields, "again": tuple(fields.get("again", ()))}) for fields in items)


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
