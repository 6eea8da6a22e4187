"""Jobs for executors: one call of an activity, or one batch of an entity's operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from durablenb.core.ports.clock import Clock
from durablenb.core.ports.executor import ActivityOutcome
from durablenb.core.registry import Activity, Registry
from durablenb.engine.capture.log_writer import LogSource, LogWriter
from durablenb.engine.capture.output import CapturedOutput
from durablenb.engine.entity import Entity
from durablenb.engine.entity_batch import BatchCodec, BatchFunction, OperationBatch
from durablenb.engine.instance import Instance
from durablenb.model.payloads import Codec


class JobScope:
    """Services for the jobs of one engine state, and whether these jobs may still begin.

    Parameters
    ----------
    apply_inline
        Takes the message of a job that has ended.
    clock, registry, codec
        The time, the registered functions, and the codec of their values.
    log_writer
        Takes what jobs print.
    """

    __slots__ = ("apply_inline", "codec", "is_closing", "log_writer", "now", "registry", "stopwatch")

    def __init__(
        self,
        apply_inline: Callable[[ActivityFinished], None],
        clock: Clock,
        registry: Registry,
        codec: Codec,
        log_writer: LogWriter,
    ) -> None:
        self.apply_inline = apply_inline
        self.now = clock.now
        self.stopwatch = clock.stopwatch
        self.registry = registry
        self.codec = codec
        self.log_writer = log_writer
        self.is_closing = False

    def close(self) -> None:
        """Let no further job begin; from any thread."""
        self.is_closing = True


class ActivityJob:
    """One call of an activity; its outcome goes to the engine as an `ActivityFinished`.

    Parameters
    ----------
    scope
        What the jobs of one engine state share.
    instance, task_id
        The task that the call belongs to.
    name, text
        The activity's name, and its input as text.
    codec
        Turns text into values, and values into text.
    attempt
        Counts the calls of an activity that is retried, from 1.
    """

    __slots__ = (
        "_activity",
        "_output",
        "attempt",
        "codec",
        "execution_id",
        "instance",
        "name",
        "scope",
        "started_at",
        "task_id",
        "text",
    )

    def __init__(
        self,
        scope: JobScope,
        instance: Instance | Entity,
        task_id: int,
        name: str,
        text: str,
        codec: Codec,
        attempt: int = 1,
    ) -> None:
        self.scope = scope
        self.instance = instance
        self.execution_id = instance.execution_id
        self.task_id = task_id
        self.name = name
        self.text = text
        self.codec = codec
        self.attempt = attempt
        self.started_at: datetime | None = None
        self._activity: Activity | None = None
        self._output: CapturedOutput | None = None

    @property
    def is_wanted(self) -> bool:
        """False once the task has its outcome, the instance was terminated, or the hub closes."""
        assert isinstance(self.instance, Instance)
        is_dropped = self.instance.is_dropped or self.scope.is_closing
        return not is_dropped and self.task_id in self.instance.pending

    @property
    def activity(self) -> Activity:
        """The activity, as it was registered when the job began, or else as it is registered now."""
        return self._activity or self.scope.registry.activities[self.name]

    @property
    def function(self) -> Callable[..., Any]:
        """The activity's function."""
        return self.activity.function

    @property
    def takes_input(self) -> bool:
        """True if the function has a parameter."""
        return self.activity.takes_input

    @property
    def output(self) -> CapturedOutput:
        """Takes what the call prints."""
        if self._output is None:
            self._output = self.scope.log_writer.open(self._log_source)
        return self._output

    @property
    def _log_source(self) -> LogSource:
        return LogSource(self.instance.id, self.execution_id, self.task_id, self.name, self.attempt)

    def begin(self) -> bool:
        """Record the start time; return False, and free the job's place, if it isn't wanted any more."""
        if not self.is_wanted:
            self.scope.apply_inline(ActivityFinished(self, None, None, self.scope.now()))
            return False
        self._activity = self.scope.registry.activities[self.name]  # its cell may have run again since
        self.started_at = self.scope.now()
        return True

    def finish(self, outcome: ActivityOutcome | None, worker: str | None = None) -> None:
        """Hand the engine the outcome, None for a call that was not made, and the name of its worker."""
        self._close_output()
        message = ActivityFinished(self, outcome, self.started_at, self.scope.now(), worker)
        self.scope.apply_inline(message)

    def decline(self, why: str) -> None:
        """Tell the engine that the executor can't run the job, and why."""
        self._close_output()
        self.scope.apply_inline(ActivityFinished(self, None, None, self.scope.now(), declined=why))

    def _close_output(self) -> None:
        if self._output is not None:
            self._output = None
            self.scope.log_writer.close(self._log_source)


class BatchJob(ActivityJob):
    """One batch of an entity's operations.

    Parameters
    ----------
    scope
        What the jobs of one engine state share.
    entity
        The entity.
    batch
        The operations, and the state before them.
    is_for_all
        True if the entity isn't locked; otherwise all operations are those of the lock's owner.
    """

    __slots__ = ("batch", "entity", "is_for_all")

    def __init__(self, scope: JobScope, entity: Entity, batch: OperationBatch, *, is_for_all: bool) -> None:
        text: Any = batch  # `BatchCodec` hands it on as it is
        number = batch.requests[0].number
        super().__init__(scope, entity, number, entity.name, text, BatchCodec(scope.codec))
        self.entity = entity
        self.batch = batch
        self.is_for_all = is_for_all

    @property
    def is_wanted(self) -> bool:
        """False once the hub closes."""
        return not self.scope.is_closing

    @property
    def function(self) -> Callable[..., Any]:
        """The function that runs the whole batch."""
        return BatchFunction(self.activity.function, self.scope.codec, self.scope.stopwatch)

    @property
    def takes_input(self) -> bool:
        """Always True: the function takes the batch."""
        return True

    @property
    def _log_source(self) -> LogSource:
        return LogSource(self.entity.id, self.execution_id, self.task_id, self.entity.key.name, self.attempt)


@dataclass(slots=True, eq=False, repr=False)
class ActivityFinished:
    """Message: a job ended. Without an outcome, it was not run; `declined` says why if it couldn't be."""

    job: ActivityJob
    outcome: ActivityOutcome | None
    started_at: datetime | None
    ended_at: datetime
    worker: str | None = None
    declined: str | None = None


@dataclass(slots=True, eq=False, repr=False)
class Committed:
    """Message: the events that scheduled these jobs are on disk, so the jobs may begin."""

    jobs: Sequence[ActivityJob]
