"""Replays for looking: the orchestrator's code goes through a history once more, and nothing else happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from queue import SimpleQueue
from typing import Any
from weakref import finalize

from durablenb.analysis.replays.executions import Executions, text_at_start
from durablenb.analysis.replays.replay import FileReplayer, Replay
from durablenb.core.ports.store import Record
from durablenb.core.registry import Code
from durablenb.core.renaming import as_it_was
from durablenb.core.trace import Trace
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.hub.client import SyncDurableOrchestrationClient
from durablenb.model.errors import StoreError
from durablenb.model.events import (
    Arrival,
    Ending,
    EntityLockRequested,
    EntityOperationCalled,
    EntityUnlockSent,
    Event,
    ExecutionStarted,
    SubOrchestrationInstanceCreated,
)
from durablenb.store.duck import DuckStore

log = logging.getLogger("durablenb")

HandleOf = Callable[[SyncDurableOrchestrationClient, str], Any]
"""Gives the handle of an instance."""


def replay_of(
    client: SyncDurableOrchestrationClient,
    instance_id: str,
    orchestrator: Callable[..., Any] | None,
    execution: int | None,
    handle_of: HandleOf,
) -> Replay:
    """Return the replays of an execution of an instance.

    Parameters
    ----------
    client
        The hub's.
    instance_id
        Which instance.
    orchestrator
        The code to go through it; that which is registered, if None.
    execution
        Which execution, from 1; the newest one, if None.
    handle_of
        Gives the handle of a copy that goes on.

    Raises
    ------
    InstanceNotFoundError
        If there is no such instance.
    ValueError
        If there is no such execution.
    FunctionNotFoundError
        If its orchestrator isn't registered.
    """
    state = client.existing(instance_id)
    executions = Executions(client.engine.store.records(state.instance_id))
    execution_id, history = executions[len(executions) if execution is None else execution]
    ids = state.instance_id, execution_id
    return replay_over(client, ids, state.name, history, orchestrator, handle_of)


def replay_over(
    client: SyncDurableOrchestrationClient,
    ids: tuple[str, str],
    name: str,
    history: Sequence[Event],
    orchestrator: Callable[..., Any] | None,
    handle_of: HandleOf,
) -> Replay:
    """Return the replays of an execution whose events are at hand.

    Parameters
    ----------
    client, orchestrator, handle_of
        As of `replay_of`.
    ids
        The instance's id and the execution's.
    name
        The orchestrator's.
    history
        The execution's events.

    Raises
    ------
    FunctionNotFoundError
        If its orchestrator isn't registered.
    """
    ids, history = as_it_was(ids, history)
    started = next((event for event in history if isinstance(event, ExecutionStarted)), None)
    version = None if started is None else started.version
    code = client.engine.registry.code(name, version) if orchestrator is None else Code(orchestrator, None)
    if code is None:
        raise client.engine.registry.no_code(name, version)
    bench = Bench(client, code.function, ids, handle_of)
    began_with = text_at_start(history, client.engine.store.source, bench.source)
    return Replay(ids[0], name, bench.trace(history), bench.source, bench, began_with=began_with)


class Bench(FileReplayer):
    """Where the histories of one execution are gone through, its own one and copies with changes.

    Parameters
    ----------
    client
        The hub's.
    function
        The orchestrator.
    ids
        Whose history it is: the instance's id and the execution's.
    handle_of
        Gives the handle of a copy that goes on.
    """

    def __init__(
        self,
        client: SyncDurableOrchestrationClient,
        function: Callable[..., Any],
        ids: tuple[str, str],
        handle_of: HandleOf,
    ) -> None:
        super().__init__(function, ids, client.engine.options.codec)
        self._client = client
        self._handle_of = handle_of

    def trace(self, events: Sequence[Event]) -> Trace:
        """Let the code go through these events; what it prints is noted, and the hub serves it nothing."""
        with self._client.engine.running.looking():
            return super().trace(events)

    def resume(self, events: Sequence[Event]) -> Any:
        """Let an instance with this history go on in a hub of its own; return its handle.

        Raises
        ------
        ValueError
            If the history ends in a critical section: the locks would be of entities that aren't there.
        """
        _check_locks(events)
        codec, store = self.codec, DuckStore(None)

        def fetch(blob_hash: str) -> bytes:
            try:
                return store.blob(blob_hash)
            except StoreError:  # then it is older than the copy
                return self._client.engine.store.blob(blob_hash)

        store.keep([] if self.source is None else [self.source])
        store.append([Record(seq, *self._ids, event) for seq, event in enumerate(events, 1)])
        options = replace(self._client.engine.options, codec=codec.reading(fetch))
        clock = VirtualClock(max(event.timestamp for event in events))
        engine = Engine(store, clock, self._client.engine.registry, Executors("inline"), options)
        engine.committer.start()
        engine.ask_again(self._ids[0], _unanswered(events))
        handle = self._handle_of(SyncDurableOrchestrationClient(engine), self._ids[0])
        _closer()
        finalize(handle, _left.put, engine).atexit = False  # nothing of it is on disk
        return handle


_left: SimpleQueue[Engine] = SimpleQueue()
"""The engines of copies that nobody holds any more.

The garbage collector finds that out on any thread, in the middle of anything. Closing waits for other threads
and takes locks, so it is done elsewhere; `put` may be called wherever it is.
"""


@cache
def _closer() -> threading.Thread:
    """The thread that closes them."""
    thread = threading.Thread(target=_close_those_left, name="durablenb-copies", daemon=True)
    thread.start()
    return thread


def _close_those_left() -> None:
    while True:
        engine: Engine | None = _left.get()
        assert engine is not None
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
    left = sum(isinstance(event, EntityUnlockSent) for event in events)
    if asked > left and not isinstance(events[-1], Ending):
        raise ValueError(
            "This history ends in a critical section, and a hub of its own has not the entities that are "
            "locked in it. End it before the section: replay.until(...)."
        )


def _unanswered(events: Sequence[Event]) -> list[Event]:
    """What was asked of others and not answered: children and calls of entities."""
    answered = {getattr(event, "task_id", None) for event in events if isinstance(event, Arrival)}
    asked = (SubOrchestrationInstanceCreated, EntityOperationCalled)
    return [event for event in events if isinstance(event, asked) and event.task_id not in answered]
