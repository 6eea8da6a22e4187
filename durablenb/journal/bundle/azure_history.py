"""Azure's status answers with their histories become events: those that it tells, in their places.

Azure tells less than a journal has. What it leaves out is put where it must have been, or left out, too; what
has no counterpart here is kept as a line of the instance's log.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from durablenb.core.ports.store import Record
from durablenb.journal.bundle.azure_answers import Answer, reason_in, tags_in
from durablenb.journal.bundle.azure_entities import Messages
from durablenb.journal.bundle.azure_failures import failure_in
from durablenb.journal.bundle.history_builder import Course, Make, Step, Task, events_of, fact
from durablenb.journal.bundle.reading import Fields, moment_in, optional_text_in, text_in
from durablenb.model import events
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import checked_instance_id, execution_id_of
from durablenb.model.logs import LogLine
from durablenb.model.payloads import Kind

Encode = Callable[[Any, Kind], str]
"""Makes the journal's text of a value."""

_UNTOLD = ("OrchestratorStarted", "OrchestratorCompleted")
_LOGGER = "azure"


class Told(NamedTuple):
    """An instance as Azure tells it: its events, and what has no counterpart, as lines."""

    records: list[Record]
    lines: list[LogLine]


def told(answer: Fields, encode: Encode) -> Told:
    """What an answer tells; the records are numbered from 1.

    Parameters
    ----------
    answer
        With ``historyEvents``, as with ``showHistory=true&showHistoryOutput=true&showInput=true``.
    encode
        Makes texts of values.

    Raises
    ------
    ValueError
        If it is no such answer.
    """
    instance_id = checked_instance_id(answer.get("instanceId"))
    try:
        return _Teller(instance_id, answer, encode).told()
    except ValueError as error:
        raise ValueError(f"The history of {instance_id} can't be read: {error}.") from None


class _Teller:
    """Reads one answer."""

    def __init__(self, instance_id: str, answer: Fields, encode: Encode) -> None:
        self._instance_id = instance_id
        self._answer = Answer(answer)
        self._encode = encode
        self._course = Course()
        self._timers: list[tuple[datetime, Task]] = []
        self._messages = Messages(self._course, encode)
        self._lines: list[tuple[datetime, str]] = []

    def told(self) -> Told:
        answer, started = self._answer, self._started()
        self._execution_id = execution_id_of(self._instance_id, 0, started.timestamp)
        for number, entry in enumerate(self._answer.entries, 1):
            try:
                self._read(entry)
            except ValueError as error:
                raise ValueError(f"event {number}, {entry['EventType']}: {error}") from None
        if answer.status == "Suspended" and answer.entries[-1]["EventType"] != "ExecutionSuspended":
            at = moment_in(answer.fields, "lastUpdatedTime")
            self._course.add(Step("client", at, fact(events.ExecutionSuspended, "")))
        status = answer.fields.get("customStatus")
        facts = events_of(
            started,
            self._course.in_order(),
            None if status is None else self._encode(status, "status"),
            has_run=answer.status != "Pending",
        )
        ids = (self._instance_id, self._execution_id)
        return Told(
            [Record(number, *ids, fact) for number, fact in enumerate(facts, 1)],
            [
                LogLine(*ids, None, answer.name, 1, at, "logging", "INFO", _LOGGER, text)
                for at, text in self._lines
            ],
        )

    def _started(self) -> events.ExecutionStarted:
        entry = self._answer.started
        is_due = entry.get("ScheduledStartTime") is not None
        return events.ExecutionStarted(
            1,
            entry["Timestamp"] if entry else moment_in(self._answer.fields, "createdTime"),
            self._answer.name,
            self._encode(self._answer.input, "input"),
            optional_text_in(entry, "Version") or None,
            tags=tags_in(entry),
            scheduled_start_time=moment_in(entry, "ScheduledStartTime") if is_due else None,
            is_partial=True,
            rules=events.RULES,
        )

    # -- one event -------------------------------------------------------------------------------

    def _read(self, entry: Fields) -> None:
        kind = entry["EventType"]
        if kind in _UNTOLD or kind == "ExecutionStarted":
            return
        read = _READ.get(kind)
        if self._course.has_ended and kind in ("ExecutionTerminated", "ExecutionCompleted"):
            return  # the end is told twice
        if read is None or self._course.has_ended:
            self._note(entry)
        else:
            read(self, entry)

    def _note(self, entry: Fields) -> None:
        plain = {**entry, "Timestamp": entry["Timestamp"].isoformat()}
        text = self._encode(json.dumps(plain, default=str), "log")
        self._lines.append((entry["Timestamp"], str(json.loads(text))))

    def _pending(self, entry: Fields) -> None:
        self._asked(entry["EventType"], text_in(entry, "Name"), entry["Timestamp"], entry)

    def _asked(self, kind: str, name: str, at: datetime, entry: Fields) -> Task:
        text = self._encode(self._answer.argument(entry.get("Input")), "input")
        if kind == "TaskScheduled":
            return self._course.ask(at, fact(events.TaskScheduled, name, text))
        child = optional_text_in(entry, "InstanceId")
        version = optional_text_in(entry, "Version") or None
        return self._course.ask(
            at,
            lambda n, at, task: events.SubOrchestrationInstanceCreated(
                n, at, task, name, text, child or f"{self._execution_id}:{task}", version
            ),
        )

    def _ended(self, entry: Fields) -> None:
        name = optional_text_in(entry, "FunctionName")
        if name is None or entry.get("ScheduledTime") is None:
            self._note(entry)
            return
        kind: str = entry["EventType"]
        is_task = kind.startswith("Task")
        asked = "TaskScheduled" if is_task else "SubOrchestrationInstanceCreated"
        task = self._asked(asked, name, moment_in(entry, "ScheduledTime"), entry)
        has_failed = kind.endswith("Failed")
        outcome = self._failure(entry) if has_failed else self._encode(entry.get("Result"), "result")
        self._arrives(entry, fact(getattr(events, kind), outcome), task)

    def _arrives(self, entry: Fields, make: Make, task: Task) -> None:
        self._course.add(Step("arrival", entry["Timestamp"], make, task))

    def _timer_created(self, entry: Fields) -> None:
        due = moment_in(entry, "FireAt")
        task = self._course.ask(entry["Timestamp"], fact(events.TimerCreated, due))
        self._timers.append((due, task))

    def _timer_fired(self, entry: Fields) -> None:
        due = None if entry.get("FireAt") is None else moment_in(entry, "FireAt")
        found = next((one for one in self._timers if one[0] == due), None)
        if found is None:
            found = min(self._timers, key=lambda one: one[0], default=None)
        if found is None:
            self._note(entry)
            return
        self._timers.remove(found)
        self._arrives(entry, events.TimerFired, found[1])

    def _raised(self, entry: Fields) -> None:
        name, given = text_in(entry, "Name"), entry.get("Input")
        answered = self._messages.answered(name, given)
        if answered is not None:
            make, task = answered
            self._arrives(entry, make, task)
            return
        made = fact(events.EventRaised, name, self._encode(self._answer.value(given), "event"))
        self._course.add(Step("arrival", entry["Timestamp"], made, event_name=name))

    def _sent(self, entry: Fields) -> None:
        if not self._messages.sent(entry):
            self._note(entry)

    def _reasoned(self, entry: Fields) -> None:
        kind = getattr(events, entry["EventType"])
        self._course.add(Step("client", entry["Timestamp"], fact(kind, reason_in(entry))))

    def _terminated(self, entry: Fields, reason: str | None = None) -> None:
        text = reason_in(entry) if reason is None else reason
        self._course.add(Step("stop", entry["Timestamp"], fact(events.ExecutionTerminated, text)))

    def _completed(self, entry: Fields) -> None:
        status = entry.get("OrchestrationStatus")
        output = entry.get("Result", self._answer.output)
        if entry["EventType"] == "ExecutionFailed" or status == "Failed":
            self._ends(entry, fact(events.ExecutionFailed, self._failure(entry, output)))
        elif status in ("Terminated", "Canceled"):
            self._terminated(entry, output if isinstance(output, str) else "")
        elif status == "ContinuedAsNew":
            self._continued(entry)
        else:
            self._ends(entry, fact(events.ExecutionCompleted, self._encode(output, "result")))

    def _continued(self, entry: Fields) -> None:
        self._ends(entry, fact(events.ContinueAsNew, self._encode(entry.get("Result"), "input")))

    def _ends(self, entry: Fields, make: Make) -> None:
        self._course.add(Step("end", entry["Timestamp"], make))

    def _failure(self, entry: Fields, otherwise: object = None) -> FailureDetails:
        kept = self._encode(failure_in(entry, otherwise).as_json(), "failure")
        return FailureDetails.from_json(json.loads(kept))


_READ: dict[str, Callable[[_Teller, Fields], None]] = {
    "TaskScheduled": _Teller._pending,
    "SubOrchestrationInstanceCreated": _Teller._pending,
    "TaskCompleted": _Teller._ended,
    "TaskFailed": _Teller._ended,
    "SubOrchestrationInstanceCompleted": _Teller._ended,
    "SubOrchestrationInstanceFailed": _Teller._ended,
    "TimerCreated": _Teller._timer_created,
    "TimerFired": _Teller._timer_fired,
    "EventRaised": _Teller._raised,
    "EventSent": _Teller._sent,
    "ExecutionSuspended": _Teller._reasoned,
    "ExecutionResumed": _Teller._reasoned,
    "ExecutionTerminated": _Teller._terminated,
    "ExecutionCompleted": _Teller._completed,
    "ExecutionFailed": _Teller._completed,
    "ContinueAsNew": _Teller._continued,
}
