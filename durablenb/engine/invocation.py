"""Calls an activity's function with its decoded input, and encodes what it returns or raises."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from durablenb.core.activity_context import ActivityContext
from durablenb.core.annotations import context_parameter, input_type
from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.engine.capture.output import current_owner
from durablenb.engine.capture.streams import enter
from durablenb.engine.running_activity import RunningActivity
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
        with RunningActivity(job) as context:
            return outcome(job.function, job.text, job.takes_input, job.codec, context, passing=passing)
    finally:
        current_owner.reset(token)


def outcome(
    function: Callable[..., Any],
    text: str,
    takes_input: bool,
    codec: Codec,
    context: ActivityContext,
    *,
    passing: tuple[type[BaseException], ...] = (),
) -> ActivityOutcome:
    """Return the function's result as text, or its failure."""
    try:
        value = call(function, text, takes_input, codec, context)
        return codec.encode(run_coroutine(value) if inspect.iscoroutine(value) else value, "result")
    except passing:
        raise
    except BaseException as error:
        return codec.failure(error)


def call(
    function: Callable[..., Any], text: str, takes_input: bool, codec: Codec, context: ActivityContext
) -> Any:
    """Return what the function returns for the decoded input: for an ``async def``, a coroutine."""
    given = [codec.decode(text, input_type(function))] if takes_input else []
    parameter = context_parameter(function)
    if parameter is None:
        return function(*given)
    if parameter.place is not None and parameter.place <= len(given):
        given.insert(parameter.place, context)
        return function(*given)
    return function(*given, **{parameter.name: context})


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine, run in an event loop of its own."""
    import asyncio

    return asyncio.run(coroutine)
