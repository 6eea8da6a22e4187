"""Replaying a kept history with an orchestrator's code, as it was or edited."""

from collections.abc import Callable, Sequence
from typing import Any

from durablenb.core.execution import Execution
from durablenb.core.ports.store import Record
from durablenb.core.registry import target_name
from durablenb.engine.options import EngineOptions
from durablenb.model.events import Event, ExecutionStarted, Request

_codec = EngineOptions().codec


def executions(records: Sequence[Record]) -> dict[tuple[str, str], list[Event]]:
    """Each execution's events since its last rewind."""
    found: dict[tuple[str, str], list[Event]] = {}
    for record in records:
        key = (record.instance_id, record.execution_id)
        if isinstance(record.event, ExecutionStarted):
            found[key] = []
        found[key].append(record.event)
    return found


def replay(function: Callable[..., Any], key: tuple[str, str], history: Sequence[Event]) -> Execution:
    """Replays the events; raises `NonDeterminismError` where the code asks for something else."""
    execution = Execution(function, *key, _codec, target_name)
    try:
        execution.replay(history)
    finally:
        execution.unload()
    return execution


def prefixes(history: Sequence[Event]) -> list[Sequence[Event]]:
    """The histories that were on disk on the way to this one: no episode is ever written in part."""
    ends = [
        place
        for place in range(1, len(history) + 1)
        if place == len(history) or not isinstance(history[place], Request)
    ]
    return [history[:end] for end in ends]
