"""Calls of activities, pickled for other processes, and what runs them there."""

from __future__ import annotations

import builtins
import pickle
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from durablenb.core.code_names import global_reads
from durablenb.core.ports.executor import ActivityOutcome, Job
from durablenb.core.ports.output import current_owner
from durablenb.core.short_repr import short_repr
from durablenb.engine.capture import streams
from durablenb.engine.capture.output import CapturedOutput
from durablenb.engine.invocation import outcome
from durablenb.engine.running_activity import RunningActivity
from durablenb.model.activities import ActivityInfo, Report
from durablenb.model.errors import DurableError
from durablenb.model.events import Event
from durablenb.model.payloads import Codec


@dataclass(frozen=True)
class PickledCall:
    """A call that another process can run.

    Parameters
    ----------
    function
        The pickled function.
    text, takes_input
        Its input as text, with the blobs to which it refers, and whether the function takes it.
    codec
        Turns text into values, and values into text.
    info
        What the call knows of itself.
    """

    function: bytes
    text: str
    takes_input: bool
    codec: Codec
    info: ActivityInfo


def pickle_call(job: Job) -> bytes:
    """Return a pickled `PickledCall`: with the blobs of its input, and the function's globals as of now.

    Raises
    ------
    TypeError
        If the function uses something that can't be pickled; the message names it.
    """
    function = pickle_function(job.function)
    text = job.codec.with_blobs(job.text)
    return pickle.dumps(PickledCall(function, text, job.takes_input, job.codec, job.info))


def pickle_function(function: Callable[..., Any]) -> bytes:
    """Return a function by value, with its globals as of now.

    Raises
    ------
    TypeError
        If the function uses something that can't be pickled; the message names it.
    """
    import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(function)
    except Exception as error:
        raise _unsendable(function, error) from error
    return pickled


def _never() -> bool:
    return False


def run_pickled(
    call: PickledCall, report: Callable[[Report], None], is_cancelled: Callable[[], bool] = _never
) -> ActivityOutcome:
    """Return the outcome of a call, in whichever process this is.

    Parameters
    ----------
    call
        The call.
    report
        Receives each line that it prints, its progress and its checkpoints; from several threads.
    is_cancelled
        Tells whether the call is to stop.
    """
    output = CapturedOutput(report)
    streams.install()
    token = streams.enter(output)
    try:
        function = _unpickled(call.function)  # which imports what it uses, such as tqdm
        with RunningActivity(_RemoteCall(call.info, call.codec, report, is_cancelled)) as context:
            return outcome(function, call.text, call.takes_input, call.codec, context)
    except BaseException as error:
        return call.codec.failure(error)
    finally:
        current_owner.reset(token)
        output.close()
        streams.remove()


@dataclass(frozen=True)
class _RemoteCall:
    """The parts of a call's context that another process needs."""

    info: ActivityInfo
    codec: Codec
    report: Callable[[Report], None]
    asks: Callable[[], bool]

    @property
    def is_cancelled(self) -> bool:
        """True if the call is to stop."""
        return self.asks()

    def history(self) -> list[Event]:
        """Refuse: the journal is in another process."""
        raise DurableError(
            f"The activity {self.info.name!r} runs in another process than its hub, which has the journal."
        )


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
    for name in dict.fromkeys(read.name for read in global_reads(function.__code__)):
        if name in function.__globals__ and not hasattr(builtins, name):
            yield f"the global {name!r}", function.__globals__[name]
    for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
        yield f"the default {short_repr(value)}", value
