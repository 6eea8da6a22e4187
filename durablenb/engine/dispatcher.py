"""The dispatcher: gives jobs to executors once they may begin, within the limits that are set."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Sequence
from math import inf

from durablenb.core.ports.executor import Executor
from durablenb.core.registry import Activity
from durablenb.engine.batch_jobs import BatchJob
from durablenb.engine.blocked_instances import BlockedInstances
from durablenb.engine.budgets import Budgets
from durablenb.engine.call_queues import CallQueues
from durablenb.engine.entity import Entity
from durablenb.engine.entity_batch import OperationBatch
from durablenb.engine.instance import Instance
from durablenb.engine.jobs import (
    NO_TRIES,
    ActivityFinished,
    ActivityJob,
    Committed,
    JobScope,
    TaskKey,
)
from durablenb.engine.result_cache import ResultCache
from durablenb.engine.services import EngineServices
from durablenb.engine.timers import Timers
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.events import TaskScheduled
from durablenb.model.failures import describe_failure
from durablenb.model.names import folded

log = logging.getLogger("durablenb")


class Dispatcher:
    """Jobs that may begin, and jobs that wait: for the disk, a free place, code, or another executor.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the events that schedule activities.
    timers
        Wakes the dispatcher when a queue's rate lets the next call begin.
    blocked
        Records which instances lack an activity, or an executor for one.
    cache
        Has the results of calls that needn't be made again.
    """

    def __init__(
        self,
        services: EngineServices,
        buffer: WriteBuffer,
        timers: Timers,
        blocked: BlockedInstances,
        cache: ResultCache,
    ) -> None:
        self.scope = JobScope(
            services.apply_inline,
            services.clock,
            services.registry,
            services.options.codec,
            services.log_writer,
            services.attempt_writer,
            services.streams,
            services.store.hub_id,
            cache.keys,
            services.address,
            services.store.load,
        )
        self.budgets = Budgets(services.store, services.completions)
        self._cache = cache
        self._recalled: list[ActivityFinished] = []
        self._apply_inline = services.apply_inline
        self._registry = services.registry
        self._executors = services.executors
        self._is_strict = services.options.is_strict
        self._max_concurrency = services.options.max_concurrency
        self._buffer = buffer
        self._timers = timers
        self._blocked = blocked
        self.queues = CallQueues(services)
        self._uncommitted: list[ActivityJob] = []
        self._committed: list[ActivityJob] = []
        self._ready: deque[ActivityJob] = deque()
        """Calls that may begin, and that need no place in a queue."""
        self._is_queues_turn = False
        self._has_stopped = False
        self._missing: dict[str, list[ActivityJob]] = {}
        self._undefined: dict[str, str] = {}
        self._declined: dict[str, list[ActivityJob]] = {}
        self._granting: list[ActivityJob] = []
        self._granted: set[ActivityJob] = set()
        """Calls that have a place in a queue with a rate, and whose start isn't on disk yet."""
        self._running: dict[TaskKey, tuple[ActivityJob, Executor]] = {}

    # -- jobs come -------------------------------------------------------------------------------

    def schedule_activity(self, instance: Instance, event: TaskScheduled) -> None:
        """Take the call of an activity; with strict durability it waits until the event is on disk."""
        self._schedule(self._activity_job(instance, event))

    def schedule_batch(self, entity: Entity, batch: OperationBatch, *, is_for_all: bool) -> None:
        """Take a batch of an entity's operations, as `schedule_activity` does."""
        self._schedule(BatchJob(self.scope, entity, batch, is_for_all=is_for_all))

    def recover_activity(self, instance: Instance, event: TaskScheduled) -> None:
        """Take the call of an activity whose event is on disk."""
        self._offer(self._activity_job(instance, event))

    def _activity_job(self, instance: Instance, event: TaskScheduled) -> ActivityJob:
        job = ActivityJob(
            self.scope,
            instance,
            event.task_id,
            event.name,
            event.input,
            self.scope.codec,
            event.attempt,
            event.call_id,
            scheduled_at=event.timestamp,
            timeout=event.timeout,
            priority=event.priority,
            heartbeat_timeout=event.heartbeat_timeout,
        )
        if instance.tries:
            job.earlier = instance.tries.get(job.key, NO_TRIES)
        return job

    def _schedule(self, job: ActivityJob) -> None:
        if self._is_strict:
            self._uncommitted.append(job)
        else:
            self._offer(job)

    def hold_until_commit(self) -> None:
        """Let the jobs scheduled so far begin once what is in the buffer is on disk."""
        if self._uncommitted:
            message, self._uncommitted = Committed(self._uncommitted), []
            self._buffer.after_commit(lambda: self._apply_inline(message))

    def add_committed(self, jobs: Sequence[ActivityJob]) -> None:
        """Take jobs whose events are on disk; `offer_committed` lets them begin.

        Jobs from before the state was rebuilt are ignored: recovery has scheduled them again.
        """
        self._committed.extend(job for job in jobs if job.scope is self.scope)

    def offer_committed(self) -> None:
        """Let the jobs begin whose events are on disk."""
        jobs, self._committed = self._committed, []
        for job in jobs:
            if job in self._granted:
                self._granted.discard(job)
                self._start(job)
            else:
                self._offer(job)

    def _offer(self, job: ActivityJob) -> None:
        """Take a job that may begin at the next `pump`, once its code is registered and defined."""
        key = folded(job.name)
        activity = self._registry.activities.get(job.name)
        if activity is None:
            self._missing.setdefault(key, []).append(job)
            self._blocked.add_missing(job.instance, job.name)
            return
        undefined = self._undefined_name(job)
        if undefined is None:
            self._admit(job, activity)
        else:
            self._missing.setdefault(key, []).append(job)
            self._undefined[key] = undefined
            self._blocked.add_undefined(job.instance, undefined)

    def _undefined_name(self, job: ActivityJob) -> str | None:
        """Return a global that the activity needs and whose cell has not run since a restart."""
        return self._registry.undefined_name("activity", job.name) if job.instance.is_recovered else None

    def _admit(self, job: ActivityJob, activity: Activity) -> None:
        """Take a job whose code is there, unless its budget is used up, or an equal one has run or will."""
        refusal = self.budgets.refusal(job)
        if refusal is not None:
            self._recalled.append(ActivityFinished(job, describe_failure(refusal), None, self.scope.now()))
            return
        if activity.cache is not None:
            self.release_equal(job)  # its code may have changed since others began to wait for it
            if self._recall(job, activity) or self._cache.waits(job):
                return
        if activity.is_limited:
            self.queues.add(job, activity)
        else:
            self._ready.append(job)

    def _recall(self, job: ActivityJob, activity: Activity) -> bool:
        """Return True if the job needn't run, since an equal one has; its end is in `take_recalled`."""
        recalled = self._cache.recall(job, activity)
        if recalled is not None:
            self._recalled.append(recalled)
        return recalled is not None

    def take_recalled(self) -> list[ActivityFinished]:
        """Return the ends of jobs that need not run, and forget them."""
        recalled, self._recalled = self._recalled, []
        return recalled

    # -- what jobs wait for comes -----------------------------------------------------------------

    def activity_registered(self, name: str) -> None:
        """Let the calls begin that waited for this activity, within the limits that it has now."""
        key = folded(name)
        undefined = self._undefined.pop(key, None)
        for job in self._missing.pop(key, ()):
            self._blocked.remove_missing(job.instance, undefined or job.name)
            self._offer(job)
        ready = [job for job in self._ready if folded(job.name) == key]
        if ready:
            self._ready = deque(job for job in self._ready if folded(job.name) != key)
        started = (job for job, _ in self._running.values())
        begun = [job for job in (*started, *self._granted) if folded(job.name) == key]
        for job in self.queues.activity_registered(name, begun) + ready:
            self._offer(job)
        self._offer_declined(name)

    def names_defined(self, names: Collection[str]) -> None:
        """Let the calls begin of activities that waited for these globals."""
        for activity in [activity for activity, name in self._undefined.items() if name in names]:
            self.activity_registered(activity)

    def executor_changed(self) -> None:
        """Let the calls begin that no executor would run: the hub has another one."""
        for name in list(self._declined):
            self._offer_declined(name)

    def _offer_declined(self, name: str) -> None:
        for job in self._declined.pop(folded(name), ()):
            self._blocked.remove_unavailable(job.instance, job.name)
            self._offer(job)

    # -- jobs begin and end -----------------------------------------------------------------------

    def pump(self) -> None:
        """Give executors the jobs that may begin."""
        if not (self._ready or self.queues.has_waiting):
            self._timers.wake_at(None)
            return
        room = self._room
        while room:
            if self.queues.has_waiting:
                job = self._next_job()
            else:
                job = self._ready.popleft() if self._ready else None
            if job is None:
                break
            if not job.is_wanted:  # only calls without a place: queues have dropped theirs
                self.release_equal(job)
                continue
            room -= 1
            if job.place is None or not job.place.is_rated:
                self._start(job)
            else:
                self._grant(job)
        if self._granting:
            self._record_starts()
        self._timers.wake_at(self.queues.next_free() if room and self.queues.has_waiting else None)

    @property
    def _room(self) -> float:
        """The number of jobs that may begin within the hub's limit."""
        if self.scope.is_closing:
            return 0
        limit = self._max_concurrency
        return inf if limit is None else limit - len(self._running) - len(self._granted)

    def _next_job(self) -> ActivityJob | None:
        """Return a job that may begin: queues, and calls that need no place, take turns."""
        self._is_queues_turn = not self._is_queues_turn
        if self._is_queues_turn or not self._ready:
            job = self.queues.take()
            if job is not None:
                return job
        return self._ready.popleft() if self._ready else None

    def _grant(self, job: ActivityJob) -> None:
        """Let a job begin that a rate has let through; with strict durability, once that is on disk."""
        self._granting.append(job)
        if self._is_strict:
            self._granted.add(job)
        else:
            self._start(job)

    def _record_starts(self) -> None:
        """Write the starts that a rate has let through."""
        jobs, self._granting = self._granting, []
        message = Committed(jobs)
        self.queues.record_starts(jobs, (lambda: self._apply_inline(message)) if self._is_strict else None)

    def _start(self, job: ActivityJob) -> None:
        task = job.task
        self._running[task] = job, self._executors.inline  # until there is its own
        try:
            executor = self._executors.for_activity(self._registry.activities[job.name])
            self._running[task] = job, executor
            executor.submit(job)
        except Exception as error:  # no more threads or processes
            job.decline(f"{type(error).__name__}: {error}")

    def finished(self, job: ActivityJob, declined: str | None = None) -> bool:
        """Free the place of a job that has ended; one that was declined waits for another executor.

        Returns False if the job began before a recovery, or had ended before.
        """
        task = job.task
        running = self._running.get(task)
        if running is None or running[0] is not job:
            return False
        del self._running[task]
        if job.place is not None:
            self.queues.release(job, job.place)
        if declined is not None and job.is_wanted:
            self._keep_declined(job, declined.removesuffix("."))
        return True

    def release_equal(self, job: ActivityJob) -> None:
        """Begin the jobs that waited for an equal one, which has ended; drop unneeded ones."""
        for waiting in self._cache.released(job):
            if waiting.is_wanted:
                self._offer(waiting)

    def _keep_declined(self, job: ActivityJob, why: str) -> None:
        name = folded(job.name)
        if name not in self._declined:
            self._declined[name] = []
            log.warning("%s", _no_executor_warning(job.name, why))
        self._declined[name].append(job)
        self._blocked.add_unavailable(job.instance, job.name, why)

    # -- jobs are stopped -------------------------------------------------------------------------

    def stop(self, instance: Instance, task_id: int) -> None:
        """Forget a call that has not begun; let the executor cancel one that runs.

        The task must have its outcome, so that the job is cancelled. `drop_stopped` drops calls in queues.
        """
        self._has_stopped = True
        running = self._running.get((instance, task_id))
        if running is None:
            self._forget(instance, task_id)
            return
        job, executor = running
        try:
            executor.cancel(job)
        except Exception:
            log.warning("The executor can't cancel %r of %s.", job.name, instance.id, exc_info=True)

    def stop_all(self, instance: Instance) -> None:
        """Stop the calls of an instance that was terminated."""
        for task_id in list(instance.pending):
            self.stop(instance, task_id)

    def drop_stopped(self) -> None:
        """Drop the calls that were stopped, all of them in one pass over those that wait."""
        if self._has_stopped:
            self.drop_unwanted()

    def drop_unwanted(self) -> None:
        """Let no call wait behind those that were stopped, some of which may run on for long."""
        self._has_stopped = False
        self.queues.drop_unwanted()
        for job in self._cache.unwanted():
            self.release_equal(job)

    def _forget(self, instance: Instance, task_id: int) -> None:
        """Forget a call that waits for code or an executor; others find out when they would begin."""
        for name, jobs in list(self._missing.items()):
            for job in [job for job in jobs if job.task == (instance, task_id)]:
                jobs.remove(job)
                if all(other.instance is not instance for other in jobs):
                    self._blocked.remove_missing(instance, self._undefined.get(name, job.name))
        for jobs in self._declined.values():
            for job in [job for job in jobs if job.task == (instance, task_id)]:
                jobs.remove(job)
                if all(other.instance is not instance for other in jobs):
                    self._blocked.remove_unavailable(instance, job.name)

    # -- state -----------------------------------------------------------------------------------

    @property
    def has_unsaved(self) -> bool:
        """True if jobs wait for a commit that `hold_until_commit` has not requested yet."""
        return bool(self._uncommitted)

    @property
    def is_idle(self) -> bool:
        """True if nothing runs and nothing could begin."""
        return not (self._running or self._granted or self._ready or self._committed or self._recalled)

    @property
    def may_begin(self) -> bool:
        """True if a job runs or could begin before the next commit."""
        return self.queues.has_waiting or not self.is_idle

    @property
    def has_recalled(self) -> bool:
        """True if jobs need not run, and their ends were not taken yet."""
        return bool(self._recalled)

    def running(self, instance_id: str, task_id: int) -> ActivityJob | None:
        """Return the job of a call that an executor has, or None."""
        jobs = (job for job, _ in self._running.values())
        return next((job for job in jobs if (job.instance.id, job.task_id) == (instance_id, task_id)), None)

    @property
    def is_last(self) -> bool:
        """True if one job runs and no other could begin."""
        return len(self._running) == 1 and not (self._ready or self._granted)

    def runs(self, job: ActivityJob) -> bool:
        """Return True if an executor has this job, and it has not ended."""
        return self.find_job(job.task) is job

    def find_job(self, task: TaskKey) -> ActivityJob | None:
        """Return the job of a task that an executor has, or None."""
        running = self._running.get(task)
        return None if running is None else running[0]

    @property
    def is_running(self) -> bool:
        """True if an executor has a job that has not ended."""
        return bool(self._running)


def _no_executor_warning(name: str, why: str) -> str:
    return (
        f"Calls of {name.removeprefix('@')!r} wait for another executor: {why}. Nothing is lost: register it "
        "with one that works, @hub.activity(executor=...), give the hub one, durablenb.TaskHub(path, "
        "executor=...), or close the hub and open it again."
    )
