"""An executor whose jobs begin and end when, and in the order in which, the seed says."""

from collections.abc import Callable
from random import Random
from typing import Any

from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine.batch_jobs import BatchJob
from durablenb.engine.invocation import invoke
from durablenb.engine.jobs import ActivityJob
from durablenb.engine.thread_executors import InlineExecutor
from tests.simulation.audit import Audit
from tests.simulation.queues import Rationing

_SLOW = {"crawl": 1.0, "double": 0.6}
"""How likely a call of an activity is to last."""


class SeededExecutor:
    """Takes calls of activities; `begin`, `end` and `repeat` are the simulator's.

    Parameters
    ----------
    random
        Picks which one.
    audit
        Knows what is on disk when one begins.
    is_strict
        Whether none may begin before its being asked for is on disk.
    rationing
        Knows how many may run and begin.
    """

    def __init__(self, random: Random, audit: Audit, is_strict: bool, rationing: Rationing) -> None:
        self._random = random
        self._audit = audit
        self._is_strict = is_strict
        self._rationing = rationing
        self.waiting: list[ActivityJob] = []
        self.running: list[ActivityJob] = []
        self._slow: set[ActivityJob] = set()
        self._ended: list[tuple[ActivityJob, ActivityOutcome]] = []

    def submit(self, job: Job) -> None:
        assert isinstance(job, ActivityJob)
        self.waiting.append(job)

    def cancel(self, job: Job) -> None:
        """Let running calls go on, as in a thread that can't be stopped."""

    def drop_unwanted(self) -> None:
        """Drop nothing: a waiting call notices by itself that it isn't wanted any more."""

    def close(self, *, wait: bool) -> None:
        self.waiting.clear()

    def forget(self) -> None:
        """The process died."""
        self.waiting.clear()
        self.running.clear()
        self._ended.clear()

    def begin(self) -> str:
        """One of the waiting jobs begins; says which."""
        work = self._pick(self.waiting)
        if not work.begin():
            return f"{_name(work)} isn't wanted any more"
        self.check(work)
        self.running.append(work)
        if self._random.random() < _SLOW.get(work.name, 0.1):
            self._slow.add(work)
        return f"{_name(work)} begins"

    def end(self) -> str:
        """One of the running jobs ends; says which."""
        work = self._pick(self.running)
        if work in self._slow and self._random.random() < 0.9:
            self.running.append(work)
            return f"{_name(work)} goes on"
        outcome = invoke(work)
        work.finish(outcome)
        self._ended = [*self._ended[-7:], (work, outcome)]
        return f"{_name(work)} ends"

    def repeat(self) -> str:
        """The news that a job ended comes once more; says which."""
        if not self._ended:
            return "nothing"
        work, outcome = self._random.choice(self._ended)
        work.finish(outcome)
        return f"{_name(work)} ends again"

    def check(self, work: ActivityJob) -> None:
        """Check the rules for an activity that begins."""
        key = (work.instance.id, work.execution_id, work.task_id)
        audit = self._audit
        if isinstance(work, BatchJob):
            self._check_batch(work)
            return
        if self._is_strict:
            audit.check(key in audit.scheduled, "strict", "an activity runs before it is on disk", key)
        self._rationing.check(work, self.running)
        is_new = audit.begun.get(key) is not work.scope
        audit.begun[key] = work.scope
        life = audit.lives.get(key[:2])
        is_rewound = not self._is_strict and life is not None and life.status == "Failed"  # not on disk yet
        audit.check(is_rewound or is_new, "I3", "an activity runs twice, and nothing had died", key)
        written = self._written(work)
        audit.check(
            work.attempt > max(written, default=0), "tries", "an attempt has a known one's number", key
        )
        audit.check(
            is_rewound or key not in audit.completed, "I3", "an activity that completed runs again", key
        )

    def _written(self, work: ActivityJob) -> list[int]:
        """The numbers of the call's attempts that are on disk, read past the faults of the disk."""
        disk: Any = work.scope.attempt_writer._store
        attempts = disk.store.attempts([work.instance.id])
        return [one.attempt for one in attempts if one.key == work.key]

    def _check_batch(self, work: BatchJob) -> None:
        """Check the rules for operations of an entity that begin."""
        thing = self._audit.entities.things.get(work.entity.id)
        others = [
            one for one in self.running if isinstance(one, BatchJob) and one.entity.id == work.entity.id
        ]
        is_alone = all(one.scope is not work.scope for one in others)  # but for a recovery
        self._audit.check(is_alone, "E2", "two batches at a time", work.entity.id)
        for asked in work.batch.requests:
            is_known = thing is not None and thing.execution_id == work.batch.execution_id
            is_done = thing is not None and is_known and asked.number in thing.settled
            self._audit.check(not is_done, "E2", "an operation is done twice", work.entity.id, asked)
            if self._is_strict:
                is_on_disk = thing is not None and is_known and asked.number in thing.pending
                self._audit.check(is_on_disk, "strict", "an operation before it is on disk", asked)

    def _pick(self, works: list[ActivityJob]) -> ActivityJob:
        return works.pop(self._random.randrange(len(works)))


class AuditedInline(InlineExecutor):
    """The executor of the kernel's own thread, with an eye on what it runs."""

    def __init__(self, check: Callable[[ActivityJob], None]) -> None:
        super().__init__()
        self._check = check

    def run_next(self) -> Job | None:
        job = super().run_next()
        if isinstance(job, ActivityJob) and job.started_at is not None:
            self._check(job)
        return job


def _name(work: ActivityJob) -> str:
    return f"activity {work.name} #{work.task_id} of {work.instance.id}"
