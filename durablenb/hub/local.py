"""The two ports over an engine of this process: its journal, and its control."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from durablenb.analysis.sql import journal_connection
from durablenb.core.annotations import result_type
from durablenb.core.fork import Past, last_settlement, shared_past
from durablenb.core.registry import Code, not_found
from durablenb.engine.engine import Engine
from durablenb.engine.hub_clock import HubClock
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.messages import Fork, PurgePast, Start
from durablenb.engine.purging import purge
from durablenb.engine.stream_reader import StreamReader
from durablenb.engine.waiting import ended_instances, wait_for_outcome
from durablenb.hub.control import (
    Control,
    ForkInstance,
    PurgeInstance,
    PurgeInstances,
    PurgePastGenerations,
    RestartInstance,
)
from durablenb.journal.instance_counts import InstanceCounter
from durablenb.journal.port import Journal
from durablenb.model.activities import TextStream
from durablenb.model.address import Address
from durablenb.model.caching import CacheKey
from durablenb.model.errors import FunctionNotFoundError, InstanceNotFoundError, WaitTimeoutError
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import checked_instance_id
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputState
from durablenb.model.payloads import Kind
from durablenb.model.queues import QueueState
from durablenb.model.runtime import Obstacle, RunningCall, RuntimeInfo
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.reader import JournalReader
from durablenb.values.codec import ValueCodec

if TYPE_CHECKING:
    from durablenb.analysis.replays.replay import Replayer


class LocalJournal(Journal):
    """The journal that an engine of this process writes.

    Parameters
    ----------
    engine
        The engine.
    """

    description = "a closed hub"

    def __init__(self, engine: Engine) -> None:
        assert isinstance(engine.store, DuckStore)
        assert isinstance(engine.options.codec, ValueCodec)
        self._engine = engine
        self._store = store = engine.store
        self._instance_counter = InstanceCounter(lambda: store.removals)
        self.codec = engine.options.codec
        self.after_kernel = _after_kernel(store.path)

    def of(self, instance_id: str | None = None) -> JournalReader:
        """Return what reads a history."""
        return self._store

    @contextmanager
    def connection(self, instance_id: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Return the connection with which the calling thread reads."""
        with self._store.unless_closed():
            yield journal_connection(self._store)

    def open_connection(self, instance_id: str | None = None) -> duckdb.DuckDBPyConnection:
        """Return a new connection that reads, which the caller closes."""
        return self._store.connection()

    def now(self, instance_id: str | None = None) -> datetime:
        """Return the hub's time."""
        return self._engine.clock.now()

    def lines(self, instance_id: str) -> list[LogLine]:
        """Return the log lines of an instance and of its sub-orchestrations, also those not yet on disk."""
        self.check_exists(instance_id)
        self._engine.settle_log()
        family = (instance_id, *self._store.descendants([instance_id]))
        return [*self._store.lines(instance_id), *self._engine.unfinished_lines(family)]

    def outputs(self, instance_id: str) -> list[OutputState]:
        """Return the rich outputs of an instance and of its sub-orchestrations, oldest first."""
        self.check_exists(instance_id)
        self._engine.settle_log()
        return self._store.outputs(instance_id)

    def unknown(self, instance_id: object) -> InstanceNotFoundError:
        """Return the error for an instance that the hub hasn't got."""
        return InstanceNotFoundError(
            f"No instance with ID {instance_id!r} found. hub.instances() lists the existing ones."
        )

    @property
    def instance_counter(self) -> InstanceCounter:
        """The counter of the instances."""
        return self._instance_counter

    def origins(self, instance_ids: Iterable[str]) -> Mapping[str, str]:
        """Return where imported instances came from."""
        imports = (self._engine.imported(instance_id) for instance_id in instance_ids)
        return {one.instance_id: one.origin for one in imports if one is not None}

    def running_key(self, instance_id: str, task_id: int) -> CacheKey | None:
        """Return the key of a call that runs now, if its result is to be remembered."""
        return self._engine.running_key(instance_id, task_id)

    def queues(self) -> list[QueueState]:
        """Return the state of each queue, as the engine knows it."""
        return self._engine.queue_states()

    def runtime_info(self, instance_id: str) -> RuntimeInfo:
        """Return what the engine knows of an instance or an entity, and the journal doesn't."""
        engine = self._engine
        state = engine.runtime_state(instance_id)
        held, reason = state.held, state.obstacle
        in_queues = tuple((*names, count) for names, count in state.in_queues.items())
        obstacle = Obstacle(in_queues=in_queues)
        if state.is_open and reason is not None and not isinstance(held, WaitTimeoutError):
            is_own = held is not None or state.missing or state.without_executor
            obstacle = Obstacle(
                state.missing,
                None if held is None else str(held),
                None if is_own else str(reason),
                state.without_executor,
                in_queues,
            )
        is_entity = instance_id.startswith("@")
        return RuntimeInfo(
            obstacle,
            None if reason is None else (type(reason).__name__, str(reason)),
            is_entity and not engine.registry.has_entity(instance_id.split("@")[1]),
            None if state.imported is None else state.imported.origin,
            self.running(instance_id),
            self.running_ids(instance_id) if state.imported is None else None,
        )

    def without_code(self) -> Mapping[str, int]:
        """Return how many open instances wait for code, by the name of a function that isn't registered."""
        return self._engine.without_code

    def running(self, instance_id: str) -> tuple[RunningCall, ...]:
        """Return the running calls of an instance, and how far they are."""
        return self._engine.running(instance_id)

    def running_ids(self, instance_id: str) -> frozenset[int] | None:
        """Return the task ids of the running calls of an instance."""
        return self._engine.running_ids(instance_id)


def _after_kernel(path: Path | None) -> str:
    if path is None:
        return "The hub was in memory: its histories are lost. Start the kernel, and run the notebook again."
    return (
        f"Start the kernel, open the hub on the same file ({path.name}), and run the cells that define its "
        "functions: what is unfinished resumes by itself. Then run this cell again."
    )


class EngineControl(Control):
    """The control of an engine of this process.

    Parameters
    ----------
    engine
        The engine.
    journal
        Its journal.
    """

    def __init__(self, engine: Engine, journal: LocalJournal) -> None:
        self.engine = engine
        self._journal = journal
        self.clock = HubClock(engine)
        self._codec = engine.options.codec
        self._prepared: dict[type, Callable[[Any], Any]] = {
            ForkInstance: lambda command: engine.request(self._fork(command)),
            RestartInstance: lambda command: engine.request(self._restart(command)),
            PurgeInstance: lambda command: self._purge([command.instance_id], command.is_recursive),
            PurgeInstances: lambda command: self._purge(
                engine.store.ids(command.query), command.is_recursive
            ),
            PurgePastGenerations: self._purge_past,
        }
        """Carries out the commands for which the journal is read first, in the caller's thread."""

    @property
    def address(self) -> Address | None:
        """The address at which the hub is served; None if it isn't."""
        return self.engine.address

    def publish_address(self, address: Address | None) -> None:
        """Note the address at which the hub is served; None if it isn't any more."""
        self.engine.publish_address(address)

    @property
    def does_work_in_caller(self) -> bool:  # type: ignore[override]  # a constant elsewhere
        """True if the engine has no thread of its own."""
        return not self.engine.is_threaded

    def request(self, command: Any) -> Any:
        """Send a command, and return the answer as soon as what it did is on disk."""
        prepared = self._prepared.get(type(command))
        return self.engine.request(command) if prepared is None else prepared(command)

    async def request_async(self, command: Any) -> Any:
        """Do the same without blocking the event loop."""
        if type(command) in self._prepared:
            return await super().request_async(command)
        from durablenb.engine.async_waiting import answer_to  # asyncio is slow to import

        return await answer_to(self.engine.ask(command))

    def wait(self, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
        """Wait until an instance has ended; see `durablenb.engine.waiting`."""
        return wait_for_outcome(self.engine, instance_id, timeout)

    async def wait_async(self, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
        """Do the same in an event loop."""
        from durablenb.engine.async_waiting import await_outcome  # asyncio is slow to import

        return await await_outcome(self.engine, instance_id, timeout)

    def ended(self, instance_ids: Sequence[str], timeout: float | None) -> Iterator[str]:
        """Yield the ids of instances as these end; see `durablenb.engine.waiting`."""
        return ended_instances(self.engine, instance_ids, timeout)

    def streamed(self, instance_id: str, timeout: float | None) -> TextStream:
        """Return what activities of an instance stream."""
        return StreamReader(self.engine, instance_id, timeout)

    def encode(self, value: Any, kind: Kind) -> str:
        """Return a value as the journal keeps it."""
        return self._codec.encode(value, kind)

    def failure(self, error: BaseException) -> FailureDetails:
        """Return an exception as the journal keeps it."""
        return self._codec.failure(error)

    def new_id(self) -> str:
        """Return the id of a new instance."""
        return self.engine.clock.new_id()

    # -- code ------------------------------------------------------------------------------------

    @property
    def orchestrator_names(self) -> Collection[str]:
        """The names of the registered orchestrators."""
        return self.engine.registry.orchestrator_names

    def default_version(self, orchestrator: Any) -> str | None:
        """Return the version of a function; of a name, the newest one."""
        return self.engine.registry.default_version(orchestrator)

    def check_entity(self, name: str) -> None:
        """Raise `FunctionNotFoundError` if no such entity is registered."""
        registry = self.engine.registry
        if not registry.has_entity(name):
            raise not_found("entity", name, registry.entities)

    def result_type(self, instance_id: str, name: str) -> Any:
        """Return the annotation of an orchestrator's result."""
        registry = self.engine.registry
        version = self._journal.existing(instance_id).version if name in registry.versions else None
        code = registry.code(name, version)
        return None if code is None else result_type(code.function)

    def registered(self, name: str, version: str | None) -> Code | None:
        """Return the registered code of an orchestrator."""
        return self.engine.registry.code(name, version)

    def no_code(self, name: str, version: str | None) -> FunctionNotFoundError:
        """Return the error for code that isn't registered."""
        return self.engine.registry.no_code(name, version)

    def replayer(self, journal: Journal, function: Callable[..., Any], ids: tuple[str, str]) -> Replayer:
        """Return what replays a function, and can resume copies in a hub of their own."""
        from durablenb.hub.replay import HubReplayer  # only needed for replays

        return HubReplayer(self.engine, function, ids)

    def looking(self) -> AbstractContextManager[None]:
        """Return the context in which code is replayed only to look at it; it can't use the hub."""
        return self.engine.orchestrator_scope.replaying()

    # -- inside ----------------------------------------------------------------------------------

    def _purge(self, instance_ids: list[str], is_recursive: bool) -> int:
        refusal = self.engine.refusal()
        if refusal is not None:
            raise refusal
        return purge(self.engine.store, self.engine.request, instance_ids, is_recursive=is_recursive)

    def _purge_past(self, command: PurgePastGenerations) -> int:
        """Delete past generations in portions, between which other requests have their turn."""
        instance_id = command.instance_id
        if not self.engine.store.existing_ids([instance_id], [])[0]:
            raise self._journal.unknown(instance_id)
        deleted = 0
        while portion := self.engine.request(PurgePast(instance_id, command.keep)):
            deleted += portion
        return deleted

    def _restart(self, command: RestartInstance) -> Start:
        state = self._journal.existing(command.instance_id)
        chosen = self.new_id() if command.has_new_id else command.instance_id
        return Start(
            chosen,
            state.name,
            state.input or "null",
            state.version,
            state.tags,
            priority=state.priority,
        )

    def _fork(self, command: ForkInstance) -> Fork:
        """Return the message that begins a fork: the shared past is read in the caller's thread."""
        origin_id, at = command.instance_id, command.at
        state = self._journal.existing(origin_id)
        if command.fork_id == origin_id:
            raise ValueError(f"A fork of {origin_id!r} needs an id of its own.")
        history = self.engine.store.load([origin_id])[origin_id]
        if at is None:
            is_with_input = command.input is not None
            at = history[0].event_id if is_with_input else last_settlement(history, command.results or ())
        past = Past(origin_id, state.execution_id, tuple(shared_past(history, at)))
        if command.input is not None:
            past = past.with_input(command.input)
        past = past.with_results(dict(command.results))
        return Fork(self.new_id() if command.fork_id is None else checked_instance_id(command.fork_id), past)
