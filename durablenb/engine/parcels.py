"""Calls of activities as they travel to other processes, and what runs them there."""

from __future__ import annotations

import builtins
import pickle
import types
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from durablenb.core.ports.executor import Job, Outcome
from durablenb.core.short_repr import brief
from durablenb.engine import taps
from durablenb.engine.transcript import Transcript, current
from durablenb.engine.work import call
from durablenb.model.logs import Said
from durablenb.model.payloads import Codec

Parcel = tuple[bytes, str, bool, Codec]
"""The function, its argument as text, whether it takes one, and how text becomes values."""


def parcel_of(job: Job) -> bytes:
    """Return a job as it travels, with all that its input refers to; the function with its globals of now.

    Raises
    ------
    TypeError
        If the function refers to something that can't be pickled; the message names it.
    """
    import cloudpickle

    function, codec = job.function, job.codec
    try:
        pickled = cloudpickle.dumps(function)
    except Exception as error:
        raise _unsendable(function, error) from error
    return pickle.dumps((pickled, codec.with_blobs(job.text), job.takes_input, codec))


def run_parcel(parcel: Parcel, keep: Callable[[Said], None]) -> Outcome:
    """Return the outcome of a job, in whichever process this is; `keep` gets each line that it prints."""
    data, text, takes_input, codec = parcel
    transcript = Transcript(keep)
    taps.install()
    token = taps.enter(transcript)
    try:
        return call(_unpickled(data), text, takes_input, codec)
    except BaseException as error:
        return codec.failure(error)
    finally:
        current.reset(token)
        transcript.close()
        taps.remove()


@lru_cache(maxsize=256)
def _unpickled(data: bytes) -> Any:
    return pickle.loads(data)


# -- what can't travel --------------------------------------------------------------------------------


def _unsendable(function: Any, error: Exception) -> TypeError:
    path = _path_to_culprit(function, set())
    name = getattr(function, "__name__", "it")
    if not path:
        where = f"{name!r} can't be sent to another process"
    else:
        via = "".join(f"{one}, which uses " for one, _ in path[:-1])
        last, value = path[-1]
        where = f"{name!r} can't be sent to another process: it uses {via}{last} ({type(value).__name__})"
    return TypeError(
        f"{where}: {type(error).__name__}: {error}. Make that inside of the activity, give the activity what "
        "it needs as input, or let it run in this process: executor='threads'."
    )


def _path_to_culprit(function: Any, seen: set[int]) -> list[tuple[str, Any]]:
    """By which names one gets from a function to the first thing that can't be pickled."""
    import cloudpickle

    for name, value in _uses(function):
        if id(value) in seen:
            continue
        seen.add(id(value))
        try:
            cloudpickle.dumps(value)
        except Exception:
            return [(name, value), *_path_to_culprit(value, seen)]
    return []


def _uses(function: Any) -> Iterator[tuple[str, Any]]:
    """What a function refers to, by the names that it has there."""
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
        yield f"the default {brief(value)}", value


def _global_names(code: types.CodeType) -> Iterator[str]:
    """The names that a function may look up outside, those of the functions inside of it, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
