"""Whether an orchestrator's code still fits what is recorded of an execution."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

from durablenb.core.execution import Execution, NameOf, Orchestrator
from durablenb.core.reconstruct import filled_in, is_partial
from durablenb.core.renaming import as_it_was
from durablenb.model.errors import FunctionNotFoundError, NonDeterminismError, TypeNotRegisteredError
from durablenb.model.events import Event
from durablenb.model.payloads import Codec
from durablenb.model.source import Source

Misfit = NonDeterminismError | TypeNotRegisteredError | FunctionNotFoundError
"""Where code and history part; or what lacks, a value's type or the code itself, so that nobody can tell."""


def misfit_of(
    function: Orchestrator,
    ids: tuple[str, str],
    history: Sequence[Event],
    codec: Codec,
    name_of: NameOf,
    source: Source | None = None,
) -> Misfit | None:
    """What keeps the code from going through an execution's history; None if nothing does.

    Parameters
    ----------
    function
        The orchestrator.
    ids
        Whose history it is: the instance's id and the execution's.
    history
        One execution's events.
    codec, name_of, source
        As of `Execution`.
    """
    ids, history = as_it_was(ids, history)
    interrupts = (KeyboardInterrupt,)  # somebody waits for this
    fresh = partial(Execution, function, *ids, codec, name_of, source=source, interrupts=interrupts)
    execution = fresh()
    try:
        if is_partial(history):
            history = filled_in(fresh, history)
        execution.replay(history)
        execution.look_at_pause(history)
    except (NonDeterminismError, TypeNotRegisteredError) as error:
        error.__traceback__ = None  # its frames hold the history
        return error
    finally:
        with contextlib.suppress(BaseException):  # what the user's finally blocks raise
            execution.unload()
    return None
