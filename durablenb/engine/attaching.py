"""Whether a start asks for the instance that exists: the same orchestrator, with the same input."""

from __future__ import annotations

import json
from collections.abc import Sequence

from durablenb.engine.messages import Start
from durablenb.model.errors import InstanceExistsError
from durablenb.model.events import ExecutionStarted
from durablenb.model.status import InstanceState

SHOWN = 120
"""Characters of an input that an error shows."""


def check_same_start(asked: Start, state: InstanceState, starts: Sequence[ExecutionStarted]) -> None:
    """Check that a start asks for what exists.

    Parameters
    ----------
    asked
        The start.
    state
        The instance that has its id.
    starts
        The first events of that id's executions, oldest first.

    Raises
    ------
    InstanceExistsError
        If it is another orchestrator's, or was started with another input.
    """
    if state.name != asked.name:
        raise InstanceExistsError(
            f"The instance {asked.instance_id!r} is of {state.name!r}, not of {asked.name!r}. Nothing was "
            f"started. hub.handle({asked.instance_id!r}) is its handle. To start another one, use another "
            'instance_id, or if_exists="restart" to replace it.'
        )
    first = next((one for one in reversed(starts) if not one.generation), None)  # then it continued as new
    if first is not None and not _is_same(first.input, asked.input):
        raise InstanceExistsError(
            f"The instance {asked.instance_id!r} was started with another input: {_short(first.input)}, not "
            f"{_short(asked.input)}. Nothing was started. hub.handle({asked.instance_id!r}) is its handle, "
            'whatever the input. For the new input, use another instance_id, or if_exists="restart" to '
            "replace the instance."
        )


def _is_same(one: str, other: str) -> bool:
    """Whether two inputs are the same value; the items of a dict may stand in another order."""
    return one == other or bool(json.loads(one) == json.loads(other))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
