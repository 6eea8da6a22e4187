"""Calls an activity's function with its decoded input, and encodes what it returns or raises."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from durablenb.core.activity_context import ActivityContext
from durablenb.core.annotations import context_parameter, function_types
from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.core.ports.output import current_owner
from durablenb.core.short_repr import short_repr
from durablenb.engine.capture.streams import enter
from durablenb.engine.running_activity import RunningActivity
from durablenb.model.arguments import Arguments, are_arguments
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
    types = function_types(function)
    named: dict[str, Any] = {}
    if are_arguments(text):
        arguments = codec.decode(text, types.arguments)
        given, named = list(arguments.positional), dict(arguments.named)
        _check_fit(function, arguments)
    else:
        given = [codec.decode(text, types.input)] if takes_input else []
    parameter = types.context
    if parameter is not None:
        if parameter.place is not None and parameter.place <= len(given):
            given.insert(parameter.place, context)
        else:
            named[parameter.name] = context
    return function(*given, **named)


def _check_fit(function: Callable[..., Any], arguments: Arguments) -> None:
    """Raise a `TypeError` if the arguments of a call don't fit the function."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some builtins have none
        return
    context = context_parameter(function)
    others = [
        parameter
        for parameter in signature.parameters.values()
        if context is None or parameter.name != context.name
    ]
    signature = signature.replace(parameters=others)
    try:
        signature.bind(*arguments.positional, **arguments.named)
    except TypeError as error:
        values = [*map(short_repr, arguments.positional)]
        values += [f"{name}={short_repr(value)}" for name, value in arguments.named.items()]
        raise TypeError(
            f"The arguments don't fit: {error}. The activity takes {signature}, and was called with "
            f"({', '.join(values)})."
        ) from None


def run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine, run in an event loop of its own, also in a thread that has one."""
    import asyncio

    if asyncio._get_running_loop() is None:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, coroutine).result()
