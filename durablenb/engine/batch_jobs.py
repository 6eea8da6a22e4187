"""Jobs for executors: batches of an entity's operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durablenb.engine.capture.log_writer import LogSource
from durablenb.engine.entity import Entity
from durablenb.engine.entity_batch import BatchCodec, BatchFunction, OperationBatch
from durablenb.engine.jobs import ActivityJob, JobScope


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
    def key(self) -> str:
        """Empty: operations have no tries."""
        return ""

    @property
    def is_cancelled(self) -> bool:
        """Always False: operations are wholly done or not at all."""
        return False

    def _watch(self) -> None:
        """Do nothing: operations have no tries."""

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
