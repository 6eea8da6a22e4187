"""Asserts, in all tests, the engine's one rule: only the thread that has the turn touches the machine.

Each method of the machine and its parts, and each collection that another thread could be tempted to read,
looks whether the calling thread holds the engine's lock. A violation raises where it happens. It is also
kept, so that the test fails although the thread may be another one.
"""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Callable
from typing import Any

from durablenb.engine.commands import Commands
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.entities import Entities
from durablenb.engine.episodes import Episodes
from durablenb.engine.forks import Forks
from durablenb.engine.imports import Imports
from durablenb.engine.journal import Journal
from durablenb.engine.lifecycle import Lifecycle
from durablenb.engine.machine import Machine
from durablenb.engine.obstacles import Obstacles
from durablenb.engine.timers import Timers
from durablenb.engine.upgrades import Upgrades

PARTS = (
    Commands,
    Dispatcher,
    Entities,
    Episodes,
    Forks,
    Imports,
    Journal,
    Lifecycle,
    Machine,
    Obstacles,
    Timers,
    Upgrades,
)
COLLECTIONS = {Lifecycle: ("open", "queue", "ended"), Timers: ("_heap",), Entities: ("queue",)}

FREE = {"Dispatcher.activity"}
"""What a worker asks when it begins a call: it reads the registry and nothing of the machine."""

violations: list[str] = []
"""What was touched without the turn, and from where."""

_LOCK = "_lock_of_the_turn"


def install() -> None:
    """Guard the machines of all engines that are made from now on."""
    for part in PARTS:
        for name, member in list(vars(part).items()):
            if name.startswith("__") or f"{part.__name__}.{name}" in FREE:
                continue
            if isinstance(member, property):
                assert member.fget is not None
                setattr(part, name, property(_guarded(member.fget)))
            elif callable(member) and not isinstance(member, (staticmethod, classmethod, type)):
                setattr(part, name, _guarded(member))
        for name in COLLECTIONS.get(part, ()):
            setattr(part, name, _collection(name))
    made = Machine.__init__

    @functools.wraps(made)
    def make(machine: Machine, world: Any) -> None:
        made(machine, world)
        lock = world.bring.__self__._turn
        commands = machine.commands
        for part in (
            machine,
            machine.timers,
            machine.journal,
            machine.episodes,
            machine.lifecycle,
            machine.lifecycle.obstacles,
            machine.dispatcher,
            machine.entities,
            commands,
            *(one for one in vars(commands).values() if isinstance(one, (Forks, Imports, Upgrades))),
        ):
            vars(part)[_LOCK] = lock

    Machine.__init__ = make  # type: ignore[method-assign]


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
    where = f"{type(part).__name__}.{name}, by {threading.current_thread().name}, without the turn"
    violations.append(f"{where}\n{''.join(traceback.format_stack(limit=8)[:-2])}")
    raise AssertionError(where)
