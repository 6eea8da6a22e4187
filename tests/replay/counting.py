"""Replays of kept histories, and a count of awaits that owes nothing to them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from durablenb.analysis.replays.replay import FileReplayer, Replay
from durablenb.engine.options import EngineOptions
from durablenb.model.events import Event, OrchestratorStarted
from tests.histories.replaying import replay


def replay_of(function: Callable[..., Any], key: tuple[str, str], history: Sequence[Event]) -> Replay:
    """All replays of a history."""
    bench = FileReplayer(function, key, EngineOptions().codec)
    return Replay(key[0], function.__name__, bench.trace(history), bench.source, bench)


def awaits_of(function: Callable[..., Any], key: tuple[str, str], history: Sequence[Event]) -> int:
    """How often the code waits for something while a history is replayed, counted at its every yield."""
    seen: list[object] = []

    def counted(context: Any) -> Any:
        routine = function(context)
        if not (inspect.isgenerator(routine) or inspect.iscoroutine(routine)):
            return routine
        return _passed_on(routine, seen)

    replay(counted, key, history)
    return len(seen)


def _passed_on(routine: Any, seen: list[object]) -> Any:
    step, given = routine.send, None
    while True:
        try:
            awaited = step(given)
        except StopIteration as stop:
            return stop.value
        seen.append(awaited)
        try:
            step, given = routine.send, (yield awaited)
        except GeneratorExit:
            routine.close()
            raise
        except BaseException as error:
            step, given = routine.throw, error


def until_episode(history: Sequence[Event], number: int) -> Sequence[Event]:
    """A history as it was after so many episodes."""
    begun = [place for place, event in enumerate(history) if isinstance(event, OrchestratorStarted)]
    end = begun[number] if number < len(begun) else len(history)
    return history[:end]


def episode_of(history: Sequence[Event], event_id: int) -> int:
    """In which episode an event was written, from 1."""
    return sum(isinstance(event, OrchestratorStarted) for event in history if event.event_id <= event_id)
