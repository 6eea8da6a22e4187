"""The entities: what is asked of them, in order; who has locked them; what came of it.

    enqueue -> queue -> a batch, on an executor -> facts: result, state, signals, starts -> answers to callers

Every entity does one batch at a time. What a batch brings about is written together: a crash leaves all of
an operation or nothing.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import islice

from durablenb.core.entity import NOTHING, Signal, Start
from durablenb.core.ports.clock import Clock
from durablenb.core.ports.store import OpenEntity, Store
from durablenb.engine.entity import Entity, LockRequest, Operation, Owner, owner_of
from durablenb.engine.instance import Instance
from durablenb.engine.journal import Journal
from durablenb.engine.lifecycle import Lifecycle
from durablenb.engine.operations import Batch, Done
from durablenb.engine.timers import Timers
from durablenb.engine.transcript import speaking
from durablenb.engine.work import EntityWork
from durablenb.model import events
from durablenb.model.events import ParentInstance
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import execution_id_of
from durablenb.model.payloads import Codec

log = logging.getLogger("durablenb")

Kind = Callable[..., events.Event]
Enqueued = events.OperationEnqueued | events.LockEnqueued

OPERATIONS_AT_ONCE = 1_000
"""Operations that one batch may have."""

STATES_TOGETHER = 1_000
"""States that are read with one query."""

LONG_HISTORY = 10_000
"""Events after which an entity that has nothing to do begins a new part of its history."""

KEPT_ENTITIES = 10_000
KEPT_CHARACTERS = 64_000_000
"""What may stay in memory of entities that have nothing to do."""


class Entities:
    """The entities that have something to do, and those that had something to do lately.

    Parameters
    ----------
    store, journal, clock, codec
        The world.
    timers
        Where operations wait that are asked for later.
    lifecycle
        The orchestrations that call, lock, and are started.
    offer
        Takes the batches that are to be done.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        clock: Clock,
        codec: Codec,
        timers: Timers,
        lifecycle: Lifecycle,
        offer: Callable[[EntityWork], None],
    ) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._codec = codec
        self._timers = timers
        self._lifecycle = lifecycle
        self._offer = offer
        self._busy: dict[str, Entity] = {}
        self._idle: OrderedDict[str, Entity] = OrderedDict()
        self._characters = 0
        self._sections: dict[Owner, LockRequest] = {}
        """By owner, the request that was made last of those for its critical section."""
        self._hasty: set[Owner] = set()
        """Those of them that may have asked an entity for something before they had locked it."""
        self.queue: deque[Entity] = deque()
        lifecycle.when_closed = self._owner_closed

    # -- what is asked ---------------------------------------------------------------------------

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
        """Asks for an operation: it is a fact at once."""
        if entity_id in self._lifecycle.imported:
            with speaking(None):
                log.warning("A signal was dropped: %s", self._lifecycle.imported[entity_id].refusal)
            return
        entity = self._entity(entity_id)
        number, now = entity.next_event_id, self._clock.now()
        self._journal.write(
            entity, events.OperationEnqueued(number, now, name, text, caller, is_signal, deliver_at)
        )
        operation = Operation(number, name, text, caller, is_signal)
        if deliver_at is not None and deliver_at > now:
            self._postpone(entity, operation, deliver_at)
        else:
            self._take(entity, operation)

    def lock(self, owner: ParentInstance, entity_ids: tuple[str, ...]) -> None:
        """Asks for a critical section: the entities are locked one after the other."""
        self._ask_for_lock(owner, entity_ids, 0)

    def unlock(self, owner: Owner) -> None:
        """Ends the critical section of an execution, or its wait for one."""
        last = self._sections.pop(owner, None)
        if last is None:
            return
        self._hasty.discard(owner)
        for entity_id in last.entity_ids[: last.position + 1]:
            entity = self._busy[entity_id]
            if entity.lock is not None and entity.owner == owner:
                request, entity.lock = entity.lock, None
                entity.queue.extendleft(reversed(entity.owned))
                entity.owned.clear()
            else:
                request = _of(owner, entity.queue)
                entity.queue.remove(request)
            self._write(entity, events.LockReleased, self._clock.now(), request.number)
            self._wake(entity)

    def due(self, entity: Entity, number: int) -> None:
        """An operation that was asked for later is to be done now."""
        self._take(entity, entity.pending.pop(number))

    # -- what is done ----------------------------------------------------------------------------

    def offer_batches(self) -> None:
        """Lets each entity that can do something do it.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next time it goes on from here.
        """
        while self.queue:
            taken = list(islice(self.queue, STATES_TOGETHER))
            self._read_states([one for one in taken if one.state is None])
            for entity in taken:
                self.queue.popleft()
                entity.is_queued = False
                self._go_on(entity)

    def finished(
        self,
        work: EntityWork,
        outcome: list[Done] | FailureDetails | None,
        started_at: datetime | None,
        ended_at: datetime,
        worker: str | None,
    ) -> None:
        """A batch has ended, or (without an outcome) was not done after all."""
        entity = work.entity
        if entity.batch is not work.batch:  # it was told before
            return
        operations, entity.running, entity.batch = entity.running, (), None
        if self._busy.get(entity.id) is not entity:  # it began before a recovery, which begins it anew
            return
        if isinstance(outcome, FailureDetails):
            outcome = self._blamed(entity, operations, outcome)
        by_number = {operation.number: operation for operation in operations}
        for done in outcome or ():
            began = started_at or ended_at
            started, ended = (
                min(began + timedelta(seconds=seconds), ended_at) for seconds in (done.started, done.ended)
            )
            self._settle(entity, by_number.pop(done.number), done, started, ended, worker)
            entity.is_one_by_one = max(entity.is_one_by_one - 1, 0)
        left = entity.queue if entity.lock is None or work.is_for_all else entity.owned
        left.extendleft(reversed(by_number.values()))
        self._wake(entity)

    # -- where it stands -------------------------------------------------------------------------

    def adopt(self, found: OpenEntity) -> None:
        """Takes over what the journal has of an entity that isn't done with all."""
        entity = Entity(found.instance_id, found.execution_id)
        entity.next_event_id = found.next_event_id
        entity.is_recovered = True
        self._busy[entity.id] = entity
        now = self._clock.now()
        for event in _in_turn(found.pending):
            if isinstance(event, events.LockEnqueued):
                request = LockRequest(event.event_id, event.caller, event.entity_ids, event.position)
                owner = owner_of(request.owner)
                last = self._sections.get(owner)
                if last is None or last.position < request.position:
                    self._sections[owner] = request
                    self._hasty.add(owner)
                if event.event_id in found.taken:
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
        """Ends critical sections whose orchestration is not open; answers how many there were."""
        orphans = [owner for owner in self._sections if not self._is_open(owner)]
        for owner in orphans:
            self.unlock(owner)
        return len(orphans)

    def is_busy(self, entity_id: str) -> bool:
        """Whether the entity has something to do, or waits for something."""
        return entity_id in self._busy

    def forget(self, entity_ids: Iterable[str]) -> None:
        """Lets go of entities that have nothing to do, and are about to be deleted."""
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
            entity = Entity(entity_id, execution_id_of(entity_id, self._journal.seq + 1, self._clock.now()))
            entity.state = state
        self._busy[entity_id] = entity
        return entity

    def _rest(self, entity: Entity) -> None:
        """It has nothing to do: it is kept as long as there is room."""
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
            if caller is not None and owner_of(caller) in self._sections:
                self._hasty.add(owner_of(caller))
        self._wake(entity)

    def _is_owned(self, entity: Entity, operation: Operation) -> bool:
        caller = operation.caller
        return entity.lock is not None and caller is not None and owner_of(caller) == entity.owner

    def _wake(self, entity: Entity) -> None:
        """Queues the entity, if it could do something; lets go of it, if it has nothing to do."""
        if entity.is_queued or entity.running:
            return
        if entity.owned or (entity.queue and entity.lock is None):
            entity.is_queued = True
            self.queue.append(entity)
        elif entity.is_idle and entity.id in self._busy:
            self._rest(entity)

    def _go_on(self, entity: Entity) -> None:
        if entity.running:
            return
        if entity.lock is None and entity.queue and isinstance(entity.queue[0], LockRequest):
            self._grant(entity, entity.queue.popleft())  # type: ignore[arg-type]
        source: deque[Operation] | deque[Operation | LockRequest]
        source = entity.queue if entity.lock is None else entity.owned
        limit = 1 if entity.is_one_by_one else OPERATIONS_AT_ONCE
        taken: list[Operation] = []
        while source and len(taken) < limit and isinstance(source[0], Operation):
            taken.append(source.popleft())  # type: ignore[arg-type]
        if not taken:
            self._wake(entity)
            return
        entity.running = tuple(taken)
        assert entity.state is not None
        asked = tuple(operation.asked for operation in taken)
        entity.batch = batch = Batch(entity.key, entity.execution_id, entity.state, asked)
        self._offer(EntityWork(entity, batch, self._codec, is_for_all=entity.lock is None))

    def _read_states(self, entities: list[Entity]) -> None:
        if not entities:
            return
        self._journal.drain()
        states = self._store.entity_states([entity.id for entity in entities])
        for entity in entities:
            entity.state = states.get(entity.id, NOTHING)

    def _settle(
        self,
        entity: Entity,
        operation: Operation,
        done: Done,
        started: datetime,
        ended: datetime,
        worker: str | None,
    ) -> None:
        number, outcome = operation.number, done.outcome
        if isinstance(outcome, FailureDetails):
            self._write(entity, events.OperationFailed, ended, number, outcome, started, worker)
        else:
            self._write(entity, events.OperationCompleted, ended, number, outcome, started, worker)
            if done.state != entity.state:
                entity.state = str(done.state)
                self._write(entity, events.StateChanged, ended, number, done.state)
            for sent in done.sent:
                self._send(entity, number, sent)
        if not operation.is_signal and operation.caller is not None:
            self._answer(operation.caller, outcome)

    def _write(self, entity: Entity, kind: Kind, at: datetime, *fields: object) -> None:
        self._journal.write(entity, kind(entity.next_event_id, at, *fields))

    def _send(self, entity: Entity, number: int, sent: Signal | Start) -> None:
        now = self._clock.now()
        if isinstance(sent, Signal):
            caller = ParentInstance(entity.id, entity.execution_id, number, entity.key.name)
            name, text, due = sent.name, sent.input, sent.deliver_at
            self._write(entity, events.SignalSent, now, number, name, sent.entity_id, text, due)
            self.enqueue(sent.entity_id, name, text, caller, deliver_at=due)
        elif not (sent.instance_id in self._lifecycle.open or sent.instance_id in self._lifecycle.imported):
            self._write(entity, events.OrchestrationStarted, now, number, sent.name, sent.instance_id)
            version = self._lifecycle.chosen_version(sent.name, sent.version)
            self._lifecycle.begin(sent.instance_id, sent.name, sent.input, version=version)

    def _answer(self, caller: ParentInstance, outcome: str | FailureDetails) -> None:
        instance = self._caller(caller)
        if instance is not None and caller.task_id in instance.pending:
            instance.pending.discard(caller.task_id)
            failed = isinstance(outcome, FailureDetails)
            kind = events.EntityOperationFailed if failed else events.EntityOperationCompleted
            self._lifecycle.arrive(instance, kind, caller.task_id, outcome)

    def _blamed(
        self, entity: Entity, operations: tuple[Operation, ...], failure: FailureDetails
    ) -> list[Done]:
        """The batch failed as a whole: of several operations nobody knows which one did it."""
        if len(operations) > 1:
            entity.is_one_by_one = len(operations)
            return []
        return [Done(operations[0].number, failure, entity.state or NOTHING, (), 0.0, 0.0)]

    # -- locks -----------------------------------------------------------------------------------

    def _ask_for_lock(self, owner: ParentInstance, entity_ids: tuple[str, ...], position: int) -> None:
        entity = self._entity(entity_ids[position])
        request = LockRequest(entity.next_event_id, owner, entity_ids, position)
        self._write(entity, events.LockEnqueued, self._clock.now(), owner, entity_ids, position)
        self._sections[owner_of(owner)] = request
        entity.queue.append(request)
        self._wake(entity)

    def _grant(self, entity: Entity, request: LockRequest) -> None:
        entity.lock = request
        if owner_of(request.owner) in self._hasty:
            self._give_owner(entity)
        self._write(entity, events.LockTaken, self._clock.now(), request.number)
        position = request.position + 1
        if position < len(request.entity_ids):
            self._ask_for_lock(request.owner, request.entity_ids, position)
            return
        instance = self._caller(request.owner)
        if instance is not None and request.owner.task_id in instance.pending:
            instance.pending.discard(request.owner.task_id)
            self._lifecycle.arrive(instance, events.EntityLockGranted, request.owner.task_id)

    def _give_owner(self, entity: Entity) -> None:
        """What the owner asked for while it waited for the lock is done inside of its section."""
        waiting, entity.queue = entity.queue, deque()
        for one in waiting:
            if isinstance(one, Operation) and self._is_owned(entity, one):
                entity.owned.append(one)
            else:
                entity.queue.append(one)

    def _caller(self, caller: ParentInstance) -> Instance | None:
        instance = self._lifecycle.open.get(caller.instance_id)
        return instance if instance is not None and instance.execution_id == caller.execution_id else None

    def _is_open(self, owner: Owner) -> bool:
        instance = self._lifecycle.open.get(owner[0])
        return instance is not None and instance.execution_id == owner[1]

    def _owner_closed(self, instance: Instance) -> None:
        self.unlock((instance.id, instance.execution_id))


def _in_turn(pending: list[Enqueued]) -> list[Enqueued]:
    """What was asked, in the order in which it would have been done: what was asked for later, by when."""
    later = deque(sorted((due, one.event_id, one) for one in pending if (due := _due(one)) is not None))
    ordered: list[Enqueued] = []
    for one in pending:
        if _due(one) is None:
            while later and later[0][0] <= one.timestamp:
                ordered.append(later.popleft()[2])
            ordered.append(one)
    return ordered + [one for _, _, one in later]


def _due(asked: Enqueued) -> datetime | None:
    """When it was to be done, if that was later than it was asked for."""
    due = asked.deliver_at if isinstance(asked, events.OperationEnqueued) else None
    return due if due is not None and due > asked.timestamp else None


def _of(owner: Owner, queue: Iterable[Operation | LockRequest]) -> LockRequest:
    return next(one for one in queue if isinstance(one, LockRequest) and owner_of(one.owner) == owner)
