"""Replays of an execution to look at, and copies of it that are resumed in a hub of their own."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from queue import SimpleQueue
from typing import Any
from weakref import finalize

from durablenb.analysis.replays.executions import text_at_start
from durablenb.analysis.replays.replay import FileReplayer, Replay
from durablenb.core.id_prefixes import without_prefix
from durablenb.core.ports.store import Record
from durablenb.core.trace import Trace
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.hub.hub import Hub
from durablenb.hub.local import EngineControl, LocalJournal
from durablenb.model.errors import StoreError
from durablenb.model.events import (
    Arrival,
    Ending,
    EntityLockCanceled,
    EntityLockRequested,
    EntityOperationCalled,
    EntityUnlockSent,
    Event,
    ExecutionStarted,
    SubOrchestrationInstanceCreated,
)
from durablenb.store.duckdb_store import DuckStore

log = logging.getLogger("durablenb")


def replay_execution(
    hub: Hub,
    ids: tuple[str, str],
    name: str,
    history: Sequence[Event],
    orchestrator: Callable[..., Any] | None,
) -> Replay:
    """Return the replays of an execution.

    Parameters
    ----------
    hub
        The hub that has the code, and the instance's journal.
    ids
        The ids of the instance and of the execution.
    name
        The orchestrator's name.
    history
        The execution's events.
    orchestrator
        The code; None for the registered one.

    Raises
    ------
    FunctionNotFoundError
        If the orchestrator isn't registered.
    """
    journal, control = hub._journal, hub._control
    ids, history = without_prefix(ids, history)
    if orchestrator is None:
        started = next((event for event in history if isinstance(event, ExecutionStarted)), None)
        orchestrator = control.code(name, None if started is None else started.version).function
    replayer = control.replayer(journal, orchestrator, ids)
    began_with = text_at_start(history, journal.source, replayer.source)
    return Replay(ids[0], name, replayer.trace(history), replayer.source, replayer, began_with=began_with)


class HubReplayer(FileReplayer):
    """Replays the histories of one execution, its own one and changed copies; can resume a copy.

    Parameters
    ----------
    engine
        The hub's engine.
    function
        The orchestrator.
    ids
        The ids of the instance and of the execution.
    """

    def __init__(self, engine: Engine, function: Callable[..., Any], ids: tuple[str, str]) -> None:
        super().__init__(function, ids, engine.options.codec)
        self._engine = engine

    def trace(self, events: Sequence[Event]) -> Trace:
        """Replay the code against these events, and note what it prints; it can't use the hub."""
        with self._engine.orchestrator_scope.replaying():
            return super().trace(events)

    def resume(self, events: Sequence[Event]) -> Any:
        """Resume an instance with this history in a hub of its own; return its handle.

        Raises
        ------
        ValueError
            If the history ends in a critical section: that hub hasn't got the locked entities.
        """
        _check_locks(events)
        codec, store = self.codec, DuckStore(None)

        def fetch(blob_hash: str) -> bytes:
            try:
                return store.blob(blob_hash)
            except StoreError:  # the blob is older than the copy
                return self._engine.store.blob(blob_hash)

        store.keep([] if self.source is None else [self.source])
        store.append([Record(seq, *self._ids, event) for seq, event in enumerate(events, 1)])
        options = replace(self._engine.options, codec=codec.for_journal(fetch))
        clock = VirtualClock(max(event.timestamp for event in events))
        engine = Engine(store, clock, self._engine.registry, Executors("inline"), options)
        engine.committer.start()
        engine.ask_again(self._ids[0], _unanswered(events))
        journal = LocalJournal(engine)
        hub = Hub(journal, EngineControl(engine, journal))
        _closer()
        finalize(hub, _left.put, engine).atexit = False  # nothing of it is on disk
        return hub.handle(self._ids[0])


_left: SimpleQueue[Engine | None] = SimpleQueue()
"""The engines of copies without references; None at the end of the process.

The garbage collector finds that out on any thread, in the middle of anything. Closing waits for other threads
and takes locks, so it is done elsewhere; `put` may be called wherever it is.
"""


@cache
def _closer() -> threading.Thread:
    """The thread that closes them."""
    thread = threading.Thread(target=_close_those_left, name="durablenb-copies", daemon=True)
    thread.start()
    atexit.register(_end, thread)
    return thread


def _end(thread: threading.Thread) -> None:
    """Wait for the thread: a process that ends while a thread is inside DuckDB is aborted."""
    _left.put(None)
    thread.join()


def _close_those_left() -> None:
    while (engine := _left.get()) is not None:
        _close(engine)
        engine = None  # nothing of it stays in memory until the next one


def _close(engine: Engine) -> None:
    try:
        engine.stop(wait=False)
        engine.store.close()
    except Exception:  # a copy that can't be closed is no reason to leave the others
        log.exception("a copy of an instance could not be closed")


def _check_locks(events: Sequence[Event]) -> None:
    asked = sum(isinstance(event, EntityLockRequested) for event in events)
    left = sum(isinstance(event, (EntityLockCanceled, EntityUnlockSent)) for event in events)
    if asked > left and not isinstance(events[-1], Ending):
        raise ValueError(
            "This history ends in a critical section, and a hub of its own doesn't have the entities that "
            "are locked in it. End it before the section: replay.until(...)."
        )


def _unanswered(events: Sequence[Event]) -> list[Event]:
    """Return the requests to children and entities that weren't answered."""
    answered = {getattr(event, "task_id", None) for event in events if isinstance(event, Arrival)}
    asked = (SubOrchestrationInstanceCreated, EntityOperationCalled)
    return [event for event in events if isinstance(event, asked) and event.task_id not in answered]
