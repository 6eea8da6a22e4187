"""One call of an activity, from being asked for until it has ended."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.core.annotations import input_type
from durablenb.core.ports.executor import Job, Outcome
from durablenb.core.registry import Activity
from durablenb.engine.instance import Instance
from durablenb.engine.logbook import Author
from durablenb.engine.messages import Finished
from durablenb.engine.operations import Batch, BatchFunction, Verbatim
from durablenb.engine.taps import enter
from durablenb.engine.transcript import Transcript, current
from durablenb.model.payloads import Codec

if TYPE_CHECKING:
    from durablenb.engine.dispatcher import Dispatcher
    from durablenb.engine.entity import Entity


class Work:
    """A job for an executor; what becomes of it is posted to the engine.

    Parameters
    ----------
    instance, task_id
        Whose task it is.
    name, text
        The activity's name and its argument as text.
    codec
        How values become text.
    attempt
        Of a call that is made again when it fails: which one, from 1.
    """

    __slots__ = (
        "_transcript",
        "activity",
        "attempt",
        "codec",
        "dispatcher",
        "execution_id",
        "instance",
        "name",
        "started_at",
        "task_id",
        "text",
    )

    activity: Activity
    dispatcher: Dispatcher

    def __init__(
        self,
        instance: Instance | Entity,
        task_id: int,
        name: str,
        text: str,
        codec: Codec,
        attempt: int = 1,
    ) -> None:
        self.instance = instance
        self.execution_id = instance.execution_id
        self.task_id = task_id
        self.name = name
        self.text = text
        self.codec = codec
        self.attempt = attempt
        self.started_at: datetime | None = None
        self._transcript: Transcript | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be done; not if it was done, or was terminated, or if the hub closes."""
        assert isinstance(self.instance, Instance)
        is_dropped = self.instance.is_dropped or self.dispatcher.is_closing
        return not is_dropped and self.task_id in self.instance.pending

    @property
    def function(self) -> Callable[..., Any]:
        """The activity's function."""
        return self.activity.function

    @property
    def takes_input(self) -> bool:
        """Whether the function has a parameter."""
        return self.activity.takes_input

    @property
    def output(self) -> Transcript:
        """Where what it prints goes."""
        if self._transcript is None:
            self._transcript = self.dispatcher.book.open(self._author)
        return self._transcript

    @property
    def _author(self) -> Author:
        return Author(self.instance.id, self.execution_id, self.task_id, self.name, self.attempt)

    def begin(self) -> bool:
        """Notes the time at which it starts; one that isn't to be done any more gives its place back."""
        if not self.is_wanted:
            self.dispatcher.bring(Finished(self, None, None, self.dispatcher.now()))
            return False
        self.activity = self.dispatcher.activity(self.name)  # the code of now, not of when it was queued
        self.started_at = self.dispatcher.now()
        return True

    def finish(self, outcome: Outcome | None, worker: str | None = None) -> None:
        """Posts what became of it, None if it was not run after all, and where it ran."""
        self._close_output()
        self.dispatcher.bring(Finished(self, outcome, self.started_at, self.dispatcher.now(), worker))

    def decline(self, why: str) -> None:
        """Posts that its executor can't run it."""
        self._close_output()
        self.dispatcher.bring(Finished(self, None, None, self.dispatcher.now(), declined=why))

    def _close_output(self) -> None:
        if self._transcript is not None:
            self._transcript = None
            self.dispatcher.book.close(self._author)


class EntityWork(Work):
    """A batch of an entity's operations as a job.

    Parameters
    ----------
    entity
        Whose they are.
    batch
        The operations, and the state before them.
    codec
        How values become text.
    is_for_all
        Whether the entity isn't locked: others than the lock's owner may have asked for them.
    """

    __slots__ = ("batch", "entity", "is_for_all")

    def __init__(self, entity: Entity, batch: Batch, codec: Codec, *, is_for_all: bool) -> None:
        text: Any = batch
        super().__init__(entity, batch.asked[0].number, entity.name, text, Verbatim(codec))
        self.entity = entity
        self.batch = batch
        self.is_for_all = is_for_all

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be done."""
        return not self.dispatcher.is_closing

    @property
    def function(self) -> Callable[..., Any]:
        """What does the whole batch."""
        assert isinstance(self.codec, Verbatim)
        return BatchFunction(self.activity.function, self.codec.codec, self.dispatcher.stopwatch)

    @property
    def takes_input(self) -> bool:
        """Whether it has a parameter."""
        return True

    @property
    def _author(self) -> Author:
        return Author(self.entity.id, self.execution_id, self.task_id, self.entity.key.name, self.attempt)


def argument(job: Job) -> Any:
    """What the activity is called with."""
    return job.codec.decode(job.text, input_type(job.function))


def invoke(job: Job, *, passing: tuple[type[BaseException], ...] = ()) -> Outcome:
    """Calls the activity; whatever it raises is its failure, but for what is to pass through."""
    token = enter(job)
    try:
        return call(job.function, job.text, job.takes_input, job.codec, passing=passing)
    finally:
        current.reset(token)


def call(
    function: Callable[..., Any],
    text: str,
    takes_input: bool,
    codec: Codec,
    *,
    passing: tuple[type[BaseException], ...] = (),
) -> Outcome:
    """The function's result as text, or its failure."""
    try:
        value = function(codec.decode(text, input_type(function))) if takes_input else function()
        return codec.encode(_awaited(value) if inspect.iscoroutine(value) else value, "result")
    except passing:
        raise
    except BaseException as error:
        return codec.failure(error)


def _awaited(made: Coroutine[Any, Any, Any]) -> Any:
    """What an ``async def`` gives in an event loop of its own."""
    import asyncio

    return asyncio.run(made)
