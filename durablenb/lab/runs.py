"""Runs of one orchestration in a hub of their own, in the caller's thread; one that crashes is resumed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.core.registry import Activity, Registry
from durablenb.engine.clocks import VirtualClock
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.messages import ClientMessage, Raise, Start
from durablenb.engine.options import EngineOptions
from durablenb.engine.thread_executors import InlineExecutor
from durablenb.engine.waiting import CHECK_SECONDS
from durablenb.lab.memory_store import MemoryStore
from durablenb.model.entities import EntityId
from durablenb.model.events import (
    Event,
    OperationCompleted,
    OperationEnqueued,
    OperationFailed,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from durablenb.model.payloads import Codec
from durablenb.model.plain import Plain, plain
from durablenb.model.status import InstanceState
from durablenb.values.codec import ValueCodec

MOST_UNITS = 5_000
"""The most units of work of a run."""


class SentEvent(NamedTuple):
    """An external event of a run.

    Parameters
    ----------
    name, value
        Its name and its value.
    after
        When it is raised, counted from the start; None for as soon as all else waits.
    """

    name: str
    value: Any = None
    after: timedelta | None = None


@plain
class Plan(Plain):
    """One orchestration: its code, how it is started, and the events that are raised."""

    registry: Registry
    options: EngineOptions
    name: str
    version: str | None
    input: Any
    instance_id: str
    events: tuple[SentEvent, ...]


class LostWork(NamedTuple):
    """The work that a crash lost: the functions that had run, and the first event that wasn't written."""

    functions: tuple[str, ...]
    event: str


class Outcome(NamedTuple):
    """The outcome of a run.

    Parameters
    ----------
    states
        The states of all instances by id, and of all entities by id.
    commits
        How often the journal was written.
    lost
        What the crash lost; None without a crash.
    codec
        The codec of the run's values, which has its blobs.
    """

    states: dict[str, InstanceState]
    entities: dict[str, str]
    commits: int
    lost: LostWork | None
    codec: Codec


def run(
    plan: Plan,
    *,
    crash_before: int | None = None,
    crash_after: int | None = None,
    newest_first: bool = False,
) -> Outcome:
    """Run an orchestration until nothing is left to happen; return the outcome.

    Parameters
    ----------
    plan
        The orchestration.
    crash_before, crash_after
        The commit before or right after which the process dies, counted from 1. The run then resumes from the
        journal.
    newest_first
        Whether of several waiting activities the newest one runs first.

    Raises
    ------
    ValueError
        If it goes on after 5,000 units of work.
    """
    store = _CrashingStore(crash_before, crash_after)
    codec = plan.options.codec
    if isinstance(codec, ValueCodec):
        codec = codec.for_journal(store.blob)
    plan = replace(plan, options=replace(plan.options, codec=codec))
    clock = VirtualClock()
    unsent = deque(plan.events)
    try:
        while not _survives(_Life(plan, store, clock, unsent, newest_first=newest_first)):
            pass  # the next process resumes from the journal
        return Outcome(
            {state.instance_id: state for state in store.states(InstanceQuery())},
            store.entity_states(None),
            store.commits,
            store.lost,
            codec,
        )
    finally:
        store.close()


def _survives(life: _Life) -> bool:
    """Let a process work until all is done or it crashes; tell whether it did without a crash."""
    try:
        copy_context().run(life.run)
    except _Crash:
        return False
    finally:
        life.abandon()
    return True


class _Crash(BaseException):
    """The process dies."""


class _CrashingStore(MemoryStore):
    """A journal in memory; the process dies once, before one of its commits."""

    hub_id = "lab"  # the same in each run, since it is part of an activity's key

    def __init__(self, crash_before: int | None, crash_after: int | None) -> None:
        super().__init__()
        self._crash_before = crash_before
        self._crash_after = crash_after
        self._requests: dict[tuple[str, type[Event], int], TaskScheduled | OperationEnqueued] = {}
        self.commits = 0
        self.lost: LostWork | None = None

    def append(self, records: Sequence[Record], *rest: Any) -> None:
        """Write the records, or crash."""
        for record in records:
            event = record.event
            if isinstance(event, TaskScheduled):
                self._requests[record.execution_id, TaskScheduled, event.task_id] = event
            elif isinstance(event, OperationEnqueued):
                self._requests[record.execution_id, OperationEnqueued, event.event_id] = event
        if self.lost is None and self.commits + 1 == self._crash_before:
            self.lost = LostWork(tuple(dict.fromkeys(self._functions(records))), _first_event(records))
            raise _Crash
        self.commits += 1
        super().append(records, *rest)
        if self.lost is None and self.commits == self._crash_after:
            self.lost = LostWork((), _first_event(records))
            raise _Crash

    def _functions(self, records: Sequence[Record]) -> Iterator[str]:
        """Yield the names of the activities and operations that have run, by the records of their ends."""
        for record in records:
            event = record.event
            if not isinstance(event, TaskCompleted | TaskFailed | OperationCompleted | OperationFailed):
                continue
            assert event.settles is not None
            request = self._requests[record.execution_id, event.settles, event.task_id]
            if isinstance(request, TaskScheduled):
                yield request.name
            else:
                yield f"{request.name} of {EntityId.get_entity_id(record.instance_id)}"


def _first_event(records: Sequence[Record]) -> str:
    """Return the first event of a commit that says what happened, with its instance."""
    first = next((one for one in records if not isinstance(one.event, OrchestratorStarted)), records[0])
    return f"{type(first.event).__name__} of {first.instance_id}"


class _Life:
    """The life of one process: it opens the journal, and works until all is done or it dies."""

    def __init__(
        self,
        plan: Plan,
        store: _CrashingStore,
        clock: VirtualClock,
        unsent: deque[SentEvent],
        *,
        newest_first: bool,
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._unsent = unsent
        executors = _Executors(_NewestFirst() if newest_first else InlineExecutor())
        self._engine = Engine(store, clock, plan.registry, executors, plan.options)

    def run(self) -> None:
        """Work until nothing is left to happen."""
        plan, engine = self._plan, self._engine
        if not engine.store.last_seq():
            text = engine.options.codec.encode(plan.input, "input")
            self._send(Start(plan.instance_id, plan.name, text, plan.version))
        for _ in range(MOST_UNITS):
            done = engine.step()
            engine.committer.drain()
            if done is not None:
                continue
            if not engine.is_idle:
                engine.rest(CHECK_SECONDS)
            elif not self._send_next() and not engine.jump():
                return
        raise ValueError(
            f"{plan.name} still runs after {MOST_UNITS:,} units of work. Give it an input with which it ends."
        )

    def abandon(self) -> None:
        """Let the process be dead."""
        self._engine.abandon()

    def _send_next(self) -> bool:
        """Raise the next external event if its time comes before the next deadline; tell if there was one."""
        if not self._unsent:
            return False
        event = self._unsent[0]
        if event.after is not None:
            due, deadline = self._started_at + event.after, self._engine.next_due()
            if deadline is not None and deadline <= due:
                return False
            self._clock.jump_to(due)
        text = self._engine.options.codec.encode(event.value, "event")
        self._send(Raise(self._plan.instance_id, event.name, text))  # lost if the instance has ended
        self._unsent.popleft()  # a client whose request died with the process sends it again
        return True

    def _send(self, message: ClientMessage) -> None:
        """Send a command, and wait until it is on disk."""
        reply = self._engine.ask(message)
        self._engine.committer.drain()
        reply.result()

    @property
    def _started_at(self) -> datetime:
        return self._engine.store.starts(self._plan.instance_id)[0].timestamp


class _Executors(Executors):
    """Executors that run every activity in the caller's thread, so that each run has the same order."""

    def __init__(self, inline: InlineExecutor) -> None:
        super().__init__("inline")
        self.inline = inline

    def for_activity(self, activity: Activity) -> Any:
        return self.inline


class _NewestFirst(InlineExecutor):
    """Runs the newest job that waits."""

    def run_next(self) -> Any:
        self.jobs.rotate(1)
        return super().run_next()
