"""The engine's state in memory: open instances, timers and jobs, and how messages and time change them.

    message -> apply -> events -> episodes -> more events -> flush -> activities

It is built from the journal, and may be discarded and rebuilt at any time. One thread uses it at a time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from durablenb.core.ports.store import OpenInstance
from durablenb.core.short_repr import plural
from durablenb.engine.batch_jobs import BatchJob
from durablenb.engine.commands import Commands
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.effects import Effects
from durablenb.engine.entities import Entities
from durablenb.engine.entity import Entity
from durablenb.engine.inbox import Message
from durablenb.engine.instance import Instance
from durablenb.engine.instances import Instances
from durablenb.engine.jobs import ActivityBegun, ActivityFinished, ActivityJob, Committed
from durablenb.engine.messages import Registered, Wake
from durablenb.engine.orchestration_executor import OrchestrationExecutor
from durablenb.engine.result_cache import ResultCache
from durablenb.engine.retention import Retention
from durablenb.engine.services import EngineServices
from durablenb.engine.timers import Timers
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.activities import EarlierTries
from durablenb.model.errors import DurableError, InstanceStateError
from durablenb.model.events import TaskCompleted, TaskFailed, TaskScheduled, TimerCreated, TimerFired
from durablenb.model.failures import describe_failure
from durablenb.model.names import folded

POISON_LIMIT = 5
"""Deaths of the process in a row while an instance is replayed, after which the instance is held."""


class EngineState:
    """The open instances of a store, their timers, and their jobs.

    Parameters
    ----------
    services
        The services of the engine.
    """

    def __init__(self, services: EngineServices) -> None:
        self._services = services
        self._clock = services.clock
        self._executors = services.executors
        self._committer = services.committer
        self.buffer = WriteBuffer(services.committer, services.committer.last_seq)
        self.timers = Timers()
        self.instances = Instances(services, self.buffer, self.timers)
        self.retention = Retention(services, self.buffer, self.instances)
        self.cache = ResultCache(services, self.buffer)
        self.dispatcher = Dispatcher(services, self.buffer, self.timers, self.instances.blocked, self.cache)
        self.entities = Entities(
            services, self.buffer, self.timers, self.instances, self.dispatcher, self.retention
        )
        self.effects = Effects(
            services,
            self.buffer,
            self.timers,
            self.instances,
            self.entities,
            self.dispatcher,
            self.retention,
        )
        self.orchestrations = OrchestrationExecutor(services, self.buffer, self.instances, self.effects)
        self.commands = Commands(
            services, self.buffer, self.instances, self.entities, self.effects, self.retention, self.cache
        )
        if services.committer.last_seq:  # an empty journal needs no query
            self._recover()
        opened = {instance.id: instance.started for instance in self.instances.open.values()}
        services.completions.reset(opened, _not_begun)

    # -- messages and time -----------------------------------------------------------------------

    def apply(self, message: Message) -> None:
        """Apply a message."""
        if isinstance(message, ActivityFinished):
            self._finish_job(message)
        elif isinstance(message, ActivityBegun):
            self._limit_job(message.job)
        elif isinstance(message, Committed):
            self.dispatcher.add_committed(message.jobs)
        elif isinstance(message, Registered):
            self._apply_registered(message)
        elif not isinstance(message, Wake):
            self.commands.carry_out(message)

    def advance(self) -> None:
        """Do all that can be done now, except for the backlog.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next call continues from here.
        """
        self.release_defined()
        self.fire_timers()
        self.run_episodes()
        self.start_jobs()
        while self._executors.inline.run_next() is not None:
            pass

    def advance_backlog(self) -> None:
        """Do a portion of the backlog.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next call continues from here.
        """
        self.orchestrations.run_backlog()
        self.run_episodes()
        self.start_jobs()

    def run_episodes(self) -> None:
        """Run the orchestrators that can resume, and hand what they did to the committer.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next call continues from here.
        """
        self.orchestrations.run_queued()
        self.entities.offer_batches()
        self.retention.purge_due()
        self.flush()

    def start_jobs(self) -> None:
        """Give executors the jobs that may begin."""
        self.dispatcher.offer_committed()
        self._pump()

    def _pump(self) -> None:
        """Let jobs begin, and end those that need not run."""
        self.dispatcher.pump()
        for message in self.dispatcher.take_recalled():
            self._finish_job(message)

    def run_one(self) -> str | None:
        """Run a job in this thread, or an episode; return what it was, None if there is nothing to run."""
        self.release_defined()
        self.entities.offer_batches()
        self.retention.purge_due()
        self._pump()
        job = self._executors.inline.run_next()
        if isinstance(job, BatchJob):
            count = len(job.batch.requests)
            return f"{plural(count, 'operation')} of {job.entity.id}"
        if isinstance(job, ActivityJob):
            return f"activity {job.name} of {job.instance.id}"
        instances = self.orchestrations.run_queued(1) or self.orchestrations.run_backlog(1)
        return f"episode of {instances[0].id}" if instances else None

    def release_defined(self) -> None:
        """Release instances and calls that waited for names which cells have defined since."""
        if not self.instances.blocked.has_undefined:
            return
        defined = self.instances.blocked.take_defined()
        for instances in defined.values():
            for instance in instances:
                if isinstance(instance, Instance):
                    self.instances.enqueue(instance)
        self.dispatcher.names_defined(defined)

    def fire_timers(self) -> str | None:
        """Apply the deadlines that have come; return what the last one was."""
        fired = None
        for deadline in self.timers.take_due(self._clock.now()) if self.timers else ():
            instance = deadline.instance
            if isinstance(instance, Entity):
                assert deadline.task_id is not None
                self.entities.due(instance, deadline.task_id)
                fired = f"signal to {instance.id}"
            elif (job := deadline.job) is not None:
                if self._exceeds_limits(instance, job):
                    fired = f"time-out of {job.name} of {instance.id}"
            elif deadline.task_id is None:
                instance.is_due = True
                self.instances.enqueue(instance)
                fired = f"start of {instance.id}"
            else:
                instance.pending.discard(deadline.task_id)
                self.instances.receive(instance, TimerFired, deadline.task_id)
                fired = f"timer of {instance.id}"
        return fired

    def flush(self) -> None:
        """Hand new events to the committer; the calls among them begin once they are on disk."""
        self.dispatcher.hold_until_commit()
        # With pipelined durability, new calls may begin during the commit: this thread stays free for them.
        is_strict = self._services.options.is_strict
        self.buffer.flush(is_awaited=is_strict and not (self.has_work or self.dispatcher.may_begin))
        if self.instances.take_dropped():
            self._executors.drop_unwanted()
            self.dispatcher.drop_unwanted()
        self.dispatcher.drop_stopped()

    def abandon(self, why: Exception) -> None:
        """Stop: discard what isn't on disk, and refuse the clients that wait for it."""
        self.dispatcher.scope.close()  # the next state begins the jobs that have not begun
        self.instances.unload()
        self.buffer.abandon(why)

    @property
    def has_work(self) -> bool:
        """True if this thread can do something at once, without another message."""
        return bool(
            self.instances.queue
            or self.entities.queue
            or self._executors.inline.jobs
            or self.dispatcher.has_recalled
        )

    @property
    def is_on_disk(self) -> bool:
        """True if all events are on disk."""
        is_flushed = not (self.buffer.has_records or self.dispatcher.has_unsaved)
        return is_flushed and self._committer.is_idle

    @property
    def is_idle(self) -> bool:
        """True if nothing can happen before time passes or a message comes."""
        has_queued = self.instances.queue or self.instances.backlog or self.entities.queue
        return not has_queued and self.dispatcher.is_idle and self.is_on_disk

    # -- activities and registrations ------------------------------------------------------------

    def _finish_job(self, message: ActivityFinished) -> None:
        self._settle_job(message)
        self.dispatcher.release_equal(message.job)
        if message.on_disk is not None:
            self.buffer.after_commit(message.on_disk)

    def _settle_job(self, message: ActivityFinished) -> None:
        job = message.job
        was_running = self.dispatcher.finished(job, message.declined)
        if message.declined is not None:
            return
        if isinstance(job, BatchJob):
            self.entities.finished(job, message)
            return
        outcome = message.outcome
        instance = self.instances.open.get(job.instance.id)
        if (
            outcome is None
            or instance is None
            or instance.execution_id != job.execution_id
            or job.task_id not in instance.pending
            or (job.instance is not instance and job.instance.is_closed)  # rewound since
        ):
            if was_running and outcome is not None and job.is_cancelled:
                job.note_late(outcome)
            return
        deadline = job.deadline
        if deadline is not None and message.ended_at > deadline:
            assert job.limits is not None
            self._time_out(instance, job, job.limits.too_long, message.worker)
            return
        instance.pending.discard(job.task_id)
        fields = job.task_id, outcome, message.started_at, message.worker
        if isinstance(outcome, str):
            if job.has_tries:
                instance.tries.pop(job.key, None)
            if message.cached_from is None:
                self.dispatcher.budgets.spent(job, outcome)
            self.instances.receive(
                instance, TaskCompleted, *fields, message.cached_from, timestamp=message.ended_at
            )
        else:
            self._keep_tries(instance, job)
            self.instances.receive(instance, TaskFailed, *fields, timestamp=message.ended_at)
        if job.cache_key is not None:
            self.cache.remember(job, message)

    def _limit_job(self, job: ActivityJob) -> None:
        if job.limits is not None and job.started_at is not None and self.dispatcher.runs(job):
            self.timers.limit(job.limits.next_check(job.started_at, self._clock.now()), job)

    def _exceeds_limits(self, instance: Instance, job: ActivityJob) -> bool:
        """Fail a running call if it exceeds a limit of its time; otherwise look again later."""
        assert job.limits is not None
        assert job.started_at is not None
        excess = job.limits.excess(job.started_at, self._clock.now())
        if excess is None:
            self._limit_job(job)
        else:
            self._time_out(instance, job, excess, job.worker)
        return excess is not None

    def _time_out(self, instance: Instance, job: ActivityJob, excess: str, worker: str | None) -> None:
        """Fail a call that took too long or was silent for too long, and stop it if it still runs."""
        assert job.started_at is not None
        instance.pending.discard(job.task_id)
        self._keep_tries(instance, job)
        error = TimeoutError(f"{job.name!r} {excess}")
        self.instances.receive(
            instance, TaskFailed, job.task_id, describe_failure(error), job.started_at, worker
        )
        self.dispatcher.stop(instance, job.task_id)

    def _keep_tries(self, instance: Instance, job: ActivityJob) -> None:
        """Keep what a failed try leaves to the next one.

        After a mistake, a call may have been made again while its former try still ran. If that ends first,
        the next try comes after both.
        """
        later = self.dispatcher.find_job((instance, job.task_id))
        last = job if later is None or later.attempt < job.attempt else later
        if last.has_tries:
            instance.tries[job.key] = last.tries

    def _apply_registered(self, message: Registered) -> None:
        if message.kind in ("activity", "entity"):
            self.dispatcher.activity_registered(message.name)
        elif message.kind == "queue":
            self.dispatcher.queues.queue_added(message.name)
        elif message.kind == "executor":
            self.dispatcher.executor_changed()
        elif message.kind == "type":
            self._release_for_type(message.name)
        else:
            self._release_for_orchestrator(message.name)

    def _release_for_type(self, name: str) -> None:
        for instance in list(self.instances.open.values()):
            if instance.execution is None and name in instance.missing:
                self.instances.blocked.remove_missing(instance, name)
                self.instances.enqueue(instance)

    def _release_for_orchestrator(self, registered: str) -> None:
        name = folded(registered)
        is_first = name not in self._services.seen_orchestrators
        self._services.seen_orchestrators.add(name)
        has_changed = cache(self._has_changed)
        for instance in [one for one in self.instances.open.values() if folded(one.name) == name]:
            if not instance.held and instance.execution is not None:
                continue
            if is_first and isinstance(instance.held, InstanceStateError):
                continue  # the process died of it, and after a restart all cells are run again
            is_waiting = instance.held or instance.missing or instance.is_queued
            started = instance.started
            if not is_waiting and not has_changed(started.name, started.version, started.source):
                continue  # it waits for an event, and is replayed when that comes
            self._release(instance)

    def _release(self, instance: Instance) -> None:
        blocked = self.instances.blocked
        blocked.release(instance)
        lacking = self._services.registry.lacking(instance.name, instance.started.version)
        for name in (instance.name, lacking):
            blocked.remove_missing(instance, name)
        blocked.clear_undefined(instance)
        self.instances.enqueue(instance)

    def _has_changed(self, name: str, version: str | None, source: str | None) -> bool:
        """Return True if the registered code may do something else than that of this source hash."""
        code = self._services.registry.code(name, version)
        return code is not None and (code.source is None or code.source.hash != source)

    # -- recovery --------------------------------------------------------------------------------

    def _recover(self) -> None:
        store = self._services.store
        self.instances.imported.update((imported.instance_id, imported) for imported in store.imports())
        crashes = store.crashes()
        with _no_garbage_collection():
            opened = store.open_instances()
            tries = self._services.attempt_writer.earlier_tries(found.instance_id for found in opened)
            for found in opened:
                self._adopt(found, crashes.get(found.instance_id, 0), tries.get(found.execution_id, {}))
        for entity in store.open_entities():
            self.entities.adopt(entity)
        self.entities.release_orphans()

    def _adopt(self, found: OpenInstance, crashes: int, tries: dict[str, EarlierTries]) -> None:
        instance = Instance.recovered(found)
        instance.tries.update(tries)
        self.instances.reopen(instance)
        self.retention.note(instance.id, instance.started.generation)
        for event in found.pending:
            instance.pending.add(event.task_id)
            if isinstance(event, TaskScheduled):
                self.dispatcher.recover_activity(instance, event)
            elif isinstance(event, TimerCreated):
                self.timers.add(event.fire_at, instance, event.task_id)
        if crashes >= POISON_LIMIT:
            self.instances.blocked.hold(instance, _poisonous(instance, crashes))
        started = instance.started
        if not instance.has_begun and self.instances.postpone(instance, started.scheduled_start_time):
            return
        if (
            found.has_arrivals
            or not found.has_begun
            or self._has_changed(started.name, started.version, started.source)
        ):
            self.instances.enqueue(instance)


def _not_begun() -> DurableError:
    return InstanceStateError("The instance was not begun after all: the hub began again with its journal.")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Switch off the collector while many lasting objects are made: it would visit all of them repeatedly."""
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
