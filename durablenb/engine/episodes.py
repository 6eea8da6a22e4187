"""Episodes: orchestrators are loaded, replayed, run until they wait; what they ask for is done."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from durablenb.core.execution import Execution
from durablenb.core.ports.clock import Clock
from durablenb.core.ports.store import Store
from durablenb.core.registry import Registry, name_of, not_found
from durablenb.engine.completions import Completions
from durablenb.engine.entities import Entities
from durablenb.engine.executors import UNHARMED
from durablenb.engine.instance import Instance
from durablenb.engine.journal import Journal
from durablenb.engine.lifecycle import Lifecycle
from durablenb.engine.logbook import LogBook
from durablenb.engine.options import EpisodeOptions
from durablenb.engine.timers import Timers
from durablenb.engine.transcript import SILENCE, current, speaking
from durablenb.engine.turn import Turn
from durablenb.engine.verifying import told_of, verify
from durablenb.engine.work import Work
from durablenb.model.entities import EntityId
from durablenb.model.errors import (
    FunctionNotFoundError,
    InstanceExistsError,
    InstanceStateError,
    NonDeterminismError,
    TypeNotRegisteredError,
    WaitTimeoutError,
)
from durablenb.model.events import (
    Ending,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationFailed,
    EntityOperationSignaled,
    EntityUnlockSent,
    Event,
    ExecutionFailed,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationInstanceCreated,
    SubOrchestrationInstanceFailed,
    TaskFailed,
    TaskScheduled,
    TimerCanceled,
    TimerCreated,
)
from durablenb.model.failures import failure_of
from durablenb.model.payloads import Codec

log = logging.getLogger("durablenb")

LOAD_TOGETHER = 64
"""Histories that are read with one query."""


class Running:
    """While orchestrators' code runs, so that the engine knows when that code asks it for something.

    What that code prints goes nowhere, unless it is its `Turn`.
    """

    def __init__(self) -> None:
        self._thread: int | None = None
        self._lookers: set[int] = set()

    def __enter__(self) -> None:
        self._token = current.set(SILENCE)
        self._thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._thread = None
        current.reset(self._token)

    def leave(self) -> None:
        """Note that no orchestrator's code runs any more, also if an interrupt cut the block short."""
        self._thread = None

    @property
    def is_here(self) -> bool:
        """Whether it is an orchestrator's code that asks."""
        here = threading.get_ident()
        return here == self._thread or here in self._lookers

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """While that code goes through a history for somebody who looks, in whatever thread."""
        here = threading.get_ident()
        self._lookers.add(here)
        try:
            with speaking(SILENCE):
                yield
        finally:
            self._lookers.discard(here)


class Episodes:
    """Runs the orchestrators of queued instances.

    Parameters
    ----------
    store, journal, clock, registry, codec
        The world.
    timers
        Where deadlines go.
    book
        Takes what orchestrators print.
    offer
        Takes calls of activities.
    options
        See `EpisodeOptions`.
    running
        Is entered while orchestrators' code runs.
    completions
        Where those look who wait for an instance.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        clock: Clock,
        registry: Registry,
        codec: Codec,
        timers: Timers,
        book: LogBook,
        offer: Callable[[Work], None],
        options: EpisodeOptions,
        running: Running,
        completions: Completions,
    ) -> None:
        self._store = store
        self._told_of_replaying: set[str] = set()
        self._journal = journal
        self._clock = clock
        self._registry = registry
        self._codec = codec
        self._timers = timers
        self._book = book
        self._offer = offer
        self._options = options
        self._loaded: OrderedDict[Instance, int] = OrderedDict()
        self._cached = 0
        self.running = running
        self.entities: Entities
        self.lifecycle = Lifecycle(
            journal, timers, clock, registry, self.new_execution, self._forget, completions
        )

    def run_queued(self, limit: int | None = None) -> list[Instance]:
        """An episode for each queued instance (`limit` of them); answers which ones."""
        queue = self.lifecycle.queue
        count = len(queue) if limit is None else min(limit, len(queue))
        return self._run_all([queue.popleft() for _ in range(count)])

    def catch_up(self, limit: int = LOAD_TOGETHER) -> list[Instance]:
        """An episode for some instances of the backlog; answers which ones."""
        backlog, taken = self.lifecycle.backlog, list[Instance]()
        while backlog and len(taken) < limit:
            instance = backlog.popleft()
            if instance.is_late:  # else somebody asked for it meanwhile
                taken.append(instance)
        return self._run_all(taken)

    def _run_all(self, taken: list[Instance]) -> list[Instance]:
        waiting = deque(taken)
        try:
            with self.running:
                while waiting:
                    if self._is_to_load(waiting[0]):
                        self._load([one for one in islice(waiting, LOAD_TOGETHER) if self._is_to_load(one)])
                    waiting[0].is_queued = waiting[0].is_late = False
                    self._run(waiting[0])
                    waiting.popleft()
        except BaseException:  # an interrupt, or no disk: what did not get its turn keeps it
            for instance in reversed(waiting):
                instance.is_queued = True
                (self.lifecycle.backlog if instance.is_late else self.lifecycle.queue).appendleft(instance)
            raise
        return taken

    def new_execution(self, instance: Instance) -> Execution | None:
        """A fresh execution of the registered code, or None if there is none yet."""
        version = instance.started.version
        code = self._registry.code(instance.name, version)
        if code is None:
            self.lifecycle.obstacles.lack(instance, self._registry.lacking(instance.name, version))
            return None
        at_first_run = self._registry.at_first_run.pop(instance.name, None)
        if at_first_run is not None:
            at_first_run()
        return Execution(
            code.function,
            instance.id,
            instance.execution_id,
            self._codec,
            name_of,
            source=code.source,
            interrupts=self._options.interrupts,
            max_actions=self._options.max_orchestration_actions,
        )

    def adopt(self, instance: Instance, execution: Execution, facts: list[Event]) -> None:
        """Does what these facts ask for; they are written already."""
        instance.execution = execution
        self._act_on(instance, facts)

    def ask_again(self, instance: Instance, facts: list[Event]) -> None:
        """Does what these facts of its history ask for, once more."""
        self._act_on(instance, facts)

    # -- code that changes -----------------------------------------------------------------------

    def runs_registered_code(self, instance: Instance) -> bool:
        """Whether the instance is in memory with the code that is registered for it now."""
        return instance.execution is not None and self._is_registered_code(instance, instance.execution)

    def no_code(self, instance: Instance) -> FunctionNotFoundError:
        """The error for an instance whose code isn't registered."""
        return self._registry.no_code(instance.name, instance.started.version)

    def put(self, instance: Instance, execution: Execution) -> None:
        """Lets the instance go on with this execution, which has been through its history."""
        self._drop(instance)
        instance.execution = execution
        self.lifecycle.obstacles.release(instance)
        self._remember(instance)
        self.lifecycle.enqueue(instance)

    def hold(self, instance: Instance, why: Exception) -> None:
        """Lets the instance rest, out of memory, until its code is registered again."""
        self._drop(instance)
        self.lifecycle.obstacles.hold(instance, why)

    def settle(self) -> None:
        """Waits until all that was written is on disk."""
        self._journal.drain()

    def _drop(self, instance: Instance) -> None:
        if instance.execution is not None:
            self._forget(instance)
            with speaking(SILENCE):
                instance.execution.unload()
            instance.execution = None

    # -- loading ---------------------------------------------------------------------------------

    def _is_to_load(self, instance: Instance) -> bool:
        """Whether it has to be replayed before it can go on; it may have been dropped while it waited."""
        if instance.execution is not None or instance.is_closed or instance.held:
            return False
        return self._is_registered(instance)

    def _load(self, instances: list[Instance]) -> None:
        self._journal.drain()
        histories = self._store.load([instance.id for instance in instances])
        for instance in instances:
            self._replay(instance, histories.get(instance.id, []))

    def _is_registered(self, instance: Instance) -> bool:
        version = instance.started.version
        if self._registry.code(instance.name, version) is None:
            self.lifecycle.obstacles.lack(instance, self._registry.lacking(instance.name, version))
            return False
        undefined = self._registry.undefined_name("orchestrator", instance.name, version)
        if instance.is_recovered and undefined is not None:
            self.lifecycle.obstacles.lack_name(instance, undefined)
            return False
        return True

    def _replay(self, instance: Instance, history: list[Event]) -> None:
        execution = self.new_execution(instance)
        if execution is None:
            return
        if not any(type(event) is OrchestratorStarted for event in history):
            execution.replay(history)
            instance.execution = execution
            return
        self._store.mark_replay(instance.id)
        try:
            execution.replay(history)
            instance.execution = execution
        except NonDeterminismError as error:
            self._part(instance, execution, error)
        except TypeNotRegisteredError as error:
            self._await_type(instance, execution, error)
        finally:
            if not (instance.is_suspect and self._can_run(instance)):  # else once it has come through
                self._store.mark_replay(None)

    def _part(self, instance: Instance, execution: Execution, error: NonDeterminismError) -> None:
        """The code doesn't fit the history: the instance is held, or failed if that was asked for."""
        execution.unload()
        instance.execution = None
        if self._options.fails_on_nondeterminism:
            now = self._clock.now()
            fact = ExecutionFailed(instance.next_event_id, now, failure_of(error))
            self._journal.write(instance, fact)
            self.lifecycle.end(instance, fact)
        else:
            self.lifecycle.obstacles.hold(instance, error)
            with speaking(None):
                log.warning("%s (%s) is held. %s", instance.id, instance.name, error)

    def _await_type(self, instance: Instance, execution: Execution, error: TypeNotRegisteredError) -> None:
        """A value can't be read yet: the instance waits until its type is registered."""
        execution.unload()
        instance.execution = None
        self._forget(instance)
        self.lifecycle.obstacles.lack(instance, error.type_name)

    # -- running ---------------------------------------------------------------------------------

    def _can_run(self, instance: Instance) -> bool:
        is_resting = instance.is_closed or instance.is_suspended or instance.held is not None
        return not is_resting and instance.execution is not None and instance.execution.is_ready

    def _run(self, instance: Instance) -> None:
        if not (instance.is_suspect and self._can_run(instance)):
            self._go_on(instance)
            return
        self._store.mark_replay(instance.id)
        try:
            self._go_on(instance)
        finally:
            instance.is_suspect = False
            self._store.mark_replay(None)

    def _go_on(self, instance: Instance) -> None:
        execution = instance.execution
        if execution is None or instance.is_closed or instance.is_suspended or instance.held:
            return
        if execution.is_ready:
            try:
                monitor = self._registry.monitor
                with Turn(self._book, instance) as turn, monitor(execution.function, turn.warn):
                    facts = execution.resume(self._clock.now(), instance.next_event_id)
                if self._options.verify_replay:
                    self._verify(instance, execution)
            except NonDeterminismError as error:
                self._part(instance, execution, error)
                return
            except TypeNotRegisteredError as error:
                self._await_type(instance, execution, error)
                return
            except BaseException as interrupt:  # the kernel's: nothing of this episode happened
                instance.execution = None
                self._forget(instance)
                execution.unload()
                interrupt.add_note(UNHARMED)
                raise
            instance.has_begun = True
            for fact in facts:
                self._journal.write(instance, fact)
            self._act_on(instance, facts)
            if execution.is_paused:
                self._pause(instance, execution)
            elif execution.is_ready:  # what arrived during a pause has more to do than this
                self.lifecycle.enqueue(instance)
        self._remember(instance)

    def _pause(self, instance: Instance, execution: Execution) -> None:
        """The code came to ``yield ...``: the instance waits to be registered again."""
        where = f" at line {execution.line}" if execution.line else ""
        execution.unload()
        instance.execution = None
        instance.is_recovered = True  # it waits for what comes next, also for other cells that this needs
        if not self._is_registered_code(instance, execution):
            self.lifecycle.enqueue(instance)  # it ran with older code: there is more already
            return
        why = WaitTimeoutError(
            f"{instance.id} ({instance.name}) waits for more code{where}, at its `yield ...`. Write on "
            "from there and run the cell again, then wait again. Nothing is lost meanwhile."
        )
        self.lifecycle.obstacles.hold(instance, why)

    def _is_registered_code(self, instance: Instance, execution: Execution) -> bool:
        code = self._registry.code(instance.name, instance.started.version)
        return code is not None and code.function is execution.function

    def _verify(self, instance: Instance, execution: Execution) -> None:
        difference = verify(partial(self.new_execution, instance), execution)
        if difference is not None and instance.name not in self._told_of_replaying:
            self._told_of_replaying.add(instance.name)
            with speaking(None):
                log.warning("%s", told_of(instance.name, difference))

    def _act_on(self, instance: Instance, facts: list[Event]) -> None:
        refused: list[tuple[type[Event], int, Exception]] = []
        for fact in facts:
            if isinstance(fact, OrchestratorStarted):  # the first fact of each episode
                continue
            if isinstance(fact, TaskScheduled):
                self._schedule(instance, fact, refused)
            elif isinstance(fact, TimerCreated):
                instance.pending.add(fact.task_id)
                self._timers.add(fact.fire_at, instance, fact.task_id)
            elif isinstance(fact, TimerCanceled):
                instance.pending.discard(fact.task_id)
            elif isinstance(fact, SubOrchestrationInstanceCreated):
                self._create_child(instance, fact, refused)
            elif isinstance(fact, EntityOperationCalled):
                self._call(instance, fact, refused)
            elif isinstance(fact, EntityOperationSignaled):
                self.entities.enqueue(
                    fact.entity_id, fact.name, fact.input, _caller(instance, fact), deliver_at=fact.deliver_at
                )
            elif isinstance(fact, EntityLockRequested):
                if self._fails_for_imported(instance, fact):
                    return
                instance.pending.add(fact.task_id)
                self.entities.lock(_caller(instance, fact), fact.entity_ids)
            elif isinstance(fact, EntityUnlockSent):
                self.entities.unlock((instance.id, instance.execution_id))
            elif isinstance(fact, Ending):
                self.lifecycle.end(instance, fact)
                return
        for kind, task_id, error in refused:
            self.lifecycle.arrive(instance, kind, task_id, failure_of(error, is_non_retriable=True))

    def _schedule(
        self,
        instance: Instance,
        fact: TaskScheduled,
        refused: list[tuple[type[Event], int, Exception]],
    ) -> None:
        known = self._registry.activities
        if fact.name in known or instance.is_recovered:
            instance.pending.add(fact.task_id)
            self._offer(Work(instance, fact.task_id, fact.name, fact.input, self._codec, fact.attempt))
        else:
            refused.append((TaskFailed, fact.task_id, not_found("activity", fact.name, known)))

    def _call(
        self,
        instance: Instance,
        fact: EntityOperationCalled,
        refused: list[tuple[type[Event], int, Exception]],
    ) -> None:
        name = EntityId.get_entity_id(fact.entity_id).name
        if fact.entity_id in self.lifecycle.imported:
            error = InstanceStateError(self.lifecycle.imported[fact.entity_id].refusal)
            refused.append((EntityOperationFailed, fact.task_id, error))
        elif self._registry.has_entity(name) or instance.is_recovered:
            instance.pending.add(fact.task_id)
            self.entities.enqueue(
                fact.entity_id, fact.name, fact.input, _caller(instance, fact), is_signal=False
            )
        else:
            unknown = not_found("entity", name, self._registry.entities)
            refused.append((EntityOperationFailed, fact.task_id, unknown))

    def _fails_for_imported(self, instance: Instance, asked: EntityLockRequested) -> bool:
        """Fails an instance that asks for the lock of an imported entity: it would never get it."""
        known = next((one for one in asked.entity_ids if one in self.lifecycle.imported), None)
        if known is None:
            return False
        failure = failure_of(InstanceStateError(self.lifecycle.imported[known].refusal))
        fact = ExecutionFailed(instance.next_event_id, self._clock.now(), failure)
        self._journal.write(instance, fact)
        self.lifecycle.end(instance, fact)
        return True

    def _create_child(
        self,
        instance: Instance,
        fact: SubOrchestrationInstanceCreated,
        refused: list[tuple[type[Event], int, Exception]],
    ) -> None:
        error: Exception | None = None
        if self._registry.code(fact.name, fact.version) is None and not instance.is_recovered:
            error = self._registry.no_code(fact.name, fact.version)
        elif any(
            fact.instance_id == f"{origin.execution_id}:{fact.task_id}"
            for origin in instance.started.forked_from
        ):
            error = InstanceExistsError(
                f"The child {fact.instance_id!r} belongs to the instance that this one was forked from. Fork "
                "again, before the child was called."
            )
        elif fact.instance_id in self.lifecycle.imported:
            known = self.lifecycle.imported[fact.instance_id]
            error = InstanceExistsError(f"{known.refusal} Give the child another instance_id, or none.")
        elif fact.instance_id in self.lifecycle.open:
            error = InstanceExistsError(
                f"The child's id {fact.instance_id!r} is that of an open instance. "
                "Give the child another instance_id, or none."
            )
        if error is not None:
            refused.append((SubOrchestrationInstanceFailed, fact.task_id, error))
            return
        instance.pending.add(fact.task_id)
        self.begin_child(instance, fact)

    def begin_child(self, instance: Instance, fact: SubOrchestrationInstanceCreated) -> None:
        """Begins the execution that this fact asks for."""
        child = self.lifecycle.begin(
            fact.instance_id,
            fact.name,
            fact.input,
            version=fact.version,
            parent=ParentInstance(instance.id, instance.execution_id, fact.task_id, instance.name),
        )
        child.is_recovered = instance.is_recovered

    # -- memory ----------------------------------------------------------------------------------

    def _remember(self, instance: Instance) -> None:
        """Counts what is in memory, and drops what was not used for longest if that is too much."""
        self._forget(instance)
        if instance.execution is None:
            return
        weight = len(instance.execution.history)
        self._loaded[instance] = weight
        self._cached += weight
        while self._cached > self._options.max_cached_events and len(self._loaded) > 1:
            oldest = next(iter(self._loaded))
            self._forget(oldest)
            if oldest.execution is not None and not oldest.is_closed:
                oldest.execution.unload()
                oldest.execution = None

    def unload(self) -> None:
        """Drops all that is in memory; no ``finally`` block of the user's gets anything done any more."""
        with speaking(SILENCE):
            for instance in self.lifecycle.open.values():
                if instance.execution is not None:
                    instance.execution.unload()

    def _forget(self, instance: Instance) -> None:
        self._cached -= self._loaded.pop(instance, 0)


def _caller(instance: Instance, fact: Any) -> ParentInstance:
    return ParentInstance(instance.id, instance.execution_id, fact.task_id, instance.name)
