"""What clients ask for becomes facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from durablenb.core.entity import NOTHING
from durablenb.core.execution import Execution
from durablenb.core.ports.clock import Clock
from durablenb.core.ports.store import InstanceQuery, Store
from durablenb.core.registry import Registry
from durablenb.core.rewind import rewound
from durablenb.engine import messages
from durablenb.engine.asked import last_of_operation
from durablenb.engine.attaching import check_same_start
from durablenb.engine.entities import Entities
from durablenb.engine.episodes import Episodes
from durablenb.engine.forks import Forks
from durablenb.engine.imports import Imports
from durablenb.engine.instance import Instance, Outcome
from durablenb.engine.journal import Journal
from durablenb.engine.purging import families_of
from durablenb.engine.upgrades import Upgrades
from durablenb.model.entities import CleanEntityStorageResult
from durablenb.model.errors import (
    DurableError,
    InstanceExistsError,
    InstanceNotFoundError,
    InstanceStateError,
)
from durablenb.model.events import (
    EntityLockRequested,
    EntityOperationCompleted,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionFailed,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OperationCompleted,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceCompleted,
    SubOrchestrationInstanceCreated,
)
from durablenb.model.status import InstanceState
from durablenb.model.status import OrchestrationRuntimeStatus as Status

REPLACED = 'It was replaced: its id was started again with if_exists="restart".'
"""Why an instance was terminated in whose place another one was started."""

_SENT = (EntityOperationSignaled, EntityUnlockSent)
"""What nobody waits for: it is not sent once more when it is rewound."""


class Commands:
    """Carries out what clients ask for.

    Parameters
    ----------
    store, journal, clock, registry
        The world.
    episodes, entities
        Where instances live, and entities.
    forks, upgrades, imports
        Who begins forks, moves instances to other code, and takes in what comes from elsewhere.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        clock: Clock,
        registry: Registry,
        episodes: Episodes,
        entities: Entities,
        forks: Forks,
        upgrades: Upgrades,
        imports: Imports,
    ) -> None:
        self._store = store
        self._journal = journal
        self._clock = clock
        self._registry = registry
        self._episodes = episodes
        self._entities = entities
        self._imports = imports
        self._lifecycle = episodes.lifecycle
        self._carry_out: dict[type, Callable[[Any], object]] = {
            messages.Start: self._start,
            messages.Raise: self._raise,
            messages.Terminate: self._terminate,
            messages.Suspend: self._suspend,
            messages.Resume: self._resume,
            messages.Rewind: self._rewind,
            messages.Fork: forks.begin,
            messages.Upgrade: upgrades.carry_out,
            messages.Purge: self._purge,
            messages.TakeIn: imports.take_in,
            messages.Watch: self._watch,
            messages.Signal: self._signal,
            messages.CleanEntities: self._clean_entities,
        }

    def carry_out(self, message: messages.ClientMessage) -> None:
        """Does what the message asks for; the answer comes when it is on disk."""
        if message.reply.cancelled():
            return
        try:
            answer = self._carry_out[type(message)](message)
        except DurableError as error:
            messages.refuse(message.reply, error)
            return
        except Exception as error:  # a mistake of the engine's own: nobody is to wait for the answer
            messages.refuse(message.reply, error)
            raise
        self._journal.answer(message.reply, answer)

    def _start(self, message: messages.Start) -> str:
        self._imports.check_free(message.instance_id)
        if message.if_exists == "attach" and self._is_attached(message):
            return message.instance_id
        is_open = message.instance_id in self._lifecycle.open
        if is_open and message.if_exists != "restart":
            raise InstanceExistsError(
                f"The instance {message.instance_id!r} is open: hub.handle({message.instance_id!r}) is its "
                'handle. Start with if_exists="attach" to get that in any case, with if_exists="restart" to '
                "replace it, or with another instance_id or none."
            )
        if self._registry.code(message.name, message.version) is None:
            raise self._registry.no_code(message.name, message.version)
        if message.dedupe:
            state = self._state(message.instance_id)
            if state is not None and state.status in message.dedupe:
                raise InstanceExistsError(
                    f"The instance {message.instance_id!r} is {state.status} already, and "
                    "dedupe_statuses says not to start it again."
                )
        if is_open:
            self._end(self._family(message.instance_id), REPLACED)
        self._lifecycle.begin(
            message.instance_id,
            message.name,
            message.input,
            version=message.version,
            tags=message.tags,
            start_at=message.start_at,
        )
        return message.instance_id

    def _is_attached(self, message: messages.Start) -> bool:
        """Whether the instance exists that the start asks for.

        Raises
        ------
        InstanceExistsError
            If another one of its id does.
        """
        state = self._state(message.instance_id)
        if state is None:
            return False
        check_same_start(message, state, self._store.starts(message.instance_id))
        return True

    def _raise(self, message: messages.Raise) -> bool:
        self._imports.check(message.instance_id)
        instance = self._lifecycle.open.get(message.instance_id)
        if instance is None:
            return False
        self._lifecycle.arrive(instance, EventRaised, message.name, message.input, is_asked=True)
        return True

    def _terminate(self, message: messages.Terminate) -> bool:
        self._imports.check(message.instance_id)
        one = message.instance_id
        self._end(self._family(one) if message.is_recursive else [one], message.reason)
        return True

    def _end(self, instance_ids: Sequence[str], reason: str) -> None:
        """Terminates those of these instances that are open."""
        for instance_id in instance_ids:
            instance = self._lifecycle.open.get(instance_id)
            if instance is not None:
                self._lifecycle.drop(instance)
                fact = ExecutionTerminated(instance.next_event_id, self._clock.now(), reason)
                self._journal.write(instance, fact)
                self._lifecycle.end(instance, fact)

    def _suspend(self, message: messages.Suspend) -> bool:
        self._imports.check(message.instance_id)
        instance = self._lifecycle.open.get(message.instance_id)
        if instance is not None and not instance.is_suspended:
            self._lifecycle.arrive(instance, ExecutionSuspended, message.reason)
            instance.is_suspended = True
        return instance is not None

    def _resume(self, message: messages.Resume) -> bool:
        self._imports.check(message.instance_id)
        instance = self._lifecycle.open.get(message.instance_id)
        if instance is not None and instance.held:
            self._lifecycle.obstacles.release(instance)  # it is tried once more
            self._lifecycle.enqueue(instance, is_asked=True)
        if instance is not None and instance.is_suspended:
            instance.is_suspended = False
            self._lifecycle.arrive(instance, ExecutionResumed, message.reason, is_asked=True)
        return instance is not None

    def _purge(self, message: messages.Purge) -> int:
        if message.only in self._lifecycle.open:
            raise InstanceStateError(
                f"The instance {message.only!r} is open. Terminate it before you purge it."
            )
        self._journal.drain()
        kept = self._lifecycle.open.keys() | self._store.restarted(message.as_of)
        gone = [one for one in message.instance_ids if one not in kept]
        for instance_id in gone:
            self._lifecycle.ended.pop(instance_id, None)
            self._lifecycle.drop_calls(instance_id)
        self._imports.forget(gone)
        if gone:
            self._journal.purge(gone)
        return len(gone)

    def _signal(self, message: messages.Signal) -> None:
        self._imports.check(message.entity_id)
        self._entities.enqueue(message.entity_id, message.name, message.input, deliver_at=message.deliver_at)

    def _clean_entities(self, message: messages.CleanEntities) -> CleanEntityStorageResult:
        released = self._entities.release_orphans() if message.releases_locks else 0
        self._journal.drain()
        empty: list[str] = []
        if message.removes_empty:
            states = self._store.entity_states(None).items()
            gone = (one for one, state in states if state == NOTHING)
            kept = self._lifecycle.imported
            empty = [one for one in gone if not (self._entities.is_busy(one) or one in kept)]
        if empty:
            self._entities.forget(empty)
            self._journal.purge(empty)
        return CleanEntityStorageResult(len(empty), released)

    def _watch(self, message: messages.Watch) -> Future[Any] | None:
        instance = self._lifecycle.open.get(message.instance_id)
        if instance is None:
            if message.instance_id in self._lifecycle.imported:
                state = self._state(message.instance_id)
                self._imports.check_wait(message.instance_id, None if state is None else state.status)
            outcome = self._lifecycle.ended.get(message.instance_id)
            return None if outcome is None else _done(outcome)
        self._lifecycle.enqueue(instance, is_asked=True)  # only its code can say whether it can go on
        completion = self._lifecycle.watch(message.instance_id)
        messages.answer(message.reply, completion)  # it tells nothing that isn't on disk
        return completion

    # -- rewind ----------------------------------------------------------------------------------

    def _rewind(self, message: messages.Rewind) -> None:
        self._imports.check(message.instance_id)
        state = self._state(message.instance_id)
        if state is None:
            raise InstanceNotFoundError(f"The hub has no instance {message.instance_id!r}.")
        if state.status is not Status.Failed:
            raise InstanceStateError(
                f"The instance {message.instance_id!r} is {state.status}; only a failed one can be rewound."
            )
        family = (message.instance_id, *self._store.descendants([message.instance_id]))
        failed = {
            member.instance_id: member
            for member in self._store.states(InstanceQuery(instance_ids=family))
            if member.status is Status.Failed
        }
        for member in failed.values():
            if self._registry.code(member.name, member.version) is None:
                raise self._registry.no_code(member.name, member.version)
            self._check_locks(member)
        self._rewind_one(state, message.reason, failed)

    def _check_locks(self, state: InstanceState) -> None:
        """What failed in a critical section has lost its locks, and can't go on there."""
        history = self._store.load([state.instance_id])[state.instance_id]
        if not any(isinstance(event, EntityLockRequested) for event in history):
            return
        _, execution, _ = self._replayed(state, history, 1)
        if execution.is_locked:
            raise InstanceStateError(
                f"{state.instance_id} failed in a critical section. Its locks were released, and others may "
                "have changed the entities since, so it can't go on there. Start it anew: handle.restart()."
            )

    def _replayed(
        self, state: InstanceState, history: list[Event], first_id: int
    ) -> tuple[Instance, Execution, list[Event]]:
        """The instance, fresh, its execution as it is rewound, and what is kept of the history."""
        started = history[0]
        assert isinstance(started, ExecutionStarted)
        instance = Instance(state.instance_id, state.execution_id, started)
        execution = self._episodes.new_execution(instance)
        assert execution is not None
        with self._episodes.running:
            kept = rewound(execution, history, first_id)
        return instance, execution, kept

    def _rewind_one(self, state: InstanceState, reason: str, failed: dict[str, InstanceState]) -> None:
        """Rewinds an instance, and those of its children that are among the `failed`, as one transaction."""
        history = self._store.load([state.instance_id])[state.instance_id]
        mark = ExecutionRewound(history[-1].event_id + 1, self._clock.now(), reason)
        instance, execution, kept = self._replayed(state, history, mark.event_id + 1)
        self._lifecycle.drop_calls(instance.id)
        self._lifecycle.reopen(instance)
        instance.has_begun = True
        for event in (mark, *kept):
            self._journal.write(instance, event)
        sent = {event.task_id for event in history if isinstance(event, _SENT)}
        done = [event for event in kept if isinstance(event, _SENT) and event.task_id in sent]
        self._go_on(instance, execution, [event for event in kept if event not in done], reason, failed)

    def _go_on(
        self,
        instance: Instance,
        execution: Any,
        kept: list[Any],
        reason: str,
        failed: dict[str, InstanceState],
    ) -> None:
        settled = {
            event.task_id
            for event in kept
            if event.settlement == "completed" and not isinstance(event, EventRaised)
        }
        begun = []
        facts = []
        for event in kept:
            if getattr(event, "task_id", None) in settled:
                continue
            last = self._last_of_child(instance, event) or last_of_operation(self._store, instance, event)
            if last is not None:
                begun.append((event, last))
            elif not isinstance(event, (ExecutionStarted, OrchestratorStarted)):
                facts.append(event)
        self._episodes.adopt(instance, execution, facts)
        for event, last in begun:
            if not instance.is_closed:
                self._rewind_begun(instance, event, last, reason, failed)
        self._lifecycle.enqueue(instance)

    def _last_of_child(self, parent: Instance, event: Event) -> Event | None:
        """Where the child stands that this event created; None if it has to be created once more."""
        if not isinstance(event, SubOrchestrationInstanceCreated):
            return None
        history = self._store.load([event.instance_id]).get(event.instance_id, [])
        link = ParentInstance(parent.id, parent.execution_id, event.task_id, parent.name)
        if not history or getattr(history[0], "parent", None) != link:
            return None
        return None if isinstance(history[-1], ExecutionTerminated) else history[-1]

    def _rewind_begun(
        self, parent: Instance, event: Any, last: Event, reason: str, failed: dict[str, InstanceState]
    ) -> None:
        """A failed child is rewound; what completed meanwhile is heard; what is at work goes on."""
        if isinstance(last, ExecutionCompleted):
            self._lifecycle.arrive(parent, SubOrchestrationInstanceCompleted, event.task_id, last.result)
            return
        if isinstance(last, OperationCompleted):
            self._lifecycle.arrive(parent, EntityOperationCompleted, event.task_id, last.result)
            return
        parent.pending.add(event.task_id)
        if isinstance(last, ExecutionFailed):
            self._rewind_one(failed[event.instance_id], reason, failed)

    def _family(self, instance_id: str) -> list[str]:
        """The instance, its children, and theirs; not what only once had one of their ids."""
        self._journal.drain()
        return families_of([instance_id], self._store.links([instance_id]))[0][::-1]

    def _state(self, instance_id: str) -> InstanceState | None:
        self._journal.drain()
        states = self._store.states(InstanceQuery(instance_ids=(instance_id,)))
        return states[0] if states else None


def _done(outcome: Outcome) -> Future[Outcome]:
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    return future
