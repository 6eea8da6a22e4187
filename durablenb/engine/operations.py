"""Runs a batch of an entity's operations: one after the other, each wholly or not at all."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from durablenb.core.entity import Asked, DurableEntityContext, Signal, Start
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Codec
from durablenb.model.plain import Plain, plain

log = logging.getLogger("durablenb")

LONGEST_BATCH = 0.05
"""Seconds after which a batch ends with the operation that runs: what was done is to be on disk soon."""

LARGEST_BATCH = 16_000_000
"""Characters of states and results after which it ends, too."""


_PACKAGE = str(Path(__file__).parents[1])
"""Lines of these files tell nothing about an operation that raised."""


class Batch(NamedTuple):
    """Operations of an entity, and the state before them."""

    entity_id: EntityId
    execution_id: str
    state: str
    asked: tuple[Asked, ...]


class Done(NamedTuple):
    """What became of an operation. Times are seconds from the batch's start."""

    number: int
    outcome: str | FailureDetails
    state: str
    sent: tuple[Signal | Start, ...]
    started: float
    ended: float


@plain
class BatchFunction(Plain):
    """What an executor calls for a batch: the entity's function for each operation."""

    function: Callable[[DurableEntityContext], Any]
    codec: Codec
    stopwatch: Callable[[], float]

    def __call__(self, batch: Batch) -> Any:
        """Does the operations, until they have taken long enough; what is left over is asked for again."""
        if _is_async(self.function):
            return self._done_async(batch)
        return self._done(batch)

    def _done(self, batch: Batch) -> list[Done]:
        run = _Run(batch, self.codec, self.stopwatch)
        for asked in batch.asked:
            context = run.begin(asked)
            try:
                value = self.function(context)
                run.end(context, _awaited(value) if inspect.iscoroutine(value) else value)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                run.fail(error)
            if run.is_long:
                break
        return run.done

    async def _done_async(self, batch: Batch) -> list[Done]:
        run = _Run(batch, self.codec, self.stopwatch)
        for asked in batch.asked:
            context = run.begin(asked)
            try:
                value = self.function(context)
                run.end(context, await value if inspect.isawaitable(value) else value)
            except Exception as error:
                run.fail(error)
            if run.is_long:
                break
        return run.done


class _Run:
    """A batch while it runs."""

    def __init__(self, batch: Batch, codec: Codec, stopwatch: Callable[[], float]) -> None:
        self._batch = batch
        self._stopwatch = stopwatch
        self._codec = codec
        self._state = batch.state
        self._began = self._stopwatch()
        self._asked = batch.asked[0]
        self._started = 0.0
        self._characters = 0
        self.done: list[Done] = []

    @property
    def is_long(self) -> bool:
        """Whether it has taken long enough."""
        return self.done[-1].ended > LONGEST_BATCH or self._characters > LARGEST_BATCH

    def begin(self, asked: Asked) -> DurableEntityContext:
        """What the function gets for an operation."""
        self._asked = asked
        self._started = self._stopwatch() - self._began
        batch = self._batch
        return DurableEntityContext(batch.entity_id, batch.execution_id, self._state, asked, self._codec)

    def end(self, context: DurableEntityContext, value: Any) -> None:
        """The operation returned."""
        result, state, sent = context._outcome(value)
        if context._lost:
            log.warning(
                "The operation %r of %s changed what get_state's initializer made, and nothing of it is "
                "kept. Call context.set_state(state).",
                self._asked.name,
                self._batch.entity_id,
            )
        self._state = state
        self._note(result, tuple(sent))

    def fail(self, error: BaseException) -> None:
        """The operation raised: the state is that before it, and nothing was sent."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            trace = trace.tb_next
        error.__traceback__ = trace
        if self._asked.is_signal:  # nobody hears of it but who reads the log
            log.error("The signal %r failed.", self._asked.name, exc_info=error)
        self._note(self._codec.failure(error), ())

    def _note(self, outcome: str | FailureDetails, sent: tuple[Signal | Start, ...]) -> None:
        ended = self._stopwatch() - self._began
        self._characters += len(self._state) + (len(outcome) if isinstance(outcome, str) else 0)
        self.done.append(Done(self._asked.number, outcome, self._state, sent, self._started, ended))


@plain
class Verbatim(Plain):
    """Hands on a batch, and what was done of it, as they are: all values in them are text already."""

    codec: Codec

    def encode(self, value: Any, kind: Any = "value") -> Any:
        """The value itself."""
        return value

    def decode(self, text: Any, expected_type: Any = None) -> Any:
        """The batch itself."""
        return text

    def shown(self, text: Any) -> Any:
        """The batch itself."""
        return text

    def failure(self, error: BaseException) -> FailureDetails:
        """What is kept of an exception."""
        return self.codec.failure(error)

    def redact_log(self, message: str) -> str:
        """What is kept of a line of a log."""
        return self.codec.redact_log(message)

    def with_blobs(self, text: Any) -> Any:
        """The batch with all blobs that it refers to, ready to go to another process."""
        asked = tuple(one._replace(input=self.codec.with_blobs(one.input)) for one in text.asked)
        return text._replace(state=self.codec.with_blobs(text.state), asked=asked)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether an entity's operations are ``async def``, all of them."""
    known = getattr(function, "is_async", None)
    return inspect.iscoroutinefunction(function) if known is None else bool(known)


_is_async = is_async


def _awaited(made: Coroutine[Any, Any, Any]) -> Any:
    """What an ``async def`` gives in an event loop of its own."""
    import asyncio

    return asyncio.run(made)
