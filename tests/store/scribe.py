"""Writes plausible journals: places and event ids without gaps, one open execution an instance at a time."""

from dataclasses import MISSING, fields, replace
from datetime import UTC, datetime, timedelta

from durablenb.core.ports.store import Record, Store
from durablenb.model.events import (
    ContinueAsNew,
    Event,
    ExecutionCanceled,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionTerminated,
    LockEnqueued,
    LockReleased,
    LockTaken,
    OperationCompleted,
    OperationEnqueued,
    OperationFailed,
    OrchestratorStarted,
    ParentInstance,
    Request,
    StateChanged,
    TaskFailed,
)
from durablenb.model.failures import FailureDetails

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = ParentInstance("transfer", "e" * 16, 3, "transfer")
ENDS = (ExecutionCompleted, ExecutionFailed, ExecutionCanceled, ExecutionTerminated)

USUAL = {
    "name": "Work",
    "input": "1",
    "result": "2",
    "status": '"half-way"',
    "reason": "why not",
    "failure": FailureDetails("builtins.ValueError", "bad luck"),
    "task_id": 0,
    "instance_id": "child",
    "entity_id": "@account@a",
    "entity_ids": ("@account@a",),
    "fire_at": BEGINNING + timedelta(days=3),
}
"""What an event says where a test doesn't care."""


class Scribe:
    """Numbers events, dates them a second apart, and keeps each instance's current history."""

    def __init__(self):
        self.now = BEGINNING
        self.history: dict[str, list[Event]] = {}
        self._executions: dict[str, str] = {}
        self._seq = 0
        self._new: list[Record] = []

    def take(self) -> list[Record]:
        """The records since the last time."""
        taken, self._new = self._new, []
        return taken

    def add(self, instance_id: str, kind: type[Event], /, **values) -> Event:
        """One more event of the instance's current execution."""
        self.now += timedelta(seconds=1)
        wanted = [field.name for field in fields(kind) if field.default is field.default_factory is MISSING]
        usual = {name: USUAL[name] for name in wanted if name in USUAL}
        history = self.history[instance_id]
        event_id = history[-1].event_id + 1 if history else 1
        event = kind(**{"event_id": event_id, "timestamp": self.now, **usual, **values})
        self._write(instance_id, event)
        return event

    def start(self, instance_id: str, **values) -> Event:
        """A new execution."""
        self.open(instance_id, f"{self._seq + 1:016x}")
        return self.add(instance_id, ExecutionStarted, **values)

    def start_in(self, store: Store, instance_id: str, **values) -> None:
        """A new execution, written to the store."""
        self.start(instance_id, **values)
        store.append(self.take())

    def open(self, instance_id: str, execution_id: str) -> None:
        """A new history, still empty."""
        self._executions[instance_id] = execution_id
        self.history[instance_id] = []

    def start_child(self, parent: str, instance_id: str, task_id: int = 0, **values) -> Event:
        """A new execution that another one's task waits for."""
        link = ParentInstance(parent, self._executions[parent], task_id, self.history[parent][0].name)
        return self.start(instance_id, parent=link, **values)

    def run(self, instance_id: str, *kinds: type[Event]) -> None:
        """Events of these kinds, which say what is usual."""
        for kind in kinds:
            self.add(instance_id, kind)

    def continue_as_new(self, instance_id: str, input: str = "1") -> Event:
        """The end of one execution and the beginning of the next."""
        started = self.history[instance_id][0]
        self.add(instance_id, ContinueAsNew, input=input)
        kept = {name: getattr(started, name) for name in ("name", "version", "parent", "tags")}
        return self.start(instance_id, input=input, generation=started.generation + 1, **kept)

    def rewind(self, instance_id: str) -> None:
        """The failed history once more, without its failures."""
        failed = self.history[instance_id]
        self.add(instance_id, ExecutionRewound)
        next_id = failed[-1].event_id + 1
        self.history[instance_id] = []
        for event in failed:
            if isinstance(event, (ExecutionStarted, OrchestratorStarted, Request)) and not isinstance(
                event, (ExecutionFailed, TaskFailed)
            ):
                self._write(instance_id, replace(event, event_id=next_id))
                next_id += 1

    def forget(self, instance_id: str) -> None:
        """The instance is purged."""
        self.history.pop(instance_id, None)

    def _write(self, instance_id: str, event: Event) -> None:
        self._seq += 1
        self.history[instance_id].append(event)
        self._new.append(Record(self._seq, instance_id, self._executions[instance_id], event))


class EntityScribe:
    """Writes histories of entities, with a scribe, into a store."""

    def __init__(self, store: Store, scribe: Scribe) -> None:
        self._store, self._scribe = store, scribe
        self._part = 0

    def open(self, entity_id):
        """A new part of the entity's history begins."""
        self._part += 1
        self._scribe.open(entity_id, f"{self._part:016x}")

    def ask(self, entity_id, name="add", **more):
        return self._scribe.add(entity_id, OperationEnqueued, name=name, input="1", **more).event_id

    def do(self, entity_id, number, state=None):
        self._scribe.add(entity_id, OperationCompleted, task_id=number, result="null")
        if state is not None:
            self._scribe.add(entity_id, StateChanged, task_id=number, state=state)

    def fail(self, entity_id, number):
        self._scribe.add(entity_id, OperationFailed, task_id=number)

    def lock(self, entity_id, owner=OWNER):
        ids = (entity_id,)
        return self._scribe.add(entity_id, LockEnqueued, caller=owner, entity_ids=ids).event_id

    def grant(self, entity_id, number):
        self._scribe.add(entity_id, LockTaken, task_id=number)

    def release(self, entity_id, number):
        self._scribe.add(entity_id, LockReleased, task_id=number)

    def write(self):
        self._store.append(self._scribe.take())
