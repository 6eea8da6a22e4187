"""A response of Azure's status endpoint: its history entries with kinds and times, values, and failures."""

from __future__ import annotations

import builtins
import re
from collections.abc import Mapping
from typing import Any

from durablenb.journal.bundle.fields import (
    Fields,
    check_list,
    check_object,
    get_text,
    get_time,
    parse_inner_json,
    preview,
)
from durablenb.model.failures import CHAIN_LIMIT, FailureDetails

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

_EVENT_TYPES = (
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
"""The types of events in the order of the numbers that Azure's host has for them."""


_REQUIRED = ("instanceId", "name", "runtimeStatus")


def normalize(value: Any) -> Any:
    """Return a status in the endpoint's spelling; Azure's clients for .NET and JavaScript write others."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        return value
    fields = {key[:1].lower() + key[1:]: item for key, item in value.items()}
    if "history" in fields:
        fields.setdefault("historyEvents", fields.pop("history"))
    return fields if all(key in fields for key in _REQUIRED) else value


def is_entity(status: object) -> bool:
    """Return whether this is the status of an entity."""
    instance_id = status.get("instanceId") if isinstance(status, Mapping) else None
    return isinstance(instance_id, str) and instance_id.startswith("@")


def find_defect(status: object) -> str:
    """Return the reason why this is no response of the status endpoint; empty if it may be one."""
    if not isinstance(status, Mapping):
        return f"it is {preview(status)}, and not an object"
    if "EventType" in status:
        return (
            "it is one event of a history, as `func durable get-history` and the rows of a table have them. "
            "Ask the status endpoint, which tells whose it is, with showHistory=true&showHistoryOutput=true"
        )
    missing = [key for key in _REQUIRED if key not in status]
    return f"it has no {' and no '.join(missing)}" if missing else ""


class AzureStatus:
    """One response of the status endpoint.

    Parameters
    ----------
    fields
        The JSON object.

    Raises
    ------
    ValueError
        If it has no history, or a field is invalid.
    """

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self.name = get_text(fields, "name")
        self.status = get_text(fields, "runtimeStatus")
        if self.status not in STATUSES:
            raise ValueError(
                f"runtimeStatus is {preview(self.status)}; expected one of {', '.join(STATUSES)}"
            )
        history = check_list(fields.get("historyEvents"), "historyEvents")
        self.entries = [_parse_entry(entry, number) for number, entry in enumerate(history, 1)]
        self._check_history()
        self.started = next((entry for entry in self.entries if entry["EventType"] == "ExecutionStarted"), {})
        input_ = fields.get("input")
        self._has_values = input_ is not None and self.started.get("Input") == input_
        """True if inputs are values, as durablenb shows them, and not texts, as Azure keeps them."""

    def _check_history(self) -> None:
        if not self.entries and self.status != "Pending":
            raise ValueError(
                "it isn't in the answer. Ask with showHistory=true&showHistoryOutput=true&showInput=true"
            )
        if self.entries and not any(entry["EventType"] == "ExecutionStarted" for entry in self.entries):
            raise ValueError("it has no ExecutionStarted")
        completed = [entry for entry in self.entries if entry["EventType"].endswith("Completed")]
        lacks_results = completed and not any("Result" in entry for entry in completed)
        if lacks_results and self.fields.get("output") is not None and self.status == "Completed":
            raise ValueError("its results aren't in the answer. Ask with showHistoryOutput=true, too")

    @property
    def output(self) -> Any:
        """The output of the orchestration."""
        return self.fields.get("output")

    @property
    def input(self) -> Any:
        """The value of ``get_input``: Azure's client for Python posts JSON inside a JSON string."""
        input_ = self.fields.get("input")
        return self.value(self.value(self.started.get("Input")) if input_ is None else input_)

    def value(self, text: Any) -> Any:
        """Return a value that Azure shows as the text of its JSON."""
        return text if self._has_values or not isinstance(text, str) else parse_inner_json(text)

    def argument(self, text: Any) -> Any:
        """Return a function's argument: Azure shows the text of a list, in which it may be text again."""
        if self._has_values or not isinstance(text, str):
            return text
        value = parse_inner_json(text)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
            return parse_inner_json(value) if isinstance(value, str) else value
        return value


def _parse_entry(value: object, number: int) -> dict[str, Any]:
    """Return an entry of the history with the name of its type and its time."""
    what = f"event {number}"
    fields = dict(check_object(value, what))
    kind = fields.get("EventType")
    if type(kind) is int and 0 <= kind < len(_EVENT_TYPES):
        kind = _EVENT_TYPES[kind]
    if not isinstance(kind, str):
        raise ValueError(f"{what}: EventType is {preview(kind)}; expected a name such as TaskCompleted")
    try:
        return {**fields, "EventType": kind, "Timestamp": get_time(fields, "Timestamp")}
    except ValueError as error:
        raise ValueError(f"{what}, {kind}: {error}") from None


def get_reason(entry: Fields) -> str:
    """Return the reason of a client's command; empty if there is none."""
    reason = entry.get("Reason", entry.get("Input"))
    return reason if isinstance(reason, str) else ""


def get_tags(entry: Fields) -> dict[str, str]:
    """Return the tags of an instance."""
    tags = entry.get("Tags")
    if not isinstance(tags, Mapping):
        return {}
    return {key: text for key, text in tags.items() if isinstance(key, str) and isinstance(text, str)}


# -- failures: texts that several layers have prefixed ---------------------------------------------

_PREFIX = re.compile(r"^(?:Activity|Orchestrator|Entity) function '[^']*' failed: ")
_WORKER_TEXT = re.compile(r"(?:^|\n)Exception: (.*?)(?:\n\s*Stack:(.*))?$", re.DOTALL)
_TYPE_AND_MESSAGE = re.compile(r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt)): ?(.*)$", re.DOTALL)
_OUT_OF_PROCESS = "$OutOfProcData$"


def get_failure(entry: Fields, default: object = None) -> FailureDetails:
    """Return the failure of a history entry.

    Parameters
    ----------
    entry
        The entry.
    default
        The text of the failure if the entry has none.
    """
    details = entry.get("FailureDetails")
    if isinstance(details, dict):
        return _parse_details(details, CHAIN_LIMIT)
    reason = next((text for text in (entry.get("Reason"), default) if isinstance(text, str)), "")
    trace = entry.get("Details")
    return _parse_text(reason, trace if isinstance(trace, str) else "")


def _parse_details(fields: dict[str, Any], depth: int) -> FailureDetails:
    inner = fields.get("InnerFailure")
    return FailureDetails(
        _qualify(_text_or_empty(fields.get("ErrorType")) or "Exception"),
        _text_or_empty(fields.get("ErrorMessage")),
        _text_or_empty(fields.get("StackTrace")),
        _parse_details(inner, depth - 1) if isinstance(inner, dict) and depth > 1 else None,
        fields.get("IsNonRetriable") is True,
    )


def _parse_text(reason: str, trace: str) -> FailureDetails:
    text = _PREFIX.sub("", reason.partition(_OUT_OF_PROCESS)[0].rstrip())
    worker = _WORKER_TEXT.search(text)
    if worker is not None:
        text, trace = worker[1], worker[2] or trace
    match = _TYPE_AND_MESSAGE.match(text)
    if match is None:
        return FailureDetails("builtins.Exception", text, trace)
    return FailureDetails(_qualify(match[1]), match[2], trace)


def _qualify(name: str) -> str:
    """Return the name of an exception type, with its module if it is a built-in one."""
    kind = getattr(builtins, name, None)
    return f"builtins.{name}" if isinstance(kind, type) and issubclass(kind, BaseException) else name


def _text_or_empty(value: object) -> str:
    return value if isinstance(value, str) else ""
