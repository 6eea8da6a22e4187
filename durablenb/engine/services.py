"""Services that the parts of an engine share, and the scope in which orchestrator code runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import field

from durablenb.core.ports.clock import Clock
from durablenb.core.ports.output import current_owner
from durablenb.core.ports.store import Store
from durablenb.core.registry import Registry
from durablenb.engine.attempt_writer import AttemptWriter
from durablenb.engine.capture.log_writer import LogWriter
from durablenb.engine.capture.output import MUTED, replaying_for
from durablenb.engine.committer import Committer
from durablenb.engine.completions import Completions
from durablenb.engine.executors import Executors
from durablenb.engine.jobs import ActivityBegun, ActivityFinished, Committed
from durablenb.engine.options import EngineOptions
from durablenb.engine.streams import Streams
from durablenb.model.address import Address
from durablenb.model.plain import Plain, plain


class OrchestratorScope:
    """Context in which orchestrator code runs, so that the engine recognizes requests from that code.

    Output of that code is discarded, unless an `OrchestratorLog` captures it.
    """

    def __init__(self) -> None:
        self._thread: int | None = None
        self._replaying_threads: set[int] = set()

    def __enter__(self) -> None:
        self._token = current_owner.set(MUTED)
        self._thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        self._thread = None
        current_owner.reset(self._token)

    def leave(self) -> None:
        """Record that no orchestrator code runs, also after an interrupt cut the block short."""
        self._thread = None

    @property
    def is_current(self) -> bool:
        """True if the calling thread runs orchestrator code."""
        thread = threading.get_ident()
        return thread == self._thread or thread in self._replaying_threads

    @contextlib.contextmanager
    def replaying(self) -> Iterator[None]:
        """Enter the scope to replay a history outside the engine's turn, in any thread."""
        thread = threading.get_ident()
        try:
            self._replaying_threads.add(thread)  # in the block: an interrupt may come as soon as this is done
            with replaying_for(MUTED):
                yield
        finally:
            self._replaying_threads.discard(thread)


@plain
class EngineServices(Plain):
    """Services that outlive an `EngineState`, which is rebuilt from the journal after a mistake.

    Parameters
    ----------
    store, clock, registry, executors
        The ports, and the registered functions.
    committer
        Writes the journal.
    log_writer
        Writes what activities and orchestrators print.
    attempt_writer
        Writes the tries of activities, with what they report.
    streams
        The texts that activities stream.
    apply_inline
        Applies a message in the calling thread if the engine is free, and posts it otherwise.
    options
        The options of the engine.
    completions
        Promises of the outcomes of open instances.
    orchestrator_scope
        Entered while orchestrator code runs.
    seen_orchestrators
        Folded names of the orchestrators registered so far.
    address
        Returns the address at which the hub is served, or None.
    """

    store: Store
    clock: Clock
    registry: Registry
    executors: Executors
    committer: Committer
    log_writer: LogWriter
    attempt_writer: AttemptWriter
    streams: Streams
    apply_inline: Callable[[ActivityBegun | ActivityFinished | Committed], None]
    options: EngineOptions
    completions: Completions = field(default_factory=Completions)
    orchestrator_scope: OrchestratorScope = field(default_factory=OrchestratorScope)
    seen_orchestrators: set[str] = field(default_factory=set)
    address: Callable[[], Address | None] = lambda: None
