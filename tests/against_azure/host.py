"""Azure's library for Python, over a host that is played: what an orchestrator asks for comes about."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from azure.durable_functions import Orchestrator
from azure.durable_functions.models import DurableOrchestrationContext
from azure.durable_functions.models.history import HistoryEventType as Kind

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Raised(NamedTuple):
    """An event from outside, some minutes after the start."""

    minutes: float
    name: str
    data: Any = None


class Ended(NamedTuple):
    """The end of an orchestration: its status, and its output or its error."""

    status: str
    output: Any = None


class Host:
    """Plays one orchestration with ``azure.durable_functions``.

    Parameters
    ----------
    orchestrator
        A generator function.
    activities
        What is called, by name. They take no time.
    given
        The input.
    """

    def __init__(
        self,
        orchestrator: Callable[..., Any],
        activities: Iterable[Callable[..., Any]] = (),
        given: Any = None,
    ) -> None:
        self._orchestrator = orchestrator
        self._activities = {function.__name__.casefold(): function for function in activities}
        self._given = given
        self._history: list[dict[str, Any]] = []
        self._asked = 0
        self._timers: dict[int, datetime] = {}
        self._done: list[dict[str, Any]] = []

    def play(self, raised: Iterable[Raised] = ()) -> Ended:
        """Everything that comes, one thing after another; how it ended."""
        now, coming = BEGIN, sorted(raised)
        self._add(Kind.EXECUTION_STARTED, now, Name="o", Version=None, Input=json.dumps(self._given))
        while True:
            try:
                with warnings.catch_warnings(action="ignore"):  # of events that nobody waits for
                    state = self._episode()
            except Exception as error:
                return Ended("Failed", str(error).partition("$OutOfProcData$")[0].strip())
            if state["isDone"]:
                return Ended("Completed", state.get("output"))
            if self._done:
                self._add(timestamp=now, **self._done.pop(0))
                continue
            due = min(self._timers, key=lambda one: (self._timers[one], one), default=None)
            at = None if not coming else BEGIN + timedelta(minutes=coming[0].minutes)
            if due is not None and (at is None or self._timers[due] <= at):
                now = self._timers.pop(due)
                self._add(Kind.TIMER_FIRED, now, TimerId=due)
            elif at is not None:
                now, (_, name, data) = at, coming.pop(0)
                self._add(Kind.EVENT_RAISED, now, Name=name, Input=json.dumps(data))
            else:
                return Ended("Running")

    def _episode(self) -> dict[str, Any]:
        told = {
            "history": self._history,
            "instanceId": "i",
            "isReplaying": False,
            "parentInstanceId": None,
            "input": json.dumps(self._given),
            "upperSchemaVersion": 2,
            "upperSchemaVersionNew": 3,
            "maximumShortTimerDuration": "6.00:00:00",
            "longRunningTimerIntervalDuration": "3.00:00:00",
        }
        context = DurableOrchestrationContext.from_json(json.dumps(told))
        state: dict[str, Any] = json.loads(Orchestrator(self._orchestrator).handle(context))
        for number, action in enumerate(_flat(state.get("actions", []))):
            kind = action["actionType"]
            if kind == 5 and action.get("isCanceled"):
                self._timers.pop(number, None)
            if number < self._asked:
                continue
            self._asked = number + 1
            if kind == 5 and not action.get("isCanceled"):
                self._timers[number] = datetime.fromisoformat(action["fireAt"].replace("Z", "+00:00"))
            elif kind == 0:
                self._done.append(self._called(number, action))
        return state

    def _called(self, number: int, action: dict[str, Any]) -> dict[str, Any]:
        function = self._activities[action["functionName"].casefold()]
        result = function(json.loads(action["input"]))
        return {"kind": Kind.TASK_COMPLETED, "TaskScheduledId": number, "Result": json.dumps(result)}

    def _add(self, kind: Kind, timestamp: datetime, **fields: Any) -> None:
        base = {"EventId": -1, "IsPlayed": False, "Timestamp": timestamp.isoformat()}
        self._history.append({**base, "EventType": Kind.ORCHESTRATOR_STARTED})
        self._history.append({**base, "EventType": kind, **fields})
        self._history.append({**base, "EventType": Kind.ORCHESTRATOR_COMPLETED})


def _flat(actions: Iterable[Any]) -> list[dict[str, Any]]:
    """The actions that have numbers in the order of these; waits for events have none."""
    found: list[dict[str, Any]] = []
    for one in actions:
        if isinstance(one, list):
            found += _flat(one)
        elif "compoundActions" in one:
            found += _flat(one["compoundActions"])
        elif one["actionType"] != 6:
            found.append(one)
    return found
