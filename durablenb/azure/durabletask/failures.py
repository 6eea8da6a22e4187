"""Failures as durabletask reports them: a type's name, a message, a traceback, an inner failure."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from types import TracebackType
from typing import Any

from durabletask import task

from durablenb.model.errors import NonRetriableError
from durablenb.model.failures import FailureDetails

OPERATION_FAILED = "EntityOperationFailedException"
"""The end of the name of durabletask's error around what an entity's operation raised."""

NOT_REGISTERED = "NotRegisteredError"
"""The end of the names of durabletask's errors for functions that the worker lacks."""

_FRAMES = re.compile(r'(?m)^(?=  File ")')
_OF_LIBRARIES = re.compile(
    r'  File "[^"]*[/\\]'
    r'(durabletask[/\\]worker\.py|durablenb[/\\](azure[/\\]durabletask|core|engine)[/\\][^"]*)"'
)


def failure_from(details: task.FailureDetails) -> FailureDetails:
    """Return the failure of a task as the orchestrator's code gets it."""
    inner = details.inner_failure
    if inner is not None and details.error_type.endswith(OPERATION_FAILED):
        return failure_from(inner)
    failure = FailureDetails(
        details.error_type,
        details.message,
        _frames_of_users(details.stack_trace or ""),
        None if inner is None else failure_from(inner),
    )
    is_final = details.error_type.endswith(NOT_REGISTERED) or failure.is_caused_by(NonRetriableError)
    return replace(failure, is_non_retriable=True) if is_final else failure


def exception_from(failure: FailureDetails, trace: TracebackType | None = None) -> Exception:
    """Return an exception that durabletask reports with the type's name, the message and the inner failure.

    An empty message becomes the type's name: durabletask's in-memory backend counts a failure without a
    message as a success.

    Parameters
    ----------
    failure
        What the codec keeps of the exception that was raised.
    trace
        Its traceback.
    """
    kind = _exception_type(failure.error_type)
    error = kind(failure.message or kind.__name__).with_traceback(trace)
    if failure.inner is not None:
        error.__cause__ = exception_from(failure.inner)
    return error


def _frames_of_users(trace: str) -> str:
    """Return a traceback without the frames of durabletask and durablenb that called the user's code."""
    return "".join(frame for frame in _FRAMES.split(trace) if not _OF_LIBRARIES.match(frame))


@lru_cache(maxsize=512)
def _exception_type(name: str) -> type[Exception]:
    module, _, qualname = name.rpartition(".")
    attributes: dict[str, Any] = {"__module__": module}
    return type(qualname, (Exception,), attributes)
