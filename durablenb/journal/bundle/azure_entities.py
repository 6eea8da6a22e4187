"""The messages between orchestrations and entities in Azure's histories, which have ids of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from durablenb.journal.bundle.fields import Fields, get_optional_text, get_time, parse_inner_json
from durablenb.journal.bundle.history_builder import EventFactory, HistoryBuilder, PendingTask, event_factory
from durablenb.model import events
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Kind


class EntityMessages:
    """The messages of one history, with the calls and lock requests that have no response yet.

    Parameters
    ----------
    builder
        Receives the requests.
    encode
        Encodes values.
    """

    def __init__(self, builder: HistoryBuilder, encode: Callable[[Any, Kind], str]) -> None:
        self._builder = builder
        self._encode = encode
        self._calls: dict[str, PendingTask] = {}
        self._lock_requests: dict[str, PendingTask] = {}
        self._held_lock: PendingTask | None = None

    def send(self, entry: Fields) -> bool:
        """Read an ``EventSent``; return whether it is a message to an entity.

        Raises
        ------
        ValueError
            If it is one, and can't be read.
        """
        target = get_optional_text(entry, "InstanceId") or ""
        if not target.startswith("@"):
            return False
        entity_id = str(EntityId.get_entity_id(target))
        message = _parse(entry.get("Input"))
        fields: Fields = message if isinstance(message, dict) else {}
        if entry.get("Name") == "release":
            if self._held_lock is not None:
                task, self._held_lock = self._held_lock, None
                self._builder.request_for(task, entry["Timestamp"], events.EntityUnlockSent)
            return True
        if isinstance(fields.get("lockset"), list):
            self._request_lock(entry["Timestamp"], fields)
            return True
        name = get_optional_text(fields, "op") or (get_optional_text(entry, "Name") or "").partition("@")[0]
        text = self._encode(_parse(fields.get("input")), "input")
        self._request_operation(entry["Timestamp"], fields, name, entity_id, text)
        return True

    def receive(self, name: str, value: object) -> tuple[EventFactory, PendingTask] | None:
        """Return the event and the task of an ``EventRaised`` that is the response to a message."""
        if name in self._lock_requests:
            self._held_lock = self._lock_requests.pop(name)
            return events.EntityLockGranted, self._held_lock
        if name not in self._calls:
            return None
        response = _parse(value)
        fields: Fields = response if isinstance(response, dict) else {}
        result, kind = fields.get("result"), fields.get("exceptionType")
        if isinstance(kind, str) and kind:
            message = _parse(result)
            failure = FailureDetails(kind, message if isinstance(message, str) else json.dumps(message))
            return event_factory(events.EntityOperationFailed, failure), self._calls.pop(name)
        text = self._encode(_parse(result), "result")
        return event_factory(events.EntityOperationCompleted, text), self._calls.pop(name)

    def _request_operation(self, at: datetime, fields: Fields, name: str, entity_id: str, text: str) -> None:
        message_id = get_optional_text(fields, "id")
        if fields.get("signal") is False and message_id is not None:
            call = event_factory(events.EntityOperationCalled, name, entity_id, text)
            self._calls[message_id] = self._builder.request(at, call)
            return
        due = None if fields.get("due") is None else get_time(fields, "due")
        self._builder.request(at, event_factory(events.EntityOperationSignaled, name, entity_id, text, due))

    def _request_lock(self, at: datetime, fields: Fields) -> None:
        ids = tuple(_entity_id(value) for value in fields["lockset"])
        if not ids:
            raise ValueError("lockset is empty")
        task = self._builder.request(at, event_factory(events.EntityLockRequested, ids))
        self._lock_requests[get_optional_text(fields, "id") or ""] = task


def _entity_id(value: object) -> str:
    if isinstance(value, dict):
        return str(EntityId(value.get("name"), value.get("key")))  # type: ignore[arg-type]
    if isinstance(value, str):
        return str(EntityId.get_entity_id(value))
    raise ValueError("lockset has something in it that is no entity")


def _parse(value: object) -> Any:
    """Return a value that may be the text of its JSON."""
    return parse_inner_json(value) if isinstance(value, str) else value
