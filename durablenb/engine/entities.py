"""The entities: their queues of operations, their locks, and the effects of their operations.

    enqueue -> queue -> batch, on an executor -> events: result, state, signals, starts -> answers

Each entity runs one batch at a time. What a batch brings about is written together: after a crash there is
all of an operation or nothing.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from durablenb.core.entity import NOTHING, Signal, Start
from durablenb.core.ports.store import OpenEntity
from durablenb.engine.batch_jobs import BatchJob
from durablenb.engine.capture.output import capturing_for
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.entity import Entity, LockRequest, Operation, Owner, owner_key
from durablenb.engine.entity_batch import OperationBatch, OperationOutcome
from durablenb.engine.instance import Instance
from durablenb.engine.instances import Instances
from durablenb.engine.jobs import ActivityFinished
from durablenb.engine.retention import Retention
from durablenb.engine.services import EngineServices
from durablenb.engine.timers import Timers
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model import events
from durablenb.model.events import ParentInstance
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import new_execution_id

log = logging.getLogger("durablenb")

EventFactory = Callable[..., events.Event]
Enqueued = events.OperationEnqueued | events.LockEnqueued

OPERATIONS_AT_ONCE = 1_000
"""The most operations of one batch."""

STATES_TOGETHER = 1_000
"""States that are read with one query."""

LONG_HISTORY = 10_000
"""Events after which an idle entity begins a new part of its history."""

KEPT_ENTITIES = 10_000
KEPT_CHARACTERS = 64_000_000
"""How much of idle entities may stay in memory."""


class Entities:
    """The entities that have work to do, and those that had some lately.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes every change.
    timers
        Takes operations that are to be done later.
    instances
        The orchestrations that call and lock entities, and that entities start.
    dispatcher
        Takes the batches.
    retention
        Deletes the parts of histories that are left behind.
    """

    def __init__(
        self,
        services: EngineServices,
        buffer: WriteBuffer,
        timers: Timers,
        instances: Instances,
        dispatcher: Dispatcher,
        retention: Retention,
    ) -> None:
        self._store = services.store
        self._clock = services.clock
        self._buffer = buffer
        self._timers = timers
        self._instances = instances
        self._dispatcher = dispatcher
        self._retention = retention
        self._busy: dict[str, Entity] = {}
        self._idle: OrderedDict[str, Entity] = OrderedDict()
        self._characters = 0
        self._sections: dict[Owner, LockRequest] = {}
        """The latest request for each owner's critical section."""
        self._early_callers: set[Owner] = set()
        """Those owners that may have called an entity before they had locked it."""
        self.queue: deque[Entity] = deque()

    # -- requests --------------------------------------------------------------------------------

    def enqueue(
        self,
        entity_id: str,
        name: str,
        text: str,
        caller: ParentInstance | None = None,
        *,
        is_signal: bool = True,
        deliver_at: datetime | None = None,
    ) -> None:
        """Write that an operation was requested, and queue it."""
        if entity_id in self._instances.imported:
            with capturing_for(None):
                log.warning("A signal was dropped: %s", self._instances.imported[entity_id].refusal)
            return
        entity = self._entity(entity_id)
        number, now = entity.next_event_id, self._clock.now()
        self._buffer.write(
            entity, events.OperationEnqueued(number, now, name, text, caller, is_signal, deliver_at)
        )
        operation = Operation(number, name, text, caller, is_signal)
        if deliver_at is not None and deliver_at > now:
            self._postpone(entity, operation, deliver_at)
        else:
            self._take(entity, operation)

    def lock(self, owner: ParentInstance, entity_ids: tuple[str, ...]) -> None:
        """Request a critical section: the entities are locked one after the other."""
        self._request_lock(owner, entity_ids, 0)

    def unlock(self, owner: Owner) -> None:
        """End the critical section of an execution, or its wait for one."""
        last = self._sections.pop(owner, None)
        if last is None:
            return
        self._early_callers.discard(owner)
        for entity_id in last.entity_ids[: last.position + 1]:
            entity = self._busy[entity_id]
            if entity.lock is not None and entity.owner == owner:
                request, entity.lock = entity.lock, None
                entity.queue.extendleft(reversed(entity.owned))
                entity.owned.clear()
            else:
                request = _request(owner, entity.queue)
                entity.queue.remove(request)
            self._write(entity, events.LockReleased, self._clock.now(), request.number)
            self._wake(entity)

    def due(self, entity: Entity, number: int) -> None:
        """Queue an operation whose time has come."""
        self._take(entity, entity.pending.pop(number))

    # -- batches ---------------------------------------------------------------------------------

    def offer_batches(self) -> None:
        """Give the dispatcher a batch of each queued entity.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next call continues from here.
        """
        while self.queue:
            taken = list(islice(self.queue, STATES_TOGETHER))
            self._read_states([entity for entity in taken if entity.state is None])
            for entity in taken:
                self.queue.popleft()
                entity.is_queued = False
                self._begin_batch(entity)

    def finished(self, job: BatchJob, message: ActivityFinished) -> None:
        """Write the outcomes of a batch; operations that it has not done go back to their queue."""
        entity = job.entity
        if entity.batch is not job.batch:  # its end was reported before
            return
        operations, entity.running, entity.batch = entity.running, (), None
        if self._busy.get(entity.id) is not entity:  # it began before a recovery, which begins it again
            return
        result: Any = message.outcome
        outcomes: list[OperationOutcome] = result or []
        if isinstance(result, FailureDetails):
            outcomes = self._outcomes_of_failed_batch(entity, operations, result)
        by_number = {operation.number: operation for operation in operations}
        began, ended = message.started_at or message.ended_at, message.ended_at
        for outcome in outcomes:
            started, done = (
                min(began + timedelta(seconds=seconds), ended) for seconds in (outcome.started, outcome.ended)
            )
            self._settle(entity, by_number.pop(outcome.number), outcome, started, done, message.worker)
            entity.one_by_one = max(entity.one_by_one - 1, 0)
        left = entity.queue if entity.lock is None or job.is_for_all else entity.owned
        left.extendleft(reversed(by_number.values()))
        self._wake(entity)

    # -- recovery and purges ---------------------------------------------------------------------

    def adopt(self, found: OpenEntity) -> None:
        """Take over an entity that had requests left when the journal was closed."""
        entity = Entity(found.instance_id, found.execution_id)
        entity.next_event_id = found.next_event_id
        entity.is_recovered = True
        self._busy[entity.id] = entity
        now = self._clock.now()
        for event in _in_order(found.pending):
            if isinstance(event, events.LockEnqueued):
                request = LockRequest(event.event_id, event.caller, event.entity_ids, event.position)
                owner = owner_key(request.owner)
                last = self._sections.get(owner)
                if last is None or last.position < request.position:
                    self._sections[owner] = request
                    self._early_callers.add(owner)
                if event.event_id in found.granted:
                    entity.lock = request
                else:
                    entity.queue.append(request)
                continue
            operation = Operation(event.event_id, event.name, event.input, event.caller, event.is_signal)
            if event.deliver_at is not None and event.deliver_at > now:
                self._postpone(entity, operation, event.deliver_at)
            else:
                entity.queue.append(operation)
        self._give_owner(entity)
        self._wake(entity)

    def release_orphans(self) -> int:
        """End critical sections whose orchestration isn't open; return how many there were."""
        orphans = [owner for owner in self._sections if not self._is_open(owner)]
        for owner in orphans:
            self.unlock(owner)
        return len(orphans)

    def is_busy(self, entity_id: str) -> bool:
        """Return True if the entity has requests left, or is locked."""
        return entity_id in self._busy

    def forget(self, entity_ids: Iterable[str]) -> None:
        """Remove idle entities that are about to be deleted from memory."""
        for entity_id in entity_ids:
            entity = self._idle.pop(entity_id, None)
            if entity is not None:
                self._characters -= entity.size

    # -- inside ----------------------------------------------------------------------------------

    def _entity(self, entity_id: str) -> Entity:
        entity = self._busy.get(entity_id)
        if entity is not None:
            return entity
        entity = self._idle.pop(entity_id, None)
        if entity is not None:
            self._characters -= entity.size
        if entity is None or entity.next_event_id > LONG_HISTORY:
            state = None if entity is None else entity.state
            entity = Entity(entity_id, new_execution_id(entity_id, self._buffer.seq + 1, self._clock.now()))
            entity.state = state
            self._retention.note(entity_id)
        self._busy[entity_id] = entity
        return entity

    def _rest(self, entity: Entity) -> None:
        """Keep an idle entity in memory as long as there is room."""
        del self._busy[entity.id]
        self._idle[entity.id] = entity
        self._characters += entity.size
        while len(self._idle) > KEPT_ENTITIES or self._characters > KEPT_CHARACTERS:
            _, dropped = self._idle.popitem(last=False)
            self._characters -= dropped.size

    def _postpone(self, entity: Entity, operation: Operation, due: datetime) -> None:
        entity.pending[operation.number] = operation
        self._timers.add(due, entity, operation.number)

    def _take(self, entity: Entity, operation: Operation) -> None:
        caller = operation.caller
        if self._is_owned(entity, operation):
            entity.owned.append(operation)
        else:
            entity.queue.append(operation)
            if caller is not None and owner_key(caller) in self._sections:
                self._early_callers.add(owner_key(caller))
        self._wake(entity)

    def _is_owned(self, entity: Entity, operation: Operation) -> bool:
        caller = operation.caller
        return entity.lock is not None and caller is not None and owner_key(caller) == entity.owner

    def _wake(self, entity: Entity) -> None:
        """Queue the entity if it can begin a batch; count it as idle if it has no requests left."""
        if entity.is_queued or entity.running:
            return
        if entity.owned or (entity.queue and entity.lock is None):
            entity.is_queued = True
            self.queue.append(entity)
        elif entity.is_idle and entity.id in self._busy:
            self._rest(entity)

    def _begin_batch(self, entity: Entity) -> None:
        if entity.running:
            return
        if entity.lock is None and entity.queue and isinstance(entity.queue[0], LockRequest):
            self._grant(entity, entity.queue.popleft())  # type: ignore[arg-type]
        source: deque[Operation] | deque[Operation | LockRequest]
        source = entity.queue if entity.lock is None else entity.owned
        limit = 1 if entity.one_by_one else OPERATIONS_AT_ONCE
        taken: list[Operation] = []
        while source and len(taken) < limit and isinstance(source[0], Operation):
            taken.append(source.popleft())  # type: ignore[arg-type]
        if not taken:
            self._wake(entity)
            return
        entity.running = tuple(taken)
        assert entity.state is not None
        requests = tuple(operation.request for operation in taken)
        entity.batch = batch = OperationBatch(entity.key, entity.execution_id, entity.state, requests)
        self._dispatcher.schedule_batch(entity, batch, is_for_all=entity.lock is None)

    def _read_states(self, entities: list[Entity]) -> None:
        if not entities:
            return
        self._buffer.drain()
        states = self._store.entity_states([entity.id for entity in entities])
        for entity in entities:
            entity.state = states.get(entity.id, NOTHING)

    def _settle(
        self,
        entity: Entity,
        operation: Operation,
        result: OperationOutcome,
        started: datetime,
        ended: datetime,
        worker: str | None,
    ) -> None:
        number, outcome = operation.number, result.outcome
        if isinstance(outcome, FailureDetails):
            self._write(entity, events.OperationFailed, ended, number, outcome, started, worker)
        else:
            self._write(entity, events.OperationCompleted, ended, number, outcome, started, worker)
            if result.state != entity.state:
                entity.state = str(result.state)
                self._write(entity, events.StateChanged, ended, number, result.state)
            for sent in result.sent:
                self._send(entity, number, sent)
        if not operation.is_signal and operation.caller is not None:
            self._answer(operation.caller, outcome)

    def _write(self, entity: Entity, kind: EventFactory, at: datetime, *fields: object) -> None:
        self._buffer.write(entity, kind(entity.next_event_id, at, *fields))

    def _send(self, entity: Entity, number: int, sent: Signal | Start) -> None:
        now = self._clock.now()
        if isinstance(sent, Signal):
            caller = ParentInstance(entity.id, entity.execution_id, number, entity.key.name)
            name, text, due = sent.name, sent.input, sent.deliver_at
            self._write(entity, events.SignalSent, now, number, name, sent.entity_id, text, due)
            self.enqueue(sent.entity_id, name, text, caller, deliver_at=due)
        elif not (sent.instance_id in self._instances.open or sent.instance_id in self._instances.imported):
            self._write(entity, events.OrchestrationStarted, now, number, sent.name, sent.instance_id)
            version = self._instances.latest_version(sent.name, sent.version)
            self._instances.begin(sent.instance_id, sent.name, sent.input, version=version)

    def _answer(self, caller: ParentInstance, outcome: str | FailureDetails) -> None:
        instance = self._caller(caller)
        if instance is not None and caller.task_id in instance.pending:
            instance.pending.discard(caller.task_id)
            failed = isinstance(outcome, FailureDetails)
            kind = events.EntityOperationFailed if failed else events.EntityOperationCompleted
            self._instances.receive(instance, kind, caller.task_id, outcome)

    def _outcomes_of_failed_batch(
        self, entity: Entity, operations: tuple[Operation, ...], failure: FailureDetails
    ) -> list[OperationOutcome]:
        """Blame the only operation of a batch that failed as a whole; repeat several ones one by one."""
        if len(operations) > 1:
            entity.one_by_one = len(operations)
            return []
        return [OperationOutcome(operations[0].number, failure, entity.state or NOTHING, (), 0.0, 0.0)]

    # -- locks -----------------------------------------------------------------------------------

    def _request_lock(self, owner: ParentInstance, entity_ids: tuple[str, ...], position: int) -> None:
        entity = self._entity(entity_ids[position])
        request = LockRequest(entity.next_event_id, owner, entity_ids, position)
        self._write(entity, events.LockEnqueued, self._clock.now(), owner, entity_ids, position)
        self._sections[owner_key(owner)] = request
        entity.queue.append(request)
        self._wake(entity)

    def _grant(self, entity: Entity, request: LockRequest) -> None:
        entity.lock = request
        if owner_key(request.owner) in self._early_callers:
            self._give_owner(entity)
        self._write(entity, events.LockTaken, self._clock.now(), request.number)
        position = request.position + 1
        if position < len(request.entity_ids):
            self._request_lock(request.owner, request.entity_ids, position)
            return
        instance = self._caller(request.owner)
        if instance is not None and request.owner.task_id in instance.pending:
            instance.pending.discard(request.owner.task_id)
            self._instances.receive(instance, events.EntityLockGranted, request.owner.task_id)

    def _give_owner(self, entity: Entity) -> None:
        """Move what the owner requested while it waited for the lock into its critical section."""
        waiting, entity.queue = entity.queue, deque()
        for request in waiting:
            if isinstance(request, Operation) and self._is_owned(entity, request):
                entity.owned.append(request)
            else:
                entity.queue.append(request)

    def _caller(self, caller: ParentInstance) -> Instance | None:
        instance = self._instances.open.get(caller.instance_id)
        return instance if instance is not None and instance.execution_id == caller.execution_id else None

    def _is_open(self, owner: Owner) -> bool:
        instance = self._instances.open.get(owner[0])
        return instance is not None and instance.execution_id == owner[1]


def _in_order(pending: list[Enqueued]) -> list[Enqueued]:
    """Return requests in the order in which they would have been done: delayed ones by their time."""
    delayed = deque(
        sorted((due, event.event_id, event) for event in pending if (due := _due(event)) is not None)
    )
    ordered: list[Enqueued] = []
    for event in pending:
        if _due(event) is None:
            while delayed and delayed[0][0] <= event.timestamp:
                ordered.append(delayed.popleft()[2])
            ordered.append(event)
    return ordered + [event for _, _, event in delayed]


def _due(event: Enqueued) -> datetime | None:
    """Return the time of a delayed operation; None for one that was not delayed."""
    due = event.deliver_at if isinstance(event, events.OperationEnqueued) else None
    return due if due is not None and due > event.timestamp else None


def _request(owner: Owner, queue: Iterable[Operation | LockRequest]) -> LockRequest:
    return next(
        request for request in queue if isinstance(request, LockRequest) and owner_key(request.owner) == owner
    )
