"""What orchestrations and entities say to each other in Azure's histories: messages with ids of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from durablenb.journal.bundle.history_builder import Course, Make, Task, fact
from durablenb.journal.bundle.reading import Fields, inner_json, moment_in, optional_text_in
from durablenb.model import events
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Kind


class Messages:
    """The messages of one history; calls and locks wait for their answers.

    Parameters
    ----------
    course
        Where they go.
    encode
        Makes texts of values.
    """

    def __init__(self, course: Course, encode: Callable[[Any, Kind], str]) -> None:
        self._course = course
        self._encode = encode
        self._calls: dict[str, Task] = {}
        self._locks: dict[str, Task] = {}
        self._held: Task | None = None

    def sent(self, entry: Fields) -> bool:
        """Take an ``EventSent``; answers whether it is one to an entity.

        Raises
        ------
        ValueError
            If it is one, and can't be read.
        """
        target = optional_text_in(entry, "InstanceId") or ""
        if not target.startswith("@"):
            return False
        entity_id = str(EntityId.get_entity_id(target))
        message = inner_json(entry["Input"]) if isinstance(entry.get("Input"), str) else entry.get("Input")
        fields: Fields = message if isinstance(message, dict) else {}
        if entry.get("Name") == "release":
            if self._held is not None:
                task, self._held = self._held, None
                self._course.send(entry["Timestamp"], events.EntityUnlockSent, task)
            return True
        if isinstance(fields.get("lockset"), list):
            self._lock(entry["Timestamp"], fields)
            return True
        name = optional_text_in(fields, "op") or (optional_text_in(entry, "Name") or "").partition("@")[0]
        text = self._encode(_inner(fields.get("input")), "input")
        self._operation(entry["Timestamp"], fields, name, entity_id, text)
        return True

    def answered(self, name: str, given: object) -> tuple[Make, Task] | None:
        """What an ``EventRaised`` answers, if it is the answer to one of these."""
        if name in self._locks:
            self._held = self._locks.pop(name)
            return events.EntityLockGranted, self._held
        if name not in self._calls:
            return None
        answer = inner_json(given) if isinstance(given, str) else given
        fields: Fields = answer if isinstance(answer, dict) else {}
        result, kind = fields.get("result"), fields.get("exceptionType")
        if isinstance(kind, str) and kind:
            message = _inner(result)
            failure = FailureDetails(kind, message if isinstance(message, str) else json.dumps(message))
            return fact(events.EntityOperationFailed, failure), self._calls.pop(name)
        text = self._encode(_inner(result), "result")
        return fact(events.EntityOperationCompleted, text), self._calls.pop(name)

    def _operation(self, at: datetime, fields: Fields, name: str, entity_id: str, text: str) -> None:
        number = optional_text_in(fields, "id")
        if fields.get("signal") is False and number is not None:
            asked = fact(events.EntityOperationCalled, name, entity_id, text)
            self._calls[number] = self._course.ask(at, asked)
            return
        due = None if fields.get("due") is None else moment_in(fields, "due")
        self._course.ask(at, fact(events.EntityOperationSignaled, name, entity_id, text, due))

    def _lock(self, at: datetime, fields: Fields) -> None:
        ids = tuple(_entity_id(one) for one in fields["lockset"])
        if not ids:
            raise ValueError("lockset is empty")
        task = self._course.ask(at, fact(events.EntityLockRequested, ids))
        self._locks[optional_text_in(fields, "id") or ""] = task


def _entity_id(value: object) -> str:
    if isinstance(value, dict):
        return str(EntityId(value.get("name"), value.get("key")))  # type: ignore[arg-type]
    if isinstance(value, str):
        return str(EntityId.get_entity_id(value))
    raise ValueError("lockset has something in it that is no entity")


def _inner(value: object) -> Any:
    """A value that may be the text of its JSON."""
    return inner_json(value) if isinstance(value, str) else value
