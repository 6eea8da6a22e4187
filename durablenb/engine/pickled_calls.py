"""Calls of activities, pickled for other processes, and what runs them there."""

from __future__ import annotations

import builtins
import pickle
import types
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.core.short_repr import short_repr
from durablenb.engine.capture import streams
from durablenb.engine.capture.output import CapturedOutput, current_owner
from durablenb.engine.invocation import call
from durablenb.model.logs import OutputLine
from durablenb.model.payloads import Codec

PickledCall = tuple[bytes, str, bool, Codec]
"""The pickled function, its input as text, whether it takes one, and the codec."""


def pickle_call(job: Job) -> bytes:
    """Return a pickled `PickledCall`: with the blobs of its input, and the function's globals as of now.

    Raises
    ------
    TypeError
        If the function uses something that can't be pickled; the message names it.
    """
    import cloudpickle

    function, codec = job.function, job.codec
    try:
        pickled = cloudpickle.dumps(function)
    except Exception as error:
        raise _unsendable(function, error) from error
    return pickle.dumps((pickled, codec.with_blobs(job.text), job.takes_input, codec))


def run_pickled(pickled: PickledCall, keep: Callable[[OutputLine], None]) -> ActivityOutcome:
    """Return the outcome of a call, in whichever process this is; `keep` gets each line that it prints."""
    data, text, takes_input, codec = pickled
    output = CapturedOutput(keep)
    streams.install()
    token = streams.enter(output)
    try:
        return call(_unpickled(data), text, takes_input, codec)
    except BaseException as error:
        return codec.failure(error)
    finally:
        current_owner.reset(token)
        output.close()
        streams.remove()


@lru_cache(maxsize=256)
def _unpickled(data: bytes) -> Any:
    return pickle.loads(data)


# -- what can't be pickled -----------------------------------------------------------------------------


def _unsendable(function: Any, error: Exception) -> TypeError:
    path = _path_to_culprit(function, set())
    function_name = getattr(function, "__name__", "it")
    if not path:
        where = f"{function_name!r} can't be sent to another process"
    else:
        via = "".join(f"{name}, which uses " for name, _ in path[:-1])
        last, value = path[-1]
        where = (
            f"{function_name!r} can't be sent to another process: it uses {via}{last} "
            f"({type(value).__name__})"
        )
    return TypeError(
        f"{where}: {type(error).__name__}: {error}. Make that inside of the activity, give the activity what "
        "it needs as input, or let it run in this process: executor='threads'."
    )


def _path_to_culprit(function: Any, seen: set[int]) -> list[tuple[str, Any]]:
    """Return the names that lead from a function to the first value that can't be pickled."""
    import cloudpickle

    for name, value in _used_values(function):
        if id(value) in seen:
            continue
        seen.add(id(value))
        try:
            cloudpickle.dumps(value)
        except Exception:
            return [(name, value), *_path_to_culprit(value, seen)]
    return []


def _used_values(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values that a function uses, each with a description of its name."""
    function = getattr(function, "__func__", function)
    if not isinstance(function, types.FunctionType):
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"the variable {name!r} of the function around it", cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    for name in _global_names(function.__code__):
        if name in function.__globals__ and not hasattr(builtins, name):
            yield f"the global {name!r}", function.__globals__[name]
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"the default {short_repr(value)}", value


def _global_names(code: types.CodeType) -> Iterator[str]:
    """Yield the global names that a function, and the functions inside it, may look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
