"""The data for the picture of an instance, read at once or kept up to date event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from operator import is_

from durablenb.analysis.calls import IN_FLIGHT, Call, CallReader, CallState, read_calls
from durablenb.analysis.graph import ExecutionGraph, GraphStep, execution_graph
from durablenb.analysis.interruptions import Tries, tries_by_task, with_interruptions
from durablenb.analysis.nesting import NestedGraphs
from durablenb.analysis.outputs import Outputs
from durablenb.analysis.run_time import RunTime, read_run_time
from durablenb.analysis.text import plural
from durablenb.analysis.waits import Wait, entities_waited_for, find_waits, is_left
from durablenb.core.generations import GenerationCounter, earlier_purged, is_remnant, without_remnants
from durablenb.journal.related import EntityQueue
from durablenb.model.activities import ActivityAttempt
from durablenb.model.events import (
    Arrival,
    CodeAwaited,
    Event,
    EventUnsubscribed,
    OrchestratorStarted,
    StatusChange,
)
from durablenb.model.runtime import RuntimeInfo
from durablenb.model.status import DurableOrchestrationStatus


@dataclass(frozen=True)
class InstanceSnapshot:
    """An instance at one moment, with all that a picture shows.

    Parameters
    ----------
    status
        The status that a client sees.
    events
        The events of all executions, oldest first.
    flow
        The last execution as a graph of steps.
    calls
        The tasks of all executions.
    waits
        All that it waits for, the most urgent first.
    executions
        The number of executions, including those after continue-as-new and rewind.
    episodes
        The times of the orchestrator's episodes.
    now
        The time of the snapshot, if the instance is open.
    forks
        The instances that were forked from it.
    nest
        The sub-orchestrations that are opened in its graph.
    purged
        The number of past generations that were purged.
    outputs
        What it displayed; None if that wasn't read.
    """

    status: DurableOrchestrationStatus
    events: tuple[Event, ...]
    flow: ExecutionGraph
    calls: tuple[Call, ...]
    waits: tuple[Wait, ...]
    executions: int
    episodes: tuple[datetime, ...]
    now: datetime | None = None
    forks: tuple[str, ...] = ()
    nest: NestedGraphs = field(default_factory=dict)
    purged: int = 0
    outputs: Outputs | None = None

    @cached_property
    def run_time(self) -> RunTime:
        """How long it ran, until its end or the time of the snapshot."""
        last = max(event.timestamp for event in self.events)
        return read_run_time(self.events, last if self.now is None else max(self.now, last))

    @property
    def counts(self) -> list[str]:
        """The number of executions, if there are several, and of purged generations, if there are any."""
        executions = [plural(self.executions, "execution")] if self.executions > 1 else []
        return executions + self.purged_words

    @property
    def purged_words(self) -> list[str]:
        """How many generations were purged, if any were."""
        return [earlier_purged(self.purged)] if self.purged else []

    @property
    def word(self) -> str:
        """The status, or a more exact word for "Running": "Held", "Waiting", ..."""
        kinds = {wait.kind for wait in self.waits}
        if "mending" in kinds:
            return "Held"
        if "code" in kinds or "child" in kinds:
            return "Not loaded" if "code" in kinds else "Blocked"
        is_running = str(self.status.runtime_status) == "Running"
        if is_running and kinds <= {"external event", "timer", "lock", "place"}:
            return "Waiting"
        if is_running and kinds == {"retry"}:
            return "Retrying"
        return str(self.status.runtime_status)


def instance_snapshot(
    status: DurableOrchestrationStatus,
    events: Sequence[Event],
    info: RuntimeInfo | None = None,
    now: datetime | None = None,
    ask_queues: Callable[[Sequence[str]], Mapping[str, EntityQueue]] | None = None,
    forks: tuple[str, ...] = (),
    tries: Iterable[ActivityAttempt] = (),
) -> InstanceSnapshot:
    """Return the snapshot of an instance with this history.

    Parameters
    ----------
    status
        Its status.
    events
        Its history, of all executions.
    info
        What a running engine knows of it: the reasons why it is blocked, and which calls run.
    now
        The time. Open tasks last until then.
    ask_queues
        Reads the queues of entities. It is called if the instance waits for some.
    forks
        The instances that were forked from it.
    tries
        The known tries of its calls, read before `info`.
    """
    counter = GenerationCounter(events)
    events = list(without_remnants(events))
    info = info or RuntimeInfo()
    of_task = tries_by_task(tries)
    calls = [with_interruptions(with_runtime(call, info), of_task) for call in read_calls(events)]
    flow = execution_graph(events, calls)
    current = [call for step in flow.steps for call in step.calls]
    entity_ids = entities_waited_for(current)
    queues = ask_queues(entity_ids) if ask_queues is not None and entity_ids else {}
    waits = find_waits(events, current, info.obstacle, queues, status.instance_id or "")
    episodes = tuple(event.timestamp for event in events if type(event) is OrchestratorStarted)
    moment = open_until(status, events, now) if waits else None
    return InstanceSnapshot(
        status,
        tuple(events),
        flow,
        tuple(calls),
        waits,
        counter.executions,
        episodes,
        moment,
        forks,
        purged=counter.purged,
    )


def open_until(
    status: DurableOrchestrationStatus, events: Sequence[Event], now: datetime | None
) -> datetime | None:
    """Return the time until which open tasks last: for an imported instance, its last event."""
    return now if status.imported_from is None else events[-1].timestamp


def with_runtime(call: Call, info: RuntimeInfo) -> Call:
    """Return the call; an open one of an activity is "not loaded", "running" or "queued" if that is known."""
    state = _runtime_state(call, info)
    return call if state == call.state else call.in_state(state)


def _runtime_state(call: Call, info: RuntimeInfo) -> CallState:
    if call.state != "open" or call.kind != "activity":
        return call.state
    if call.name in info.obstacle.missing:
        return "not loaded"
    if info.running_ids is None:
        return "open"
    return "running" if getattr(call.attempts[-1].request, "task_id", None) in info.running_ids else "queued"


_OPEN = (*IN_FLIGHT, "retrying")
_LANDMARKS = (StatusChange, CodeAwaited)

ReadQueues = Callable[[Sequence[str]], Mapping[str, EntityQueue]]


class SnapshotBuilder:
    """Reads an instance's history event by event, and gives its snapshot at any time.

    As long as only results arrive, the graph keeps its steps and replaces their calls. When the orchestrator
    has requested something, the graph is built again.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._reader = CallReader()
        self._landmarks: list[Event] = []
        self._counter = GenerationCounter()
        self._episodes: list[datetime] = []
        self._flow: ExecutionGraph | None = None
        self._homes: list[list[int]] = []  # the positions of each step's calls
        self._has_left = False  # an abandoned wait exists; most instances have none
        self._stated: dict[int, tuple[Call, Call]] = {}  # open calls, and the same with their runtime states
        self._tries: Tries = {}
        self._retried: dict[int, tuple[Call, Call]] = {}  # calls, and the same with interrupted attempts

    def read(self, events: Iterable[Event]) -> bool:
        """Read new events; return whether they may have changed the instance's status."""
        has_news = False
        for event in events:
            if self.events and is_remnant(self.events[-1], event):
                self._landmarks.remove(self.events.pop())
            self._counter.read(event)
            self.events.append(event)
            self._reader.read(event)
            if not isinstance(event, Arrival):
                self._flow = None
            if type(event) is OrchestratorStarted:
                self._episodes.append(event.timestamp)
            self._has_left |= isinstance(event, EventUnsubscribed) and event.is_left
            if isinstance(event, _LANDMARKS):
                last = type(self._landmarks[-1]) if self._landmarks else None
                is_again = type(event) is last is OrchestratorStarted
                if not is_again:
                    self._landmarks.append(event)
                    has_news = True
        return has_news

    def flow(self, info: RuntimeInfo | None) -> ExecutionGraph:
        """Return the last execution as a graph of steps; see `instance_snapshot` for `info`."""
        return self._now(info or RuntimeInfo())[1]

    def snapshot(
        self,
        status: DurableOrchestrationStatus,
        info: RuntimeInfo | None,
        now: datetime,
        ask_queues: ReadQueues,
        forks: tuple[str, ...] = (),
        tries: Tries | None = None,
    ) -> InstanceSnapshot:
        """Return the snapshot of the events read so far; see `instance_snapshot`."""
        info = info or RuntimeInfo()
        if tries is not None and tries is not self._tries:
            self._tries, self._retried = tries, {}
        calls, flow = self._now(info)
        current = [
            call for step in flow.steps if _is_open(step) for call in step.calls if call.state in _OPEN
        ]
        entity_ids = entities_waited_for(current)
        queues = ask_queues(entity_ids) if entity_ids else {}
        if self._has_left:
            current += filter(is_left, calls)
        recent = [*self._landmarks, *self.events[-1:]]
        waits = find_waits(recent, current, info.obstacle, queues, status.instance_id or "")
        episodes, moment = tuple(self._episodes), open_until(status, self.events, now) if waits else None
        events = tuple(self.events)
        return InstanceSnapshot(
            status,
            events,
            flow,
            tuple(calls),
            waits,
            self._counter.executions,
            episodes,
            moment,
            forks,
            purged=self._counter.purged,
        )

    def _now(self, info: RuntimeInfo) -> tuple[list[Call], ExecutionGraph]:
        calls = self._with_interruptions(self._with_runtime(self._reader.calls(), info))
        self._flow = self._drawn(calls)
        return calls, self._flow

    def _with_runtime(self, calls: list[Call], info: RuntimeInfo) -> list[Call]:
        """Return the calls with their runtime states; the same objects as before, unless they changed."""
        before, self._stated = self._stated, {}
        if info.running_ids is None and not info.obstacle.missing:
            return calls
        for position, call in enumerate(calls):
            if call.state == "open" and call.kind == "activity":
                known = before.get(position)
                state = _runtime_state(call, info)
                if known is None or known[0] is not call or known[1].state != state:
                    known = call, call.in_state(state)
                self._stated[position] = known
                calls[position] = known[1]
        return calls

    def _with_interruptions(self, calls: list[Call]) -> list[Call]:
        """Return the calls with their interrupted attempts; the same objects as before, if unchanged."""
        if not self._tries:
            return calls
        for position, call in enumerate(calls):
            known = self._retried.get(position)
            if known is None or known[0] is not call:
                known = self._retried[position] = (call, with_interruptions(call, self._tries))
            calls[position] = known[1]
        return calls

    def _drawn(self, calls: Sequence[Call]) -> ExecutionGraph:
        if self._flow is not None:
            steps = tuple(map(_renewed, self._flow.steps, self._homes, [calls] * len(self._homes)))
            return replace(self._flow, steps=steps)
        flow = execution_graph(self.events, calls)
        positions = {id(call): position for position, call in enumerate(calls)}
        self._homes = [[positions[id(call)] for call in step.calls] for step in flow.steps]
        return flow


def _is_open(step: GraphStep) -> bool:
    return not step.states.keys().isdisjoint(_OPEN)


def _renewed(step: GraphStep, home: Sequence[int], calls: Sequence[Call]) -> GraphStep:
    """Return a step with its current calls; the same object if none has changed."""
    now = tuple(map(calls.__getitem__, home))
    return step if all(map(is_, now, step.calls)) else replace(step, calls=now)
