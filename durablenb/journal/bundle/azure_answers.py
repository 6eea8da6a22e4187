"""An answer of Azure's status endpoint as it comes: its events with their kinds and times, and its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from durablenb.journal.bundle.reading import (
    Fields,
    fields_in,
    inner_json,
    items_in,
    moment_in,
    shown,
    text_in,
)

STATUSES = (
    "Pending",
    "Running",
    "ContinuedAsNew",
    "Suspended",
    "Completed",
    "Failed",
    "Terminated",
    "Canceled",
)

_NUMBERED = (
    "ExecutionStarted",
    "ExecutionCompleted",
    "ExecutionFailed",
    "ExecutionTerminated",
    "TaskScheduled",
    "TaskCompleted",
    "TaskFailed",
    "SubOrchestrationInstanceCreated",
    "SubOrchestrationInstanceCompleted",
    "SubOrchestrationInstanceFailed",
    "TimerCreated",
    "TimerFired",
    "OrchestratorStarted",
    "OrchestratorCompleted",
    "EventSent",
    "EventRaised",
    "ContinueAsNew",
    "GenericEvent",
    "HistoryState",
    "ExecutionSuspended",
    "ExecutionResumed",
    "ExecutionRewound",
)
"""By the numbers that the host has for them."""


_NEEDED = ("instanceId", "name", "runtimeStatus")


def answered(value: Any) -> Any:
    """A status as the endpoint answers it, also where .NET's or JavaScript's client has written it down."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return value
    fields = {key[:1].lower() + key[1:]: one for key, one in value.items()}
    if "history" in fields:
        fields.setdefault("historyEvents", fields.pop("history"))
    return fields if all(key in fields for key in _NEEDED) else value


def is_entity(answer: object) -> bool:
    """Whether this is the status of an entity."""
    found = answer.get("instanceId") if isinstance(answer, Mapping) else None
    return isinstance(found, str) and found.startswith("@")


def lack_of(answer: object) -> str:
    """What keeps this from being an answer of the status endpoint; empty if nothing does."""
    if not isinstance(answer, Mapping):
        return f"it is {shown(answer)}, and not an object"
    if "EventType" in answer:
        return (
            "it is one event of a history, as `func durable get-history` and the rows of a table have them. "
            "Ask the status endpoint, which tells whose it is, with showHistory=true&showHistoryOutput=true"
        )
    missing = [key for key in _NEEDED if key not in answer]
    return f"it has no {' and no '.join(missing)}" if missing else ""


class Answer:
    """One answer.

    Parameters
    ----------
    fields
        As JSON has it.

    Raises
    ------
    ValueError
        If it has no history, or something in it isn't what it should be.
    """

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.name = text_in(fields, "name")
        self.status = text_in(fields, "runtimeStatus")
        if self.status not in STATUSES:
            raise ValueError(f"runtimeStatus is {shown(self.status)}; expected one of {', '.join(STATUSES)}")
        told = items_in(fields.get("historyEvents"), "historyEvents")
        self.entries = [_entry(one, number) for number, one in enumerate(told, 1)]
        self._check_there()
        self.started = next((one for one in self.entries if one["EventType"] == "ExecutionStarted"), {})
        given = fields.get("input")
        self._has_values = given is not None and self.started.get("Input") == given
        """Whether inputs are shown as values, as durablenb does, and not as the texts that Azure keeps."""

    def _check_there(self) -> None:
        if not self.entries and self.status != "Pending":
            raise ValueError(
                "it isn't in the answer. Ask with showHistory=true&showHistoryOutput=true&showInput=true"
            )
        if self.entries and not any(one["EventType"] == "ExecutionStarted" for one in self.entries):
            raise ValueError("it has no ExecutionStarted")
        ended = [one for one in self.entries if one["EventType"].endswith("Completed")]
        is_bare = ended and not any("Result" in one for one in ended)
        if is_bare and self.fields.get("output") is not None and self.status == "Completed":
            raise ValueError("its results aren't in the answer. Ask with showHistoryOutput=true, too")

    @property
    def output(self) -> Any:
        """What came out."""
        return self.fields.get("output")

    @property
    def input(self) -> Any:
        """What ``get_input`` gives: Azure's client for Python posts JSON as a text that is JSON once more."""
        found = self.fields.get("input")
        return self.value(self.value(self.started.get("Input")) if found is None else found)

    def value(self, given: Any) -> Any:
        """A value that Azure shows as the text of its JSON."""
        return given if self._has_values or not isinstance(given, str) else inner_json(given)

    def argument(self, given: Any) -> Any:
        """What a function was given: Azure shows a list of it, as text, in which it may be text once more."""
        if self._has_values or not isinstance(given, str):
            return given
        value = inner_json(given)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
            return inner_json(value) if isinstance(value, str) else value
        return value


def reason_in(entry: Fields) -> str:
    """Why a client did something; empty if that isn't said."""
    found = entry.get("Reason", entry.get("Input"))
    return found if isinstance(found, str) else ""


def tags_in(entry: Fields) -> dict[str, str]:
    """Names and values of an instance."""
    found = entry.get("Tags")
    if not isinstance(found, Mapping):
        return {}
    return {key: text for key, text in found.items() if isinstance(key, str) and isinstance(text, str)}


def _entry(value: object, number: int) -> dict[str, Any]:
    """One event, with its kind by name and its time."""
    what = f"event {number}"
    fields = dict(fields_in(value, what))
    kind = fields.get("EventType")
    if type(kind) is int and 0 <= kind < len(_NUMBERED):
        kind = _NUMBERED[kind]
    if not isinstance(kind, str):
        raise ValueError(f"{what}: EventType is {shown(kind)}; expected a name such as TaskCompleted")
    try:
        return {**fields, "EventType": kind, "Timestamp": moment_in(fields, "Timestamp")}
    except ValueError as error:
        raise ValueError(f"{what}, {kind}: {error}") from None
