"""Finds the first mismatch between an orchestrator's code and an execution's history."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from durablenb.core.execution import Execution, NameOf
from durablenb.core.id_prefixes import without_prefix
from durablenb.core.orchestrator_code import Orchestrator
from durablenb.core.reconstruct import is_partial, reconstruct_history
from durablenb.model.errors import FunctionNotFoundError, NonDeterminismError, TypeNotRegisteredError
from durablenb.model.events import Event
from durablenb.model.payloads import Codec
from durablenb.model.source import Source

Mismatch = NonDeterminismError | TypeNotRegisteredError | FunctionNotFoundError
"""The difference of code and history; or the missing type or function that prevents comparing them."""


def find_mismatch(
    function: Orchestrator,
    ids: tuple[str, str],
    history: Sequence[Event],
    codec: Codec,
    target_name: NameOf,
    source: Source | None = None,
) -> Mismatch | None:
    """Return the mismatch of code and an execution's history, or None if the code fits.

    Parameters
    ----------
    function
        The orchestrator.
    ids
        The ids of the instance and of the execution.
    history
        One execution's events.
    codec, target_name, source
        As of `Execution`.
    """
    ids, history = without_prefix(ids, history)
    interrupts = (KeyboardInterrupt,)  # a user is waiting for the result
    fresh = partial(Execution, function, *ids, codec, target_name, source=source, interrupts=interrupts)
    execution = fresh()
    try:
        if is_partial(history):
            history = reconstruct_history(fresh, history)
        execution.replay(history)
        execution.look_at_pause(history)
    except (NonDeterminismError, TypeNotRegisteredError) as error:
        error.__traceback__ = None  # its frames hold the history
        return error
    finally:
        execution.unload()
    return None
