"""Forks: instances that begin with a copy of another one's past."""

from __future__ import annotations

from typing import Any

from durablenb.core.fork import Past
from durablenb.core.ports.clock import Clock
from durablenb.core.registry import Registry
from durablenb.engine.episodes import Episodes
from durablenb.engine.instance import Instance
from durablenb.engine.journal import Journal
from durablenb.engine.messages import Fork
from durablenb.engine.timers import Timers
from durablenb.model.errors import InstanceExistsError, NonDeterminismError
from durablenb.model.events import (
    Event,
    ExecutionResumed,
    ExecutionStarted,
    ExecutionSuspended,
    OrchestratorStarted,
)
from durablenb.model.ids import execution_id_of


class Forks:
    """Begins instances with a past.

    Parameters
    ----------
    journal, clock, registry
        The world.
    episodes
        Where instances live.
    timers
        Where scheduled starts wait.
    """

    def __init__(
        self, journal: Journal, clock: Clock, registry: Registry, episodes: Episodes, timers: Timers
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._registry = registry
        self._episodes = episodes
        self._timers = timers

    def begin(self, message: Fork) -> str:
        """Begins a fork, if the code fits its past; answers its id.

        Raises
        ------
        InstanceExistsError
            If an instance of its id is open.
        FunctionNotFoundError
            If its orchestrator isn't registered.
        NonDeterminismError
            If the code asks for something else in that past.
        """
        if message.instance_id in self._episodes.lifecycle.open:
            raise InstanceExistsError(
                f"The instance {message.instance_id!r} is open. Give the fork another instance_id, or none."
            )
        if message.instance_id in self._episodes.lifecycle.imported:
            known = self._episodes.lifecycle.imported[message.instance_id]
            raise InstanceExistsError(f"{known.refusal} Give the fork another instance_id, or none.")
        past, now = message.past, self._clock.now()
        code = self._registry.code(past.started.name, past.started.version)
        if code is None:
            raise self._registry.no_code(past.started.name, past.started.version)
        execution_id = execution_id_of(message.instance_id, self._journal.seq + 1, now)
        events, open_ = past.of_fork(execution_id, code.source and code.source.hash, now)
        started = events[0]
        assert isinstance(started, ExecutionStarted)
        instance = Instance(message.instance_id, execution_id, started)
        execution = self._replayed(instance, events, past)
        instance.is_recovered = True  # what it asks for was asked for before: it waits for code that lacks
        instance.has_begun = past.has_begun
        self._episodes.lifecycle.reopen(instance)
        if code.source is not None:
            self._journal.keep(code.source)
        for event in events:
            self._journal.write(instance, event)
        self._go_on(instance, execution, open_, events)
        return instance.id

    def _replayed(self, instance: Instance, events: list[Event], past: Past) -> Any:
        execution = self._episodes.new_execution(instance)
        assert execution is not None
        try:
            with self._episodes.running:
                execution.replay(events)
        except BaseException as error:
            self._episodes.lifecycle.obstacles.drop(instance)
            with self._episodes.running:
                execution.unload()
            if isinstance(error, NonDeterminismError):
                raise _parted(error, events, past) from None
            raise
        return execution

    def _go_on(self, instance: Instance, execution: Any, open_: list[Event], events: list[Event]) -> None:
        for event in events:
            if isinstance(event, (ExecutionSuspended, ExecutionResumed)):
                instance.is_suspended = isinstance(event, ExecutionSuspended)
        start_at = instance.started.scheduled_start_time
        if not instance.has_begun and start_at is not None and start_at > self._clock.now():
            instance.is_due = False
            self._timers.add(start_at, instance, None)
        self._episodes.adopt(instance, execution, open_)
        self._episodes.lifecycle.enqueue(instance)


def _parted(error: NonDeterminismError, events: list[Event], past: Past) -> NonDeterminismError:
    """What to do where the code doesn't go through the shared past as it was."""
    last = events[-1].event_id if error.event_id is None else error.event_id
    episodes = [
        event.event_id for event in events if isinstance(event, OrchestratorStarted) and event.event_id < last
    ]
    before = (episodes[-1] if episodes else 2) - 1 + past.events[0].event_id - 1
    where = f"at line {error.line}" if error.line else "in the orchestrator"
    fields = "".join(
        f"\n  {name}: recorded {was!r}, requested {now!r}"
        for name, was, now in error.differences
        if name != "event_type"
    )
    return NonDeterminismError(
        f"Nothing was forked: with this past the code {where} asks for something else than is recorded "
        f"before the fork: recorded is {error.recorded}, requested is {error.requested}.{fields}\n"
        f"Fork at event {before} or before: from there it decides anew.",
        line=error.line,
        file=error.file,
        function=error.function,
        differences=error.differences,
        recorded=error.recorded,
        requested=error.requested,
        event_id=error.event_id,
    )
