"""Runs a batch of an entity's operations one after the other, each wholly or not at all."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from durablenb.core.activity_context import current_context
from durablenb.core.entity import DurableEntityContext, OperationRequest, Signal, Start
from durablenb.engine.invocation import run_coroutine
from durablenb.model.entities import EntityId
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Codec
from durablenb.model.plain import Plain, plain

log = logging.getLogger("durablenb")

LONGEST_BATCH = 0.05
"""Seconds after which a batch ends with the current operation, so that results are on disk soon."""

LARGEST_BATCH = 16_000_000
"""Characters of states and results after which a batch ends with the current operation."""

_PACKAGE = str(Path(__file__).parents[1])
"""The folder whose files are left out of tracebacks of operations."""


class OperationBatch(NamedTuple):
    """Operations of an entity, and the state before them."""

    entity_id: EntityId
    execution_id: str
    state: str
    requests: tuple[OperationRequest, ...]


class OperationOutcome(NamedTuple):
    """The outcome of an operation. Times are seconds since the start of the batch."""

    number: int
    outcome: str | FailureDetails
    state: str
    sent: tuple[Signal | Start, ...]
    started: float
    ended: float


@plain
class BatchFunction(Plain):
    """The function that an executor calls for a batch: it calls the entity's function for each operation."""

    function: Callable[[DurableEntityContext], Any]
    codec: Codec
    stopwatch: Callable[[], float]

    def __call__(self, batch: OperationBatch) -> Any:
        """Return the outcomes of the operations done until the batch has taken long enough."""
        current_context.set(None)  # an operation is no activity
        if is_async(self.function):
            return self._run_async(batch)
        return self._run(batch)

    def _run(self, batch: OperationBatch) -> list[OperationOutcome]:
        run = _BatchRun(batch, self.codec, self.stopwatch)
        for request in batch.requests:
            context = run.begin(request)
            try:
                value = self.function(context)
                run.end(context, run_coroutine(value) if inspect.iscoroutine(value) else value)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                run.fail(error)
            if run.is_long:
                break
        return run.outcomes

    async def _run_async(self, batch: OperationBatch) -> list[OperationOutcome]:
        run = _BatchRun(batch, self.codec, self.stopwatch)
        for request in batch.requests:
            context = run.begin(request)
            try:
                value = self.function(context)
                run.end(context, await value if inspect.isawaitable(value) else value)
            except Exception as error:
                run.fail(error)
            if run.is_long:
                break
        return run.outcomes


class _BatchRun:
    """A batch while it runs."""

    def __init__(self, batch: OperationBatch, codec: Codec, stopwatch: Callable[[], float]) -> None:
        self._batch = batch
        self._stopwatch = stopwatch
        self._codec = codec
        self._state = batch.state
        self._began = self._stopwatch()
        self._request = batch.requests[0]
        self._started = 0.0
        self._characters = 0
        self.outcomes: list[OperationOutcome] = []

    @property
    def is_long(self) -> bool:
        """True if the batch is to end now."""
        return self.outcomes[-1].ended > LONGEST_BATCH or self._characters > LARGEST_BATCH

    def begin(self, request: OperationRequest) -> DurableEntityContext:
        """Return the context with which the function is called for an operation."""
        self._request = request
        self._started = self._stopwatch() - self._began
        batch = self._batch
        return DurableEntityContext(batch.entity_id, batch.execution_id, self._state, request, self._codec)

    def end(self, context: DurableEntityContext, value: Any) -> None:
        """Record what the operation returned."""
        result, state, sent = context._outcome(value)
        if context._lost:
            log.warning(
                "The operation %r of %s changed what get_state's initializer made, and nothing of it is "
                "kept. Call context.set_state(state).",
                self._request.name,
                self._batch.entity_id,
            )
        self._state = state
        self._add(result, tuple(sent))

    def fail(self, error: BaseException) -> None:
        """Record what the operation raised: its change of the state and what it sent are discarded."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            trace = trace.tb_next
        error.__traceback__ = trace
        if self._request.is_signal:  # no caller gets the failure
            log.error("The signal %r failed.", self._request.name, exc_info=error)
        self._add(self._codec.failure(error), ())

    def _add(self, outcome: str | FailureDetails, sent: tuple[Signal | Start, ...]) -> None:
        ended = self._stopwatch() - self._began
        self._characters += len(self._state) + (len(outcome) if isinstance(outcome, str) else 0)
        self.outcomes.append(
            OperationOutcome(self._request.number, outcome, self._state, sent, self._started, ended)
        )


@plain
class BatchCodec(Plain):
    """Codec of a batch and its outcomes, in which all values are text already."""

    codec: Codec

    def encode(self, value: Any, kind: Any = "value") -> Any:
        """Return the value itself."""
        return value

    def decode(self, text: Any, expected_type: Any = None) -> Any:
        """Return the batch itself."""
        return text

    def shown(self, text: Any) -> Any:
        """Return the batch itself."""
        return text

    def failure(self, error: BaseException) -> FailureDetails:
        """Return what is kept of an exception."""
        return self.codec.failure(error)

    def redact_log(self, message: str) -> str:
        """Return what is kept of a line of a log."""
        return self.codec.redact_log(message)

    def with_blobs(self, text: Any) -> Any:
        """Return the batch with all blobs that it refers to, ready for another process."""
        requests = tuple(
            request._replace(input=self.codec.with_blobs(request.input)) for request in text.requests
        )
        return text._replace(state=self.codec.with_blobs(text.state), requests=requests)

    def fetch_blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob."""
        return self.codec.fetch_blob(blob_hash)


def is_async(function: Callable[..., Any]) -> bool:
    """Return True if all operations of the entity's function are ``async def``."""
    known = getattr(function, "is_async", None)
    return inspect.iscoroutinefunction(function) if known is None else bool(known)
