"""The engine of a hub: what other rooms send it, and what they read of its state."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from copy import copy
from dataclasses import field
from functools import partial
from typing import Any, TypeVar

from durablenb.core.ports.clock import Alarms, Clock
from durablenb.core.ports.output import current_owner
from durablenb.core.ports.store import Store
from durablenb.core.registry import Registry
from durablenb.core.requests import same_name
from durablenb.engine import locks
from durablenb.engine.capture.output import CapturedOutput
from durablenb.engine.engine_loop import EngineLoop, closed_error, whose_code
from durablenb.engine.executors import Executors
from durablenb.engine.health import Health, ThreadState, problems
from durablenb.engine.instance import Instance
from durablenb.engine.jobs import ActivityJob
from durablenb.engine.messages import ClientMessage, Registered, Wake, refuse
from durablenb.engine.options import EngineOptions
from durablenb.model.caching import CacheKey
from durablenb.model.errors import DurableError, StoreError
from durablenb.model.events import Event
from durablenb.model.imports import Import
from durablenb.model.logs import LogLine
from durablenb.model.plain import Plain, plain
from durablenb.model.queues import QueueState
from durablenb.model.runtime import RunningCall

T = TypeVar("T")

STOP_SECONDS = 2.0
"""The longest wait for an orchestrator that doesn't return when the process ends."""

PATIENCE_SECONDS = 1.0
"""How long a read of the state waits for the turn."""


@plain
class RuntimeState(Plain):
    """State of an instance or an entity that the engine knows and the journal doesn't.

    Parameters
    ----------
    imported
        Where it was imported from, if it was.
    obstacle
        Why it, or one below it, can't run.
    held, missing
        Why it is held, and the code that it waits for.
    is_open
        True if it is open.
    without_executor
        The activities whose calls no executor runs, each with the reason.
    in_queues
        The number of calls that wait for a place, by the names of the queue and the activity.
    """

    imported: Import | None = None
    obstacle: Exception | None = None
    held: Exception | None = None
    missing: tuple[str, ...] = ()
    is_open: bool = False
    without_executor: tuple[tuple[str, str], ...] = ()
    in_queues: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Engine(EngineLoop):
    """Runs the orchestrations of one store.

    Clients send commands, and wait for replies; they watch `completions`, and read `runtime_state`. All
    methods may be called from any thread.

    Parameters
    ----------
    store, clock, registry, executors
        The ports, and the registered functions.
    options
        The options of the engine.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        registry: Registry,
        executors: Executors,
        options: EngineOptions,
    ) -> None:
        super().__init__(store, clock, registry, executors, options)
        self._pid = os.getpid()
        self._alarms: Alarms | None = None
        self._queue_states: list[QueueState] = []
        self._unanswered: dict[Future[Any], float] = {}

    # -- start and stop --------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to run in a thread of its own."""
        self._is_threaded = True
        self._inbox.expect_listeners(False)
        self.log_writer.hide()
        self._thread = locks.Thread(target=self._run, name="durablenb-engine", daemon=True)
        self._thread.start()

    def stop(self, *, wait: bool) -> None:
        """Stop: no further job begins; with `wait`, those that run are waited for and recorded.

        Raises
        ------
        StoreError
            If the last records could not be written; they were never acknowledged.
        """
        self._is_stopping = True
        self._stop.set()
        self._state.dispatcher.scope.close()  # a flag, which needs no turn
        thread, self._thread = self._thread, None
        self._inbox.expect_listeners(True)
        try:
            if thread is not None:
                self.post(Wake())
                thread.join(None if wait else STOP_SECONDS)
            if thread is None or not thread.is_alive():
                self._apply_last(wait)
        except BaseException:  # an interrupt: don't wait any longer for what runs
            wait = False
            raise
        finally:
            self._is_stopped = True
            self._inbox.refuse_all(closed_error)
            self.completions.reset({}, closed_error)
            try:
                self.executors.close(wait=wait)
            finally:
                self._close_files()

    def abandon(self) -> None:
        """Stop as if the process had died: nothing else is written, and no `finally` block has an effect."""
        self._is_stopping = self._is_stopped = True
        with self._lock:
            self._state.abandon(closed_error())
        self.executors.close(wait=False)

    def _close_files(self) -> None:
        try:
            self.committer.close()
        finally:
            for writer in self._side_writers:
                writer.end()

    def _apply_last(self, wait: bool) -> None:
        """Apply the messages that are left; with `wait`, until no job runs any more."""
        caller = whose_code()
        with contextlib.suppress(locks.NotTakenError), locks.Within(self._lock, -1 if wait else STOP_SECONDS):
            try:
                self.executors.drop_unwanted()
                while wait and self._has_last_to_come:
                    self._inbox.listen(0.2)
                    self._apply_messages()
                if self._defect is None:
                    if self.committer.failure is None:
                        self._state.retention.purge_rest()
                    self.accept()
                    self._is_stopped = True
            finally:
                self._leave(caller)

    @property
    def _has_last_to_come(self) -> bool:
        if self._is_damaged:  # after an interrupt the state may count jobs that nobody runs
            return False
        return self._state.dispatcher.is_running and not (self._defect or self.committer.failure)

    # -- commands --------------------------------------------------------------------------------

    def ask(self, message: ClientMessage) -> Future[Any]:
        """Send a command, and return the future of its answer, resolved once that is on disk."""
        refusal = self.refusal()
        if refusal is not None:
            refuse(message.reply, refusal)
            return message.reply
        self._unanswered[message.reply] = locks.monotonic()
        message.reply.add_done_callback(self._unanswered.pop)
        try:
            self.post(message)
            if self._is_stopped:
                self._inbox.refuse_all(closed_error)
            elif (defect := self._defect) is not None:  # since the check above
                self._inbox.refuse_all(partial(copy, defect))
            elif not self._is_threaded or locks.current_thread() is self._thread:
                self.accept()
        except KeyboardInterrupt:
            message.reply.cancel()  # a command that was not carried out by now never is
            raise
        return message.reply

    def request(self, message: ClientMessage) -> Any:
        """Send a command, and return its answer once that is on disk.

        After an interrupt, the command is either on disk or not carried out at all: the same cell, run again,
        sees the result or sends the command again.
        """
        try:
            return self.ask(message).result()
        except KeyboardInterrupt:
            message.reply.cancel()
            with contextlib.suppress(StoreError):
                if self._is_threaded:  # the engine may be carrying it out
                    self._in_turn(lambda: None, STOP_SECONDS)
                else:
                    self.accept()
                self.committer.drain()
            raise

    def refusal(self) -> DurableError | None:
        """Return why no command can be sent now, or None."""
        if self.is_foreign:
            return StoreError(
                "This process was forked from the one that has the hub open; what it asked for would be "
                "lost. Open a hub of its own, on another file, or start workers with 'spawn'."
            )
        if self._is_stopping:
            return closed_error()
        if self.orchestrator_scope.is_current:
            return DurableError(
                "An orchestrator can't use the hub that runs it: it would wait for itself. Let an activity "
                "do it, or use the context: call_sub_orchestrator, continue_as_new, ..."
            )
        obstacle = self._defect or self.committer.failure
        return None if obstacle is None else copy(obstacle)  # each copy is raised once

    @property
    def is_foreign(self) -> bool:
        """True in a forked child, whose copy of the engine must do nothing."""
        return os.getpid() != self._pid

    def ask_again(self, instance_id: str, events: Sequence[Event]) -> None:
        """Carry out the requests of an instance whose history was copied from another journal."""
        with self._lock:
            instance = self._state.instances.open.get(instance_id)
            if instance is not None:
                self._state.effects.carry_out(instance, events)
            self._state.flush()

    def use_executor(self, executor: object) -> None:
        """Replace the executor of activities that have none of their own; None changes nothing."""
        if executor is not None and executor != self.executors.default:
            self.executors.use_default(executor)
            self.post(Registered("executor", ""))

    # -- function apps' timers -------------------------------------------------------------------

    @property
    def alarms(self) -> Alarms | None:
        """The other users of the hub's clock: timers of function apps."""
        return self._alarms

    def use_alarms(self, alarms: Alarms) -> None:
        """Let these also settle whenever the hub's clock is moved."""
        self._alarms = alarms

    # -- what the engine knows -------------------------------------------------------------------

    @property
    def open_count(self) -> int:
        """The number of open instances."""
        return len(self.completions)

    def obstacle(self, instance_id: str, patience: float = 0) -> Exception | None:
        """Return why an instance, or one below it, can't run; None if nothing blocks it.

        Parameters
        ----------
        instance_id
            The instance.
        patience
            Seconds to wait for the engine while it is busy. If it is busy for longer, the answer is None, and
            the caller should ask again.

        Notes
        -----
        The answer is None while the engine has messages to read: one of them may be the registration that
        removes the reason.
        """

        def reason() -> Exception | None:
            return self._state.instances.blocked.reason(instance_id) if self._inbox.is_empty else None

        return self._in_turn(reason, patience)

    def _in_turn(self, read: Callable[[], T], patience: float) -> T | None:
        """Return what is read in the turn; None if the engine is busy for so many seconds."""
        try:
            with locks.Within(self._lock, patience):
                return read()
        except locks.NotTakenError:
            return None

    def runtime_state(self, instance_id: str, patience: float = PATIENCE_SECONDS) -> RuntimeState:
        """Return what only the engine knows of an instance; `patience` as for `obstacle`."""
        imported = self.imported(instance_id)

        def read() -> RuntimeState:
            instances = self._state.instances
            instance = instances.open.get(instance_id)
            reason = instances.blocked.reason(instance_id)
            if instance is None:
                return RuntimeState(imported, reason)
            return RuntimeState(
                imported,
                reason,
                instance.held,
                tuple(sorted(instance.missing)),
                is_open=True,
                without_executor=tuple(sorted(instances.blocked.unavailable(instance).items())),
                in_queues=self._state.dispatcher.queues.count_waiting(instance_id),
            )

        return self._in_turn(read, patience) or RuntimeState(imported)

    def running(self, instance_id: str) -> tuple[RunningCall, ...]:
        """Return the running calls of an instance, and how far they are; without waiting for the turn."""
        return self.attempt_writer.running(instance_id)

    def running_ids(self, instance_id: str) -> frozenset[int]:
        """Return the task ids of the calls of an instance that run; without waiting for the turn."""
        return self.attempt_writer.running_ids(instance_id)

    def running_key(self, instance_id: str, task_id: int) -> CacheKey | None:
        """Return the key of a call that runs now, if its result is to be remembered."""
        job = self._in_turn(lambda: self._state.dispatcher.running(instance_id, task_id), PATIENCE_SECONDS)
        return None if job is None else job.cache_key

    def check_open(self) -> None:
        """Raise a `StoreError` if the hub is closed."""
        if self._is_stopping:
            raise closed_error()

    def queue_states(self) -> list[QueueState]:
        """Return the state of each queue; if the engine is busy for long, the last one that is known."""
        if self.registry.queues:
            states = self._in_turn(lambda: self._state.dispatcher.queues.states(), PATIENCE_SECONDS)
            self._queue_states = self._queue_states if states is None else states
        return self._queue_states

    def imported(self, instance_id: str) -> Import | None:
        """Return where an instance was imported from, None if it wasn't; without waiting for the turn."""
        return self._state.instances.imported.get(instance_id)

    def in_memory(self, name: str) -> list[tuple[Instance, list[Event]]]:
        """Return the open instances of an orchestrator that are in memory, each with its history."""
        with self._lock:
            return [
                (instance, list(instance.execution.history))
                for instance in self._state.instances.open.values()
                if same_name(instance.name, name) and instance.execution is not None
            ]

    def has_open(self, name: str) -> bool:
        """Return True if an instance of an orchestrator is open."""
        with self._lock:
            opened = self._state.instances.open.values()
            return any(same_name(instance.name, name) for instance in opened)

    @property
    def without_code(self) -> dict[str, int]:
        """The number of open instances whose code isn't registered, by the name that is missing."""
        counts: Counter[str] = Counter()
        for (name, version), count in self.completions.codes().items():
            if self.registry.code(name, version) is None:
                counts[self.registry.lacking(name, version)] += count
        return dict(counts)

    @property
    def is_running_here(self) -> bool:
        """True in the code of an activity of this hub."""
        owner = current_owner.get()
        if isinstance(owner, CapturedOutput):  # an activity that was pickled doesn't know its hub
            with self._lock:
                return self._state.dispatcher.is_running
        return isinstance(owner, ActivityJob) and owner.scope.log_writer is self.log_writer

    def health(self, file_problem: Exception | None) -> Health:
        """Return the state of the threads, requests and files, without waiting for the turn."""
        now, committer = locks.monotonic(), self.committer
        oldest = min(list(self._unanswered.values()), default=None)
        oldest_request = None if oldest is None else now - oldest
        thread = self._thread
        engine_state: ThreadState = "none"
        if self._is_threaded:
            engine_state = "running" if thread is not None and thread.is_alive() else "ended"
        committed_at = committer.committed_at
        return Health(
            problems(
                (self.refusal(), committer.failure, file_problem),
                oldest_request,
                is_threaded=self._is_threaded,
            ),
            engine_state,
            "running" if committer.is_running else "ended",
            self.open_count,
            committer.backlog,
            None if committed_at is None else now - committed_at,
            oldest_request,
            self._mistakes.count,
        )

    # -- what is on disk -------------------------------------------------------------------------

    def settle(self, instance_id: str) -> None:
        """Wait until the end of that instance is on disk, if it has ended.

        Raises
        ------
        StoreError
            If the journal can't be written now.
        """
        if instance_id not in self.completions:
            self.committer.drain()

    def settle_log(self) -> None:
        """Wait until what calls have printed and reported is on disk, unless that can't be written now."""
        for writer in self._side_writers:
            writer.flush(lambda: self.committer.is_running and self.committer.failure is None)

    def unfinished_lines(self, instance_ids: Sequence[str]) -> list[LogLine]:
        """Return the lines that these instances have printed and that have no end yet."""
        return self.log_writer.unfinished(instance_ids)
