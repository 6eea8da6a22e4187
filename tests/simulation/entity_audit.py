"""Rules for entities that hold after every commit, checked as the records come in.

E1  a part of an entity's history begins when nothing is left to do in the one before
E2  an operation is settled at most once, alone or with all that it did; its outcome and the state after it
    are those that the state before it leads to
E3  what is sent is enqueued in the same transaction, once, and answered in that in which it is settled
E4  what one sender asks is done in its order, and nothing before it is due
E5  one lock at a time, first come, first served; while it lasts nobody but its owner is served
E6  a lock, or a request for one, has an owner that is open and has not left its critical section
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.core.ports.store import Record
from durablenb.engine.options import EngineOptions
from durablenb.model import events as ev
from durablenb.model.entities import EntityId
from tests.simulation.entities import expected

if TYPE_CHECKING:
    from tests.simulation.audit import Audit, Life

_decode = EngineOptions().codec.decode

Task = tuple[str, str, int]
"""A task: its execution, and its number in it."""


@dataclass(slots=True)
class Thing:
    """An entity as its records tell it."""

    instance_id: str
    execution_id: str
    last_id: int = 0
    state: Any = None
    pending: dict[int, ev.OperationEnqueued | ev.LockEnqueued] = field(default_factory=dict)
    settled: set[int] = field(default_factory=set)
    lock: ev.LockEnqueued | None = None
    after: list[tuple[type[ev.Event], Any]] = field(default_factory=list)
    """What must follow the operation that was settled last."""
    done: dict[object, int] = field(default_factory=dict)
    """By sender, the number of the operation of it that was done last."""


def task_of(caller: ev.ParentInstance) -> Task:
    return caller.instance_id, caller.execution_id, caller.task_id


class EntityAudit:
    """Takes every record of an entity; the `audit` of all else tells it what it knows of orchestrations."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._check = audit.check
        self.things: dict[str, Thing] = {}
        self.signaled: Counter[tuple[str, str, str]] = Counter()
        """How often a client's signal came to the disk."""
        self.latest: Callable[[], datetime]
        self._take: dict[type[ev.Event], Callable[[Thing, Any], None]] = {
            ev.OperationEnqueued: self._enqueued,
            ev.OperationCompleted: self._completed,
            ev.OperationFailed: self._failed,
            ev.LockEnqueued: self._lock_enqueued,
            ev.LockTaken: self._taken,
            ev.LockReleased: self._released,
        }
        self._asked: Counter[Task] = Counter()
        self._enqueued_now: Counter[Task] = Counter()
        self._answers: dict[Task, ev.Event] = {}

    def take(self, record: Record) -> None:
        """A record of an entity."""
        _, instance_id, execution_id, event = record
        thing = self.things.get(instance_id)
        if thing is None or thing.execution_id != execution_id:
            is_over = thing is None or not thing.pending
            self._check(is_over, "E1", "a new part of a history, and the old one isn't done", record)
            state = None if thing is None else thing.state
            thing = self.things[instance_id] = Thing(instance_id, execution_id, state=state)
        self._check(event.event_id == thing.last_id + 1, "I2", "event_id has a gap", thing.last_id, record)
        thing.last_id = event.event_id
        if isinstance(event, (ev.StateChanged, ev.SignalSent, ev.OrchestrationStarted)):
            self._follows(thing, event)
            return
        if not isinstance(event, ev.OperationEnqueued):  # it may have signaled itself
            self._check(not thing.after, "E2", "torn off its operation", thing.after, record)
        self._take[type(event)](thing, event)

    def appended(self, records: Sequence[Record]) -> None:
        """One transaction's records were taken, those of orchestrations, too."""
        for thing in self.things.values():
            self._check(not thing.after, "E2", "torn off its operation", thing, thing.after)
            for request in thing.pending.values():
                if isinstance(request, ev.LockEnqueued):
                    self._check_owner(thing, request)
        for record in records:
            self._check_sent(record)
        for asked in (self._asked, self._enqueued_now):
            for task in [one for one in asked if self._is_rewound(one)]:
                del asked[task]
        self._check(
            self._asked == self._enqueued_now,
            "E3", "what was sent is not what was enqueued", self._asked, self._enqueued_now,
        )  # fmt: skip
        self._asked.clear()
        self._enqueued_now.clear()
        for task, outcome in self._answers.items():
            life = self._audit.lives.get(task[:2])
            self._check(
                life is None or not life.is_open or task[2] not in life.pending,
                "E3", "settled, and not answered", task, outcome,
            )  # fmt: skip
        self._answers.clear()

    def purged(self, instance_ids: Sequence[str]) -> None:
        """These are gone from the disk."""
        for instance_id in instance_ids:
            thing = self.things.pop(instance_id, None)
            if thing is not None:
                self._check(not thing.pending and thing.state is None, "E1", "purged too early", thing)

    # -- operations ------------------------------------------------------------------------------

    def _enqueued(self, thing: Thing, event: ev.OperationEnqueued) -> None:
        thing.pending[event.event_id] = event
        if event.caller is None:
            self.signaled[thing.instance_id, event.name, event.input] += 1
        else:
            self._enqueued_now[task_of(event.caller)] += 1

    def _settled(self, thing: Thing, event: Any) -> ev.OperationEnqueued | None:
        operation = thing.pending.pop(event.task_id, None)
        self._check(event.task_id not in thing.settled, "E2", "settled twice", thing.instance_id, event)
        thing.settled.add(event.task_id)
        if not isinstance(operation, ev.OperationEnqueued):
            self._check(False, "E2", "settled, and not asked for", thing.instance_id, event)
            return None
        caller = operation.caller
        if thing.lock is not None:
            is_owner = caller is not None and _owner(caller) == _owner(thing.lock.caller)
            self._check(is_owner, "E5", "served in a critical section of another", operation, thing.lock)
        if operation.deliver_at is None:
            sender = None if caller is None else _owner(caller)
            last = thing.done.get(sender, 0)
            self._check(last < event.task_id, "E4", "not in its sender's order", thing, operation)
            thing.done[sender] = event.task_id
        else:
            self._check(self.latest() >= operation.deliver_at, "E4", "done before it is due", operation)
        if caller is not None and not operation.is_signal:
            self._answers[task_of(caller)] = event
        return operation

    def _completed(self, thing: Thing, event: ev.OperationCompleted) -> None:
        operation = self._settled(thing, event)
        if operation is None:
            return
        key = EntityId.get_entity_id(thing.instance_id).key
        given = _decode(operation.input)
        result, state, sent = expected(key, operation.name, given, thing.state)
        self._check(_decode(event.result) == result, "E2", "another result", thing, operation, event)
        thing.after = [(ev.SignalSent, one) for one in sent]
        if state != thing.state:
            thing.after.insert(0, (ev.StateChanged, state))

    def _failed(self, thing: Thing, event: ev.OperationFailed) -> None:
        operation = self._settled(thing, event)
        if operation is not None:
            self._check(operation.name == "fail", "E2", "failed for no reason", operation, event)

    def _follows(self, thing: Thing, event: Any) -> None:
        if isinstance(event, ev.OrchestrationStarted):
            return
        kind, value = thing.after.pop(0) if thing.after else (None, None)
        if isinstance(event, ev.StateChanged):
            found = _decode(event.state)
            self._check((kind, value) == (type(event), found), "E2", "another state", thing, event, value)
            thing.state = found
        else:
            found = event.entity_id, _decode(event.input)
            self._check((kind, value) == (type(event), found), "E2", "another signal", thing, event, value)

    # -- locks -----------------------------------------------------------------------------------

    def _lock_enqueued(self, thing: Thing, event: ev.LockEnqueued) -> None:
        self._check(event.entity_ids[event.position] == thing.instance_id, "E5", "a wrong request", event)
        self._check(list(event.entity_ids) == sorted(event.entity_ids), "E5", "out of order", event)
        thing.pending[event.event_id] = event

    def _taken(self, thing: Thing, event: ev.LockTaken) -> None:
        request = thing.pending.get(event.task_id)
        self._check(thing.lock is None, "E5", "two at a time", thing, event)
        if not isinstance(request, ev.LockEnqueued):
            self._check(False, "E5", "a lock that nobody asked for", thing, event)
            return
        earlier = [
            one
            for number, one in thing.pending.items()
            if number < event.task_id and (isinstance(one, ev.LockEnqueued) or one.deliver_at is None)
        ]
        self._check(not earlier, "E5", "somebody had asked before", request, earlier)
        thing.lock = request

    def _released(self, thing: Thing, event: ev.LockReleased) -> None:
        request = thing.pending.pop(event.task_id, None)
        self._check(isinstance(request, ev.LockEnqueued), "E5", "a release of no lock", thing, event)
        if thing.lock is request:
            thing.lock = None

    def _check_owner(self, thing: Thing, request: ev.LockEnqueued) -> None:
        task = task_of(request.caller)
        life = self._audit.lives.get(task[:2])
        is_there = life is not None and life.is_open and task[2] not in life.left
        self._check(is_there, "E6", "a lock without an owner", thing, request, life)

    # -- senders ---------------------------------------------------------------------------------

    def _check_sent(self, record: Record) -> None:
        event: Any = record.event
        task = record.instance_id, record.execution_id, getattr(event, "task_id", -1)
        if isinstance(event, (ev.EntityOperationCalled, ev.EntityOperationSignaled, ev.SignalSent)):
            self._asked[task] += 1
        elif isinstance(event, ev.EntityOperationFailed) and task not in self._enqueued_now:
            self._asked.pop(task, None)  # no entity of that name is registered
        elif isinstance(event, ev.EntityLockGranted):
            self._check_granted(task)

    def _is_rewound(self, task: Task) -> bool:
        """Return True if its execution was rewound in this transaction: many requests were carried out."""
        life = self._audit.lives.get(task[:2])
        return life is not None and life.rewound_in == self._audit.transactions

    def _check_granted(self, task: Task) -> None:
        held = [
            thing.instance_id
            for thing in self.things.values()
            if thing.lock is not None and task_of(thing.lock.caller) == task
        ]
        life: Life | None = self._audit.lives.get(task[:2])
        is_over = life is None or not life.is_open or task[2] in life.left  # in this transaction
        asked = None if is_over or life is None else life.locks.get(task[2])
        self._check(asked is None or sorted(held) == sorted(asked), "E5", "granted without locks", task, held)


def _owner(caller: ev.ParentInstance) -> tuple[str, str]:
    return caller.instance_id, caller.execution_id
