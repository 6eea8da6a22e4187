"""The state machine: all that is in memory of the open instances, and what messages, time and turns do to it.

    message -> apply -> facts in the journal -> episodes -> more facts -> flush -> activities

It is made from the journal; at any moment it may be thrown away and made anew. It belongs to one thread at a
time.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from functools import cache
from typing import Any

from durablenb.core.ports.clock import Clock
from durablenb.core.ports.store import OpenInstance, Store
from durablenb.core.registry import Registry
from durablenb.engine.commands import Commands
from durablenb.engine.committer import Committer
from durablenb.engine.completions import Completions
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.entities import Entities
from durablenb.engine.entity import Entity
from durablenb.engine.episodes import Episodes, Running
from durablenb.engine.executors import Executors
from durablenb.engine.forks import Forks
from durablenb.engine.imports import Imports
from durablenb.engine.instance import Instance
from durablenb.engine.journal import Journal
from durablenb.engine.logbook import LogBook
from durablenb.engine.messages import Durable, Finished, Message, Registered, Wake
from durablenb.engine.options import EngineOptions
from durablenb.engine.timers import Timers
from durablenb.engine.upgrades import Upgrades
from durablenb.engine.work import EntityWork, Work
from durablenb.model.errors import DurableError, InstanceStateError
from durablenb.model.events import TaskCompleted, TaskFailed, TaskScheduled, TimerCreated, TimerFired
from durablenb.model.names import folded
from durablenb.model.plain import Plain, plain

POISON_LIMIT = 5
"""Deaths in a row in one instance's replay after which it is held."""


@plain
class World(Plain):
    """What a machine works with. `seen` has the names of orchestrators that were registered by now."""

    store: Store
    clock: Clock
    registry: Registry
    executors: Executors
    committer: Committer
    book: LogBook
    post: Callable[[Message], None]
    bring: Callable[[Finished | Durable], None]
    options: EngineOptions
    completions: Completions = field(default_factory=Completions)
    running: Running = field(default_factory=Running)
    seen: set[str] = field(default_factory=set)


class Machine:
    """The open instances of a store, their timers, and the calls that are to be made for them.

    Parameters
    ----------
    world
        What is outside.
    """

    def __init__(self, world: World) -> None:
        store, clock, registry, committer = world.store, world.clock, world.registry, world.committer
        committer.last_seq = max(store.last_seq(), committer.last_seq)
        options = world.options
        self._world = world
        self._clock = clock
        self._executors = world.executors
        self._committer = committer
        self._scheduled: list[Work] = []
        self._durable: list[Work] = []
        self.journal = Journal(committer, committer.last_seq)
        self.timers = Timers()
        self.episodes = Episodes(
            store,
            self.journal,
            clock,
            registry,
            options.codec,
            self.timers,
            world.book,
            self._offer,
            options.episodes,
            world.running,
            world.completions,
        )
        self.lifecycle = self.episodes.lifecycle
        self.dispatcher = Dispatcher(
            registry,
            world.executors,
            self.lifecycle.obstacles,
            world.bring,
            clock,
            world.book,
            options.max_concurrency,
        )
        self.entities = self.episodes.entities = Entities(
            store, self.journal, clock, options.codec, self.timers, self.lifecycle, self._offer
        )
        forks = Forks(self.journal, clock, registry, self.episodes, self.timers)
        upgrades = Upgrades(store, self.episodes)
        imports = Imports(store, self.journal, clock, self.lifecycle, self.entities)
        self.commands = Commands(
            store, self.journal, clock, registry, self.episodes, self.entities, forks, upgrades, imports
        )
        if committer.last_seq:  # a journal that is empty need not be looked through
            self._recover(store)
        world.completions.reset({one.id: one.code for one in self.lifecycle.open.values()}, _not_begun)

    def _recover(self, store: Store) -> None:
        self.lifecycle.imported.update((one.instance_id, one) for one in store.imports())
        crashes = store.crashes()
        with _uncollected():
            for found in store.open_instances():
                self._adopt(found, crashes.get(found.instance_id, 0))
        for entity in store.open_entities():
            self.entities.adopt(entity)
        self.entities.release_orphans()

    # -- what is done ----------------------------------------------------------------------------

    def apply(self, message: Message) -> None:
        """Takes a message."""
        if isinstance(message, Finished):
            self._finished(message)
        elif isinstance(message, Durable):
            self._durable.extend(message.works)
        elif isinstance(message, Registered):
            self._registered(message)
        elif not isinstance(message, Wake):
            self.commands.carry_out(message)

    def advance(self) -> None:
        """Does all that can be done now, but for the backlog.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next time it goes on from here.
        """
        self.look_for_names()
        self.fire_timers()
        self.run_episodes()
        self.start_calls()
        while self._executors.inline.run_next() is not None:
            pass

    def catch_up(self) -> None:
        """Does a portion of the backlog.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next time it goes on from here.
        """
        self.episodes.catch_up()
        self.run_episodes()
        self.start_calls()

    def run_episodes(self) -> None:
        """Lets the orchestrators go on that can, and hands what they did to the committer.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next time it goes on from here.
        """
        self.episodes.run_queued()
        self.entities.offer_batches()
        self.flush()

    def start_calls(self) -> None:
        """Starts the activities that may start."""
        self.offer_durable()
        self.dispatcher.pump()

    def work(self) -> str | None:
        """An activity in this thread, or an episode, if one can be done; says what it was."""
        self.look_for_names()
        self.entities.offer_batches()
        self.dispatcher.pump()
        job = self._executors.inline.run_next()
        if isinstance(job, EntityWork):
            count = len(job.batch.asked)
            return f"{count} operation{'' if count == 1 else 's'} of {job.entity.id}"
        if isinstance(job, Work):
            return f"activity {job.name} of {job.instance.id}"
        taken = self.episodes.run_queued(1) or self.episodes.catch_up(1)
        return f"episode of {taken[0].id}" if taken else None

    def look_for_names(self) -> None:
        """Goes on with what had waited for names that cells have defined meanwhile."""
        if not self.lifecycle.obstacles.are_names:
            return
        found = self.lifecycle.obstacles.found_names()
        for instances in found.values():
            for instance in instances:
                if isinstance(instance, Instance):
                    self.lifecycle.enqueue(instance)
        self.dispatcher.names_found(found)

    def offer_durable(self) -> None:
        """Hands on the calls that are on disk."""
        works, self._durable = self._durable, []
        for work in works:
            self.dispatcher.offer(work)

    def fire_timers(self) -> str | None:
        """Lets arrive what is due; says what came last."""
        fired = None
        for deadline in self.timers.take_due(self._clock.now()) if self.timers else ():
            instance = deadline.instance
            if isinstance(instance, Entity):
                assert deadline.task_id is not None
                self.entities.due(instance, deadline.task_id)
                fired = f"signal to {instance.id}"
            elif deadline.task_id is None:
                instance.is_due = True
                self.lifecycle.enqueue(instance)
                fired = f"start of {instance.id}"
            else:
                instance.pending.discard(deadline.task_id)
                self.lifecycle.arrive(instance, TimerFired, deadline.task_id)
                fired = f"timer of {instance.id}"
        return fired

    def flush(self) -> None:
        """Hands the new facts to the committer; the calls among them start once they are on disk."""
        if self._scheduled:
            works, self._scheduled = self._scheduled, []
            self.journal.afterwards(lambda: self._world.bring(Durable(works)))
        self.journal.flush()
        if self.lifecycle.has_dropped:
            self.lifecycle.has_dropped = False
            self._executors.drop_unwanted()

    def abandon(self, why: Exception) -> None:
        """Stop: what isn't on disk is dropped, and those are refused who wait for it."""
        self.dispatcher.is_closing = True  # what it has not begun is begun anew
        self.episodes.unload()
        self.journal.abandon(why)

    # -- where it stands -------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Whether something can be done at once in this thread without another message."""
        return bool(self.lifecycle.queue or self.entities.queue or self._executors.inline.jobs)

    @property
    def is_on_disk(self) -> bool:
        """Whether all facts are."""
        return self._committer.is_idle and not self.journal.has_news and not self._scheduled

    @property
    def is_idle(self) -> bool:
        """Whether nothing can happen before time passes or a message comes."""
        is_resting = not (
            self.lifecycle.queue or self.lifecycle.backlog or self.entities.queue or self._durable
        )
        return is_resting and self.dispatcher.is_idle and self.is_on_disk

    # -- inside ----------------------------------------------------------------------------------

    def _finished(self, message: Finished) -> None:
        work = message.work
        self.dispatcher.finished(work, message.declined)
        if message.declined is not None:
            return
        if isinstance(work, EntityWork):
            outcome: Any = message.outcome
            self.entities.finished(work, outcome, message.started_at, message.ended_at, message.worker)
            return
        instance = self.lifecycle.open.get(work.instance.id)
        if (
            message.outcome is None
            or instance is None
            or instance.execution_id != work.execution_id
            or work.task_id not in instance.pending
            or (work.instance is not instance and work.instance.is_closed)  # rewound since
        ):
            return
        instance.pending.discard(work.task_id)
        kind = TaskCompleted if isinstance(message.outcome, str) else TaskFailed
        self.lifecycle.arrive(
            instance,
            kind,
            work.task_id,
            message.outcome,
            message.started_at,
            message.worker,
            timestamp=message.ended_at,
        )

    def _registered(self, message: Registered) -> None:
        if message.kind in ("activity", "entity"):
            self.dispatcher.registered(message.name)
            return
        if message.kind == "type":
            self._type_registered(message.name)
            return
        if message.kind == "executor":
            self.dispatcher.executor_given()
            return
        registry = self._world.registry
        name = folded(message.name)
        is_first = name not in self._world.seen
        self._world.seen.add(name)
        has_changed = cache(self._has_changed)
        for instance in [one for one in self.lifecycle.open.values() if folded(one.started.name) == name]:
            if instance.held or instance.execution is None:
                if is_first and isinstance(instance.held, InstanceStateError):
                    continue  # it is what the process died of; after a restart all cells are run again
                is_noted = instance.held or instance.missing or instance.is_queued
                started = instance.started
                if not is_noted and not has_changed(started.name, started.version, started.source):
                    continue  # it waits for what has not come, and is replayed when that comes
                self.lifecycle.obstacles.release(instance)
                for lacked in (instance.name, registry.lacking(instance.name, instance.started.version)):
                    self.lifecycle.obstacles.found(instance, lacked)
                self.lifecycle.obstacles.drop_names(instance)
                self.lifecycle.enqueue(instance)

    def _has_changed(self, name: str, version: str | None, source: str | None) -> bool:
        """Whether an instance that began with this source may do other things with what is registered."""
        code = self._world.registry.code(name, version)
        return code is not None and (code.source is None or code.source.hash != source)

    def _type_registered(self, name: str) -> None:
        for instance in list(self.lifecycle.open.values()):
            if instance.execution is None and name in instance.missing:
                self.lifecycle.obstacles.found(instance, name)
                self.lifecycle.enqueue(instance)

    def _offer(self, work: Work) -> None:
        if self._world.options.is_strict:
            self._scheduled.append(work)
        else:
            self.dispatcher.offer(work)

    def _adopt(self, found: OpenInstance, crashes: int) -> None:
        instance = Instance.recovered(found)
        self.lifecycle.reopen(instance)
        for event in found.pending:
            instance.pending.add(event.task_id)
            if isinstance(event, TaskScheduled):
                codec = self._world.options.codec
                self.dispatcher.offer(
                    Work(instance, event.task_id, event.name, event.input, codec, event.attempt)
                )
            elif isinstance(event, TimerCreated):
                self.timers.add(event.fire_at, instance, event.task_id)
        if crashes >= POISON_LIMIT:
            self.lifecycle.obstacles.hold(instance, _poisonous(instance, crashes))
        started = instance.started
        start_at = started.scheduled_start_time
        if not instance.has_begun and start_at is not None and start_at > self._clock.now():
            instance.is_due = False
            self.timers.add(start_at, instance, None)
        elif (
            found.has_arrivals
            or not found.has_begun
            or self._has_changed(started.name, started.version, started.source)
        ):
            self.lifecycle.enqueue(instance)


def _not_begun() -> DurableError:
    return InstanceStateError("The instance was not begun after all: the hub began again with its journal.")


@contextmanager
def _uncollected() -> Iterator[None]:
    """While many objects are made that all stay: the collector would look at all of them, again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _poisonous(instance: Instance, crashes: int) -> DurableError:
    return InstanceStateError(
        f"{instance.id} is held: {crashes} times in a row the process died while it was replayed. Mend "
        f"{instance.name!r} and run its cell once more, or handle.resume(), or terminate it."
    )
