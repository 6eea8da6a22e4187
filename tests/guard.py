"""Asserts, in all tests, the engine's one rule: only the thread that has the turn touches the state.

It also asserts that one thread at a time commits, and never the main thread, which an interrupt could stop in
the middle of a commit.

Each method of the state and its parts, and each collection that another thread could be tempted to read,
looks whether the calling thread holds the engine's lock. A violation raises where it happens. It is also
kept, so that the test fails although the thread may be another one.
"""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from durablenb.engine.blocked_instances import BlockedInstances
from durablenb.engine.commands import Commands
from durablenb.engine.committer import Committer
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.effects import Effects
from durablenb.engine.entities import Entities
from durablenb.engine.forks import Forks
from durablenb.engine.imports import Imports
from durablenb.engine.instances import Executions, Instances
from durablenb.engine.orchestration_executor import OrchestrationExecutor
from durablenb.engine.retention import Retention
from durablenb.engine.rewinds import Rewinds
from durablenb.engine.state import EngineState
from durablenb.engine.timers import Timers
from durablenb.engine.upgrades import Upgrades
from durablenb.engine.write_buffer import WriteBuffer

PARTS = (
    BlockedInstances,
    Commands,
    Dispatcher,
    Effects,
    EngineState,
    Entities,
    Executions,
    Forks,
    Imports,
    Instances,
    OrchestrationExecutor,
    Retention,
    Rewinds,
    Timers,
    Upgrades,
    WriteBuffer,
)
COLLECTIONS = {Instances: ("open", "queue"), Timers: ("_heap",), Entities: ("queue",)}

violations: list[str] = []
"""What was touched without the turn, and from where."""

_LOCK = "_lock_of_the_turn"


def install() -> None:
    """Guard the states of all engines that are made from now on."""
    for part in PARTS:
        for name, member in list(vars(part).items()):
            if name.startswith("__"):
                continue
            if isinstance(member, property):
                assert member.fget is not None
                setattr(part, name, property(_guarded(member.fget)))
            elif callable(member) and not isinstance(member, (staticmethod, classmethod, type)):
                setattr(part, name, _guarded(member))
        for name in COLLECTIONS.get(part, ()):
            setattr(part, name, _collection(name))
    made = EngineState.__init__

    @functools.wraps(made)
    def make(state: EngineState, services: Any) -> None:
        made(state, services)
        lock = services.apply_inline.__self__._lock
        for part in _parts(state):
            vars(part)[_LOCK] = lock

    EngineState.__init__ = make  # type: ignore[method-assign]
    write = Committer._write

    @functools.wraps(write)
    def write_guarded(committer: Committer, group: Any) -> None:
        if not committer._committing.locked():
            _violated("a commit without the committer's lock")
        if committer.is_running and threading.current_thread() is threading.main_thread():
            _violated("a commit in the main thread")
        write(committer, group)

    Committer._write = write_guarded  # type: ignore[method-assign]


def _parts(root: Any) -> Iterator[Any]:
    """The state, and the parts that it or another part made."""
    seen: set[int] = set()
    left = [root]
    while left:
        part = left.pop()
        if isinstance(part, PARTS) and id(part) not in seen:
            seen.add(id(part))
            yield part
            left.extend(vars(part).values())


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(part: Any, *args: Any, **options: Any) -> Any:
        _check(part, function.__name__)
        return function(part, *args, **options)

    return call


def _collection(name: str) -> property:
    def get(part: Any) -> Any:
        _check(part, name)
        return vars(part)[name]

    def put(part: Any, value: Any) -> None:
        _check(part, name)
        vars(part)[name] = value

    return property(get, put)


def _check(part: Any, name: str) -> None:
    lock = vars(part).get(_LOCK)
    if lock is None or lock._is_owned():
        return
    _violated(f"{type(part).__name__}.{name}, by {threading.current_thread().name}, without the turn")


def _violated(what: str) -> None:
    violations.append(f"{what}\n{''.join(traceback.format_stack(limit=9)[:-3])}")
    raise AssertionError(what)
