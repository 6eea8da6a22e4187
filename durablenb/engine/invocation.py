"""Calls an activity's function with its decoded input, and encodes what it returns or raises."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from durablenb.core.annotations import input_type
from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine.capture.output import current_owner
from durablenb.engine.capture.streams import enter
from durablenb.model.payloads import Codec


def invoke(job: Job, *, passing: tuple[type[BaseException], ...] = ()) -> ActivityOutcome:
    """Return the outcome of a job, which captures what its function prints.

    Parameters
    ----------
    job
        The call.
    passing
        Exceptions that are raised here; all others become the activity's failure.
    """
    token = enter(job)
    try:
        return call(job.function, job.text, job.takes_input, job.codec, passing=passing)
    finally:
        current_owner.reset(token)


def call(
    function: Callable[..., Any],
    text: str,
    takes_input: bool,
    codec: Codec,
    *,
    passing: tuple[type[BaseException], ...] = (),
) -> ActivityOutcome:
    """Return the function's result as text, or its failure."""
    try:
        value = function(codec.decode(text, input_type(function))) if takes_input else function()
        return codec.encode(run_coroutine(value) if inspect.iscoroutine(value) else value, "result")
    except passing:
        raise
    except BaseException as error:
        return codec.failure(error)


def decoded_input(job: Job) -> Any:
    """Return the value that the job's function is called with."""
    return job.codec.decode(job.text, input_type(job.function))


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine, run in an event loop of its own."""
    import asyncio

    return asyncio.run(coroutine)
