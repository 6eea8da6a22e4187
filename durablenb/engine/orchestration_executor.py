"""Runs orchestrators: loads and replays them, lets them run to their next wait, keeps them in memory."""

from __future__ import annotations

import logging
from collections import deque
from itertools import islice

from durablenb.core.execution import Execution
from durablenb.engine.capture.log_writer import OrchestratorLog
from durablenb.engine.capture.output import capturing_for
from durablenb.engine.effects import Effects
from durablenb.engine.instance import Instance
from durablenb.engine.instances import Instances
from durablenb.engine.services import EngineServices
from durablenb.engine.thread_executors import UNHARMED
from durablenb.engine.write_buffer import WriteBuffer
from durablenb.model.errors import NonDeterminismError, TypeNotRegisteredError, WaitTimeoutError
from durablenb.model.events import Event, OrchestratorStarted

log = logging.getLogger("durablenb")

HISTORIES_AT_ONCE = 64
"""Histories that are read with one query."""


class OrchestrationExecutor:
    """Runs the orchestrators of queued instances, an episode each.

    Parameters
    ----------
    services
        The services of the engine.
    buffer
        Takes the events of episodes.
    instances
        The open instances and their queues.
    effects
        Carries out what the events request.
    """

    def __init__(
        self, services: EngineServices, buffer: WriteBuffer, instances: Instances, effects: Effects
    ) -> None:
        self._store = services.store
        self._clock = services.clock
        self._registry = services.registry
        self._options = services.options.episodes
        self._scope = services.orchestrator_scope
        self._log_writer = services.log_writer
        self._buffer = buffer
        self._instances = instances
        self._executions = instances.executions
        self._blocked = instances.blocked
        self._effects = effects
        self._reported_for_replaying: set[str] = set()

    def run_queued(self, limit: int | None = None) -> list[Instance]:
        """Run an episode of each queued instance, of at most `limit` ones; return the instances."""
        queue = self._instances.queue
        count = len(queue) if limit is None else min(limit, len(queue))
        return self._run_all([queue.popleft() for _ in range(count)])

    def run_backlog(self, limit: int = HISTORIES_AT_ONCE) -> list[Instance]:
        """Run an episode of some instances of the backlog; return the instances."""
        backlog, taken = self._instances.backlog, list[Instance]()
        while backlog and len(taken) < limit:
            instance = backlog.popleft()
            if instance.is_late:  # otherwise a client requested it since, and it is in the queue
                taken.append(instance)
        return self._run_all(taken)

    def _run_all(self, taken: list[Instance]) -> list[Instance]:
        waiting = deque(taken)
        try:
            with self._scope:
                while waiting:
                    if self._must_load(waiting[0]):
                        self._load(list(filter(self._must_load, islice(waiting, HISTORIES_AT_ONCE))))
                    waiting[0].is_queued = waiting[0].is_late = False
                    self._run(waiting[0])
                    waiting.popleft()
        except BaseException:  # an interrupt, or a store error: those that did not run keep their places
            for instance in reversed(waiting):
                instance.is_queued = True
                queue = self._instances.backlog if instance.is_late else self._instances.queue
                queue.appendleft(instance)
            raise
        return taken

    # -- loading ---------------------------------------------------------------------------------

    def _must_load(self, instance: Instance) -> bool:
        """Return True if the instance must be replayed first; others may have dropped it from memory."""
        if instance.execution is not None or instance.is_closed or instance.held:
            return False
        return self._is_registered(instance)

    def _is_registered(self, instance: Instance) -> bool:
        version = instance.started.version
        if self._registry.code(instance.name, version) is None:
            self._blocked.add_missing(instance, self._registry.lacking(instance.name, version))
            return False
        undefined = self._registry.undefined_name("orchestrator", instance.name, version)
        if instance.is_recovered and undefined is not None:
            self._blocked.add_undefined(instance, undefined)
            return False
        return True

    def _load(self, instances: list[Instance]) -> None:
        self._buffer.drain()
        histories = self._store.load([instance.id for instance in instances])
        for instance in instances:
            self._replay(instance, histories.get(instance.id, []))

    def _replay(self, instance: Instance, history: list[Event]) -> None:
        execution = self._executions.new(instance)
        if execution is None:
            return
        if not any(type(event) is OrchestratorStarted for event in history):
            execution.replay(history)
            instance.execution = execution
            return
        self._store.mark_replay(instance.id)
        try:
            execution.replay(history)
            instance.execution = execution
        except NonDeterminismError as error:
            execution.unload()
            self._diverged(instance, error)
        except TypeNotRegisteredError as error:
            execution.unload()
            self._blocked.add_missing(instance, error.type_name)
        finally:
            if not (instance.is_suspect and self._can_run(instance)):  # else after its next episode
                self._store.mark_replay(None)

    # -- running ---------------------------------------------------------------------------------

    def _can_run(self, instance: Instance) -> bool:
        is_stopped = instance.is_closed or instance.is_suspended or instance.held is not None
        return not is_stopped and instance.execution is not None and instance.execution.is_ready

    def _run(self, instance: Instance) -> None:
        if not (instance.is_suspect and self._can_run(instance)):
            self._resume(instance)
            return
        self._store.mark_replay(instance.id)
        try:
            self._resume(instance)
        finally:
            instance.is_suspect = False
            self._store.mark_replay(None)

    def _resume(self, instance: Instance) -> None:
        execution = instance.execution
        if execution is None or instance.is_closed or instance.is_suspended or instance.held:
            return
        if execution.is_ready:
            try:
                events = self._run_episode(instance, execution)
            except NonDeterminismError as error:
                self._executions.drop(instance)
                self._diverged(instance, error)
                return
            except TypeNotRegisteredError as error:
                self._executions.drop(instance)
                self._blocked.add_missing(instance, error.type_name)
                return
            except BaseException as interrupt:  # the kernel's: nothing of this episode has happened
                self._executions.drop(instance)
                interrupt.add_note(UNHARMED)
                raise
            instance.has_begun = True
            for event in events:
                self._buffer.write(instance, event)
            self._effects.carry_out(instance, events)
            if execution.is_paused:
                self._pause(instance, execution)
            elif execution.is_ready:  # more has arrived during a suspension than one episode takes
                self._instances.enqueue(instance)
        self._executions.remember(instance)

    def _run_episode(self, instance: Instance, execution: Execution) -> list[Event]:
        monitor = self._registry.monitor
        with (
            OrchestratorLog(self._log_writer, instance.id, instance.execution_id, instance.name) as output,
            monitor(execution.function, output.warn),
        ):
            events = execution.resume(self._clock.now(), instance.next_event_id)
        if self._options.verify_replay:
            self._verify(instance, execution)
        return events

    def _diverged(self, instance: Instance, error: NonDeterminismError) -> None:
        """Hold an instance whose code doesn't match its history, or fail it if the options say so."""
        if self._options.fails_on_nondeterminism:
            self._effects.fail(instance, error)
            return
        self._blocked.hold(instance, error)
        with capturing_for(None):
            log.warning("%s (%s) is held. %s", instance.id, instance.name, error)

    def _pause(self, instance: Instance, execution: Execution) -> None:
        """Hold an instance whose code ended at ``yield ...`` until that code is registered again."""
        where = f" at line {execution.line}" if execution.line else ""
        self._executions.drop(instance)
        instance.is_recovered = True  # so that it also waits for functions that its next code calls
        if not self._executions.runs_registered_code(instance, execution):
            self._instances.enqueue(instance)  # newer code is there already
            return
        why = WaitTimeoutError(
            f"{instance.id} ({instance.name}) waits for more code{where}, at its `yield ...`. Write on "
            "from there and run the cell again, then wait again. Nothing is lost meanwhile."
        )
        self._blocked.hold(instance, why)

    # -- verify_replay ---------------------------------------------------------------------------

    def _verify(self, instance: Instance, execution: Execution) -> None:
        """Replay what the execution did; warn of code that depends on `is_replaying`, once a name.

        Raises
        ------
        NonDeterminismError
            If the code requests something else in a replay in which all values are the same.
        """
        difference = self._replay_difference(instance, execution)
        if difference is not None and instance.name not in self._reported_for_replaying:
            self._reported_for_replaying.add(instance.name)
            with capturing_for(None):
                log.warning("%s", _replaying_warning(instance.name, difference))

    def _replay_difference(self, instance: Instance, execution: Execution) -> NonDeterminismError | None:
        replay = self._executions.new(instance)
        if replay is None:
            return None
        try:
            replay.replay(execution.history)
        except NonDeterminismError as error:
            if replay.replaying_answers == execution.replaying_answers:
                raise
            self._replay_with_same_answers(instance, execution)
            return error
        finally:
            replay.unload()
        return None

    def _replay_with_same_answers(self, instance: Instance, execution: Execution) -> None:
        """Replay with each `is_replaying` as it was in the execution; raise if that differs, too."""
        replay = self._executions.new(instance)
        assert replay is not None
        replay.pin_replaying(execution.replaying_answers)
        try:
            replay.replay(execution.history)
        finally:
            replay.unload()


def _replaying_warning(name: str, difference: NonDeterminismError) -> str:
    return (
        f"{name} is deterministic but for context.is_replaying: recorded is {difference.recorded}, and a "
        f"replay gives {difference.requested} (line {difference.line}). What is_replaying was before an "
        "await depends on whether the instance was replayed since. Ask it where you use it, for what leaves "
        "no trace, such as a line of a log; let nothing that is asked for or returned depend on it."
    )
