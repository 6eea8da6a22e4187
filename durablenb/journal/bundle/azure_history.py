"""The conversion of Azure's statuses with histories into events.

Azure shows less than a journal contains. The missing events are inserted where they must have been, or left
out. Entries without a counterpart here become lines of the instance's log.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from durablenb.core.ports.store import Record
from durablenb.journal.bundle.azure_entities import EntityMessages
from durablenb.journal.bundle.azure_status import AzureStatus, get_failure, get_reason, get_tags
from durablenb.journal.bundle.fields import Fields, get_optional_text, get_text, get_time
from durablenb.journal.bundle.history_builder import (
    DraftEvent,
    EventFactory,
    HistoryBuilder,
    PendingTask,
    event_factory,
)
from durablenb.model import events
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import checked_instance_id, new_execution_id
from durablenb.model.logs import LogLine
from durablenb.model.payloads import Kind

Encode = Callable[[Any, Kind], str]
"""Returns the journal's text of a value."""

_IGNORED = ("OrchestratorStarted", "OrchestratorCompleted")
_LOGGER = "azure"


class ImportedHistory(NamedTuple):
    """The events of an instance, and its log with the entries that have no counterpart."""

    records: list[Record]
    lines: list[LogLine]


def convert(status: Fields, encode: Encode) -> ImportedHistory:
    """Return the history in a status of Azure's; the records are numbered from 1.

    Parameters
    ----------
    status
        A status with ``historyEvents``, requested with
        ``showHistory=true&showHistoryOutput=true&showInput=true``.
    encode
        Encodes values.

    Raises
    ------
    ValueError
        If it is no such status.
    """
    instance_id = checked_instance_id(status.get("instanceId"))
    try:
        return _Converter(instance_id, status, encode).convert()
    except ValueError as error:
        raise ValueError(f"The history of {instance_id} can't be read: {error}.") from None


class _Converter:
    """Converts one status."""

    def __init__(self, instance_id: str, status: Fields, encode: Encode) -> None:
        self._instance_id = instance_id
        self._status = AzureStatus(status)
        self._encode = encode
        self._builder = HistoryBuilder()
        self._timers: list[tuple[datetime, PendingTask]] = []
        self._messages = EntityMessages(self._builder, encode)
        self._lines: list[tuple[datetime, str]] = []

    def convert(self) -> ImportedHistory:
        azure, started = self._status, self._started()
        self._execution_id = new_execution_id(self._instance_id, 0, started.timestamp)
        for number, entry in enumerate(azure.entries, 1):
            try:
                self._read(entry)
            except ValueError as error:
                raise ValueError(f"event {number}, {entry['EventType']}: {error}") from None
        if azure.status == "Suspended" and azure.entries[-1]["EventType"] != "ExecutionSuspended":
            at = get_time(azure.fields, "lastUpdatedTime")
            self._builder.add(DraftEvent("command", at, event_factory(events.ExecutionSuspended, "")))
        custom_status = azure.fields.get("customStatus")
        history = self._builder.build(
            started,
            None if custom_status is None else self._encode(custom_status, "status"),
            has_run=azure.status != "Pending",
        )
        ids = (self._instance_id, self._execution_id)
        return ImportedHistory(
            [Record(number, *ids, event) for number, event in enumerate(history, 1)],
            [
                LogLine(*ids, None, azure.name, 1, at, "logging", "INFO", _LOGGER, text)
                for at, text in self._lines
            ],
        )

    def _started(self) -> events.ExecutionStarted:
        entry = self._status.started
        is_due = entry.get("ScheduledStartTime") is not None
        return events.ExecutionStarted(
            1,
            entry["Timestamp"] if entry else get_time(self._status.fields, "createdTime"),
            self._status.name,
            self._encode(self._status.input, "input"),
            get_optional_text(entry, "Version") or None,
            tags=get_tags(entry),
            scheduled_start_time=get_time(entry, "ScheduledStartTime") if is_due else None,
            is_partial=True,
            rules=events.RULES,
        )

    # -- one event -------------------------------------------------------------------------------

    def _read(self, entry: Fields) -> None:
        kind = entry["EventType"]
        if kind in _IGNORED or kind == "ExecutionStarted":
            return
        handler = _HANDLERS.get(kind)
        if self._builder.has_ended and kind in ("ExecutionTerminated", "ExecutionCompleted"):
            return  # Azure shows the end twice
        if handler is None or self._builder.has_ended:
            self._log(entry)
        else:
            handler(self, entry)

    def _log(self, entry: Fields) -> None:
        plain = {**entry, "Timestamp": entry["Timestamp"].isoformat()}
        text = self._encode(json.dumps(plain, default=str), "log")
        self._lines.append((entry["Timestamp"], str(json.loads(text))))

    def _requested(self, entry: Fields) -> None:
        self._request(entry["EventType"], get_text(entry, "Name"), entry["Timestamp"], entry)

    def _request(self, kind: str, name: str, at: datetime, entry: Fields) -> PendingTask:
        text = self._encode(self._status.argument(entry.get("Input")), "input")
        if kind == "TaskScheduled":
            return self._builder.request(at, event_factory(events.TaskScheduled, name, text))
        child = get_optional_text(entry, "InstanceId")
        version = get_optional_text(entry, "Version") or None
        return self._builder.request(
            at,
            lambda n, at, task: events.SubOrchestrationInstanceCreated(
                n, at, task, name, text, child or f"{self._execution_id}:{task}", version
            ),
        )

    def _ended(self, entry: Fields) -> None:
        name = get_optional_text(entry, "FunctionName")
        if name is None or entry.get("ScheduledTime") is None:
            self._log(entry)
            return
        kind: str = entry["EventType"]
        is_task = kind.startswith("Task")
        requested = "TaskScheduled" if is_task else "SubOrchestrationInstanceCreated"
        task = self._request(requested, name, get_time(entry, "ScheduledTime"), entry)
        has_failed = kind.endswith("Failed")
        outcome = self._failure(entry) if has_failed else self._encode(entry.get("Result"), "result")
        self._arrive(entry, event_factory(getattr(events, kind), outcome), task)

    def _arrive(self, entry: Fields, make: EventFactory, task: PendingTask) -> None:
        self._builder.add(DraftEvent("arrival", entry["Timestamp"], make, task))

    def _timer_created(self, entry: Fields) -> None:
        due = get_time(entry, "FireAt")
        task = self._builder.request(entry["Timestamp"], event_factory(events.TimerCreated, due))
        self._timers.append((due, task))

    def _timer_fired(self, entry: Fields) -> None:
        due = None if entry.get("FireAt") is None else get_time(entry, "FireAt")
        timer = next((timer for timer in self._timers if timer[0] == due), None)
        if timer is None:
            timer = min(self._timers, key=lambda timer: timer[0], default=None)
        if timer is None:
            self._log(entry)
            return
        self._timers.remove(timer)
        self._arrive(entry, events.TimerFired, timer[1])

    def _raised(self, entry: Fields) -> None:
        name, value = get_text(entry, "Name"), entry.get("Input")
        response = self._messages.receive(name, value)
        if response is not None:
            make, task = response
            self._arrive(entry, make, task)
            return
        make = event_factory(events.EventRaised, name, self._encode(self._status.value(value), "event"))
        self._builder.add(DraftEvent("arrival", entry["Timestamp"], make, event_name=name))

    def _sent(self, entry: Fields) -> None:
        if not self._messages.send(entry):
            self._log(entry)

    def _commanded(self, entry: Fields) -> None:
        kind = getattr(events, entry["EventType"])
        self._builder.add(DraftEvent("command", entry["Timestamp"], event_factory(kind, get_reason(entry))))

    def _terminated(self, entry: Fields, reason: str | None = None) -> None:
        text = get_reason(entry) if reason is None else reason
        self._builder.add(
            DraftEvent("stop", entry["Timestamp"], event_factory(events.ExecutionTerminated, text))
        )

    def _completed(self, entry: Fields) -> None:
        status = entry.get("OrchestrationStatus")
        output = entry.get("Result", self._status.output)
        if entry["EventType"] == "ExecutionFailed" or status == "Failed":
            self._end(entry, event_factory(events.ExecutionFailed, self._failure(entry, output)))
        elif status in ("Terminated", "Canceled"):
            self._terminated(entry, output if isinstance(output, str) else "")
        elif status == "ContinuedAsNew":
            self._continued(entry)
        else:
            self._end(entry, event_factory(events.ExecutionCompleted, self._encode(output, "result")))

    def _continued(self, entry: Fields) -> None:
        self._end(entry, event_factory(events.ContinueAsNew, self._encode(entry.get("Result"), "input")))

    def _end(self, entry: Fields, make: EventFactory) -> None:
        self._builder.add(DraftEvent("end", entry["Timestamp"], make))

    def _failure(self, entry: Fields, default: object = None) -> FailureDetails:
        text = self._encode(get_failure(entry, default).as_json(), "failure")
        return FailureDetails.from_json(json.loads(text))


_HANDLERS: dict[str, Callable[[_Converter, Fields], None]] = {
    "TaskScheduled": _Converter._requested,
    "SubOrchestrationInstanceCreated": _Converter._requested,
    "TaskCompleted": _Converter._ended,
    "TaskFailed": _Converter._ended,
    "SubOrchestrationInstanceCompleted": _Converter._ended,
    "SubOrchestrationInstanceFailed": _Converter._ended,
    "TimerCreated": _Converter._timer_created,
    "TimerFired": _Converter._timer_fired,
    "EventRaised": _Converter._raised,
    "EventSent": _Converter._sent,
    "ExecutionSuspended": _Converter._commanded,
    "ExecutionResumed": _Converter._commanded,
    "ExecutionTerminated": _Converter._terminated,
    "ExecutionCompleted": _Converter._completed,
    "ExecutionFailed": _Converter._completed,
    "ContinueAsNew": _Converter._continued,
}
