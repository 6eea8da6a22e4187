"""A hub to put to the test: in the test's own thread or in threads, every episode replayed and compared."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import durablenb as df
from durablenb.core.registry import entity_activity
from durablenb.engine.messages import Terminate, Watch
from durablenb.engine.state import EngineState

PATIENCE = 60.0
"""Seconds after which something that has not come about counts as never."""


class HandClock(df.VirtualClock):
    """A virtual clock that can be told not to jump for a while."""

    is_held = False

    def jump_to(self, moment):
        return not self.is_held and super().jump_to(moment)


class Lab:
    """A hub on a virtual clock; `restart` closes its file and opens it again with the same functions."""

    def __init__(self, mode: str, path: Any = ":memory:", **options: Any) -> None:
        self.mode = mode
        self.path = path
        self.clock = HandClock()
        self._options = {"verify_replay": True, **options}
        self._functions: dict[tuple[str, str], Any] = {}
        self.open()

    def open(self) -> None:
        self.hub = df.TaskHub(self.path, mode=self.mode, clock=self.clock, **self._options)
        self.client = self.hub.client
        for (kind, name), function in self._functions.items():
            self._register(kind, name, function)

    def restart(self, instance_id: Any = None, *, without: tuple[str, ...] = (), **changed: Any) -> Any:
        """Reopen it as in a new kernel, with these orchestrators `changed`; return the handle of the id."""
        self.hub.close()
        self._functions = {key: f for key, f in self._functions.items() if key[1] not in without}
        for name, function in changed.items():
            self._functions["orchestrator", name] = function
        self.open()
        return None if instance_id is None else self.hub.handle(instance_id)

    def close(self) -> None:
        self.hub.close()

    def renew(self) -> None:
        """Leaves nothing of what was done with it but the time that has passed."""
        engine = self.client._control.engine
        with engine._lock:
            opened = list(engine._state.instances.open)
        for instance_id in opened:
            engine.ask(Terminate(instance_id, "", False)).result(PATIENCE)
        self.settle()
        rows = engine.store.query("select distinct instance_id from journal")
        with engine._lock:  # not by a message: that would look each instance up
            engine.completions._ended.clear()
            engine._state.buffer.purge([row[0] for row in rows])
            engine._state.buffer.flush()
            engine.committer.drain()
            if any(kind == "entity" for kind, _ in self._functions):
                engine._state = EngineState(engine._services)  # entities stay in memory when they are idle
        engine.committer.drain()
        registry = self.hub._registry
        for _, name in self._functions:
            registry.activities.pop(name, None)
            registry.activities.pop(entity_activity(name), None)
            registry.orchestrators.pop(name, None)
        self._functions.clear()

    def orchestrator(self, function, name=None):
        return self._keep("orchestrator", name or function.__name__, function)

    def activity(self, function, name=None):
        return self._keep("activity", name or function.__name__, function)

    def entity(self, function, name=None):
        return self._keep("entity", name or function.__name__, function)

    def signal(self, entity_id, operation, given=None, *, at=None) -> None:
        self.client.signal_entity(entity_id, operation, given, at=at)

    def records(self, entity_id) -> list[Any]:
        """The events of an entity, oldest first."""
        return [record.event for record in self.hub._store.records(str(entity_id))]

    def _keep(self, kind, name, function):
        self._functions[kind, name] = function
        self._register(kind, name, function)
        return function

    def _register(self, kind, name, function):
        getattr(self.hub, f"add_{kind}")(function, name)

    def start(self, orchestrator: Any, *args: Any, **options: Any) -> df.Handle:
        """Start an orchestration; a function that isn't registered yet is registered first."""
        if callable(orchestrator):
            name = orchestrator.__name__
            if self._functions.get(("orchestrator", name)) is not orchestrator:
                self.orchestrator(orchestrator)
        return self.hub.start(orchestrator, *args, **options)

    def run(self, *args: Any, **options: Any) -> Any:
        return self.start(*args, **options).result(PATIENCE)

    def begin(self, *args: Any, **options: Any) -> df.Handle:
        """Start an orchestration, and let it run to where it waits."""
        handle = self.start(*args, **options)
        self.settle()
        return handle

    def settle(self) -> None:
        """Lets everything happen that can happen before time passes or somebody asks for something."""
        if self.mode == "kernel":
            self.clock.is_held = True
            while self.hub.step() is not None:
                pass
            self.clock.is_held = False
            return
        engine, quiet, end = self.client._control.engine, 0, time.monotonic() + PATIENCE
        while quiet < 3:
            assert time.monotonic() < end, "the hub does not come to rest"
            engine.ask(Watch("nobody")).result(PATIENCE)  # all messages before this one are dealt with
            quiet = quiet + 1 if engine.is_idle else 0
            time.sleep(0.001)

    def until(self, is_so: Callable[[], object]) -> None:
        """Lets the hub go on until it is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, "it does not come about"
            if self.mode == "kernel":
                self.hub.step()
            else:
                time.sleep(0.001)

    def advance(self, **duration: float) -> None:
        """Lets time pass, and then everything happen that is due."""
        self.settle()
        self.clock.advance(**duration)
        self.settle()


def kinds(events: Any) -> list[str]:
    """The kinds of the events."""
    return [type(event).__name__ for event in events]


def counted(events: Any, kind: str) -> int:
    """How many of the events are of this kind."""
    return kinds(events).count(kind)
