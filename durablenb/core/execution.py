"""A live execution: the orchestrator's generator, the tasks that it awaits, and its replay checker.

    deliver(event)   settles tasks by an event that arrived; no code of the user runs
    resume(now, id)  runs an episode: the orchestrator runs until it waits again; returns the new events
    replay(history)  does the same for recorded episodes, checked event by event

Nothing here reads a clock, a disk or a thread: the same history and the same orchestrator give the same
events.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from types import CodeType
from typing import Any

from durablenb.core.cancellation import Cancellation
from durablenb.core.context import DurableOrchestrationContext
from durablenb.core.history_cursor import HistoryCursor
from durablenb.core.loop_tasks import CANCELLATIONS
from durablenb.core.mailbox import Mailbox
from durablenb.core.orchestrator_code import Orchestrator, OrchestratorCode
from durablenb.core.replay_checker import MAX_ORCHESTRATION_ACTIONS, OrchestratorUnwind, ReplayChecker
from durablenb.core.tasks import AtomicTask, EntityTask, SubOrchestrationTask
from durablenb.model import actions
from durablenb.model.errors import TypeNotRegisteredError
from durablenb.model.events import (
    PLAIN_FAILURES,
    CodeAwaited,
    CustomStatusSet,
    EntityLockGranted,
    Event,
    EventRaised,
    ExecutionCancelRequested,
    ExecutionStarted,
    OrchestratorStarted,
    Raised,
    Returned,
    TimerFired,
)
from durablenb.model.failures import FailureDetails
from durablenb.model.payloads import Codec
from durablenb.model.source import Source, source_hash

NameOf = Callable[[object], str]


class Execution(OrchestratorCode):
    """One execution of an orchestrator.

    Parameters
    ----------
    function
        The orchestrator: a generator function, an ``async def``, or a plain function.
    instance_id, execution_id
        The ids of the instance and of the execution.
    codec
        Encodes and decodes values.
    target_name
        Returns the registered name of a function or a name.
    source
        The function's source, if it is known; needed for the code behind a ``yield ...``.
    interrupts
        Exceptions that pass through instead of failing the orchestration: the kernel's interrupt where
        orchestrators run in the kernel's own thread.
    """

    # With more than 30 attributes, Python would create a dict for each execution, which slows all of them.
    __slots__ = (
        "_context",
        "_episode",
        "_is_unloaded",
        "_passing",
        "_paused",
        "_pinned",
        "_recording",
        "_source",
        "_unregistered",
        "codec",
        "continue_with",
        "custom_status",
        "execution_id",
        "history",
        "instance_id",
        "interrupts",
        "is_finished",
        "is_paused",
        "ledger",
        "mailbox",
        "next_task_id",
        "now",
        "replaying_answers",
        "started",
        "target_name",
        "tasks",
    )

    def __init__(
        self,
        function: Orchestrator,
        instance_id: str,
        execution_id: str,
        codec: Codec,
        target_name: NameOf,
        *,
        source: Source | None = None,
        interrupts: tuple[type[BaseException], ...] = (),
        max_actions: int = MAX_ORCHESTRATION_ACTIONS,
    ) -> None:
        super().__init__(function)
        self.instance_id = instance_id
        self.execution_id = execution_id
        self.codec = codec
        self.target_name = target_name
        self.history: list[Event] = []
        self.ledger = ReplayChecker(_code_object(function), max_actions)
        self.mailbox = Mailbox(self.request)
        self.tasks: dict[int, AtomicTask[Any]] = {}
        self.started: ExecutionStarted | None = None
        self.now = datetime.fromtimestamp(0, UTC)
        self.next_task_id = 0
        self.custom_status: str | None = None
        self.continue_with: str | None = None
        self.is_finished = False
        self._source = source
        self.interrupts = interrupts
        self._context = DurableOrchestrationContext(self)
        self._is_unloaded = False
        self._unregistered: TypeNotRegisteredError | None = None
        self._recording = HistoryCursor()
        self._episode: list[Event] = []
        self.replaying_answers = bytearray()
        """The answers that the code got from `is_replaying`, in order."""
        self._pinned: Iterator[int] = iter(())
        self._paused: Event | None = None
        self._passing: Event | None = None
        self.is_paused = False
        """True while the execution waits at a ``yield ...``."""

    @property
    def is_ready(self) -> bool:
        """True if an episode would make progress."""
        if self.is_finished or self.is_paused:
            return False
        return self._can_go_on or bool(self._woken) or (self._loop is not None and self._loop.is_ready)

    def deliver(self, event: Event) -> None:
        """Settle the task that an event completes. Late and duplicate events have no effect."""
        self.history.append(event)
        kind = type(event)
        if isinstance(event, Returned):
            self._settle(event.task_id, event.result)
        elif isinstance(event, EntityLockGranted):
            self._settle(event.task_id, "null")
        elif isinstance(event, TimerFired):
            self.now = max(self.now, event.timestamp)  # even if the clock was set back since
            self._settle(event.task_id, "null")
        elif isinstance(event, Raised):
            task = self.tasks.pop(event.task_id, None)
            if task is not None:
                task._fail(event.failure, self._failed_as(task, event.failure))
        elif kind is EventRaised:
            self.mailbox.deliver(event)  # type: ignore[arg-type]
        elif isinstance(event, ExecutionCancelRequested):
            if self._cancellation is None:
                self._cancellation = Cancellation(self.request, self)
            self._cancellation.deliver(event.reason)
            self.wake_up()
        elif isinstance(event, CustomStatusSet):  # carried over from the previous execution
            self.custom_status = event.status
        elif isinstance(event, ExecutionStarted):
            self.started = event
            self.mailbox.follow_rules(event.rules)
            self.now = max(self.now, event.scheduled_start_time or event.timestamp)
            self.wake_up()

    def continue_as_new(self, text: str) -> None:
        """End with this episode, and start again with an input."""
        self.continue_with = text

    def set_custom_status(self, text: str) -> None:
        """Request another custom status."""
        self.custom_status = text
        self.request(actions.SetCustomStatus(text))

    def resume(self, now: datetime, next_id: int) -> list[Event]:
        """Run an episode and return its events: `OrchestratorStarted` first, an outcome last if there is one.

        There are no events if the execution still waits at the ``yield ...`` at the end of its history.

        Raises
        ------
        NonDeterminismError
            If the code's requests differ from the recorded ones.
        TypeNotRegisteredError
            If a value is of a type that isn't registered yet; the execution is unchanged then.
        """
        now = max(now, self.now)
        if self._paused is not None:
            paused, self._paused = self._paused, None
            self._passing = OrchestratorStarted(next_id, now)
            return self._replay_episode(paused)
        self.now = now
        self.ledger.begin(now, next_id + 1, None)
        self._run()
        return self._noted([OrchestratorStarted(next_id, now), *self.ledger.facts])

    def replay(self, history: Sequence[Event]) -> None:
        """Replay recorded events, which restores the execution's state.

        If the last episode ended at ``yield ...``, it is left to `resume`, since the code may continue there
        now.

        Raises
        ------
        NonDeterminismError
            At the first event that the code's requests don't reproduce.
        TypeNotRegisteredError
            If a value is of a type that isn't registered yet.
        """
        self._recording = HistoryCursor(history)
        while self._recording:
            event = self._recording.take()
            if type(event) is not OrchestratorStarted:
                self.deliver(event)
            elif self._recording.ends_at_pause:
                self._paused = event
                return
            else:
                self._replay_episode(event)
        self._recording = HistoryCursor()  # releases the history

    def look_at_pause(self, history: Sequence[Event]) -> None:
        """Replay the episode that `replay` leaves to `resume`: the one that ended at ``yield ...``.

        Code that continues there does so in an episode that is not in the history; its requests have the ids
        that they would get.
        """
        if self._paused is None:
            return
        begun, self._paused = self._paused, None
        self._passing = OrchestratorStarted(history[-1].event_id + 1, history[-1].timestamp)
        self._replay_episode(begun)

    @property
    def is_replaying(self) -> bool:
        """True while the code runs through recorded history."""
        return self.ledger.is_replaying

    @property
    def pending_cancellation(self) -> str | None:
        """The reason of a cancellation that has interrupted no await yet, or None."""
        cancellation = self._cancellation
        return None if cancellation is None or not cancellation.is_pending else cancellation.reason

    @property
    def is_locked(self) -> bool:
        """True in a critical section."""
        return self._context.is_locked

    def unload(self) -> None:
        """Drop the generator; requests of its ``finally`` blocks are ignored."""
        self._is_unloaded = True
        if self._loop is not None:
            self._loop.end()
        elif self._routine is not None:
            try:
                self._routine.close()
            except BaseException as error:  # from the user's finally blocks
                if isinstance(error, self.interrupts):
                    raise

    # -- what the context calls ------------------------------------------------------------------

    def decode(self, text: str, expected_type: Any = None) -> Any:
        """Return the value of a text.

        Raises
        ------
        OrchestratorUnwind
            If the value's type isn't registered yet; `resume` and `replay` then raise the error.
        """
        try:
            return self.codec.decode(text, expected_type)
        except TypeNotRegisteredError as error:
            self._unregistered = error
            self.ledger.halt()

    def says_replaying(self) -> bool:
        """Return the value of `is_replaying` for the code: the real one, or the next pinned one."""
        answer = bool(next(self._pinned, self.is_replaying))
        self.replaying_answers.append(answer)
        return answer

    def pin_replaying(self, answers: Iterable[int]) -> None:
        """Make `is_replaying` return the values that another execution got."""
        self._pinned = iter(answers)

    def request(self, action: actions.Action) -> None:
        """Record or check a request; after continue_as_new, requests are ignored."""
        if self._is_unloaded and not self.ledger.is_halted:
            self.ledger.halt()
        if self.continue_with is None:
            self._request(action)

    def new_task_id(self) -> int:
        """Return the next task's id."""
        task_id = self.next_task_id
        self.next_task_id += 1
        return task_id

    # -- inside ----------------------------------------------------------------------------------

    def _request(self, action: actions.Action, *, is_outcome: bool = False) -> None:
        if self.ledger.is_at_pause and type(action) is not actions.SetCustomStatus:
            self._pass()
        self.ledger.request(action, is_outcome=is_outcome)

    def _replay_episode(self, begun: Event) -> list[Event]:
        """Replay an episode; return the next one's events if the code continues at the ``yield ...``."""
        self.now = begun.timestamp
        self._episode = self._recording.facts()
        self.ledger.begin(begun.timestamp, 0, self._episode)
        self.history.append(begun)
        self._run()
        if self.ledger.is_replaying:
            self.history.extend(self._episode)
            return []
        assert self._passing is not None
        return self._noted([self._passing, *self.ledger.facts])

    def _noted(self, facts: list[Event]) -> list[Event]:
        self.history.extend(facts)
        return facts

    def _pass(self) -> None:
        """Continue the code where it waited for more code, with all events that arrived since."""
        self.history.extend(self._episode)
        for event in self._recording.arrivals():
            self.deliver(event)
        if self._recording:
            begun = self._recording.take()
            self.now = begun.timestamp
            self._episode = self._recording.facts()
            self.history.append(begun)
            self.ledger.go_on(self.now, 0, self._episode)
            return
        assert self._passing is not None
        self.now = self._passing.timestamp
        self.ledger.go_on(self.now, self._passing.event_id + 1, None)
        shown = (event.status for event in reversed(self.history) if isinstance(event, CustomStatusSet))
        if self.custom_status is not None and self.custom_status != next(shown, None):
            self.ledger.request(actions.SetCustomStatus(self.custom_status))

    def _goes_on(self) -> bool:
        """Tell whether the code continues at a ``yield ...``; otherwise it waits there."""
        line = self.line
        rest = "" if line is None or self._source is None else source_hash(self._source.after(line))
        if self.ledger.is_at_pause:
            pause = self._episode[-1]
            if self._recording.goes_on or (rest and isinstance(pause, CodeAwaited) and rest != pause.rest):
                self._pass()
                return True
            self.ledger.stay()
        else:
            self.ledger.request(actions.AwaitCode(line, rest))
        self.is_paused = True
        return False

    def _settle(self, task_id: int, text: str) -> None:
        task = self.tasks.pop(task_id, None)
        if task is not None:
            task._complete(text)

    def _failed_as(self, task: AtomicTask[Any], failure: FailureDetails) -> str:
        name = self._context._names.pop(task.id, "?")
        if isinstance(task, EntityTask) and self.started is not None and self.started.rules >= PLAIN_FAILURES:
            return failure.message
        if isinstance(task, EntityTask):
            what = f"Operation '{task.operation}' on entity '{task.entity_id}'"
        else:
            kind = "Orchestrator" if isinstance(task, SubOrchestrationTask) else "Activity"
            what = f"{kind} function '{name}'"
        trace = f"{failure.stack_trace}{failure.error_type}: {failure.message}"
        return f"{what} failed: {failure.message} \n {trace}"

    def _run(self) -> None:
        """Run an episode: woken routines, then the orchestrator; its exception becomes its outcome."""
        if self.is_finished:
            self.ledger.end(self.line)
            return
        try:
            self._run_code()
        except self.interrupts:
            raise
        except BaseException as error:
            if self.ledger.mismatch is None and self._unregistered is None:
                self._finish_with(error)
        if self._unregistered is not None:
            raise self._unregistered
        if self.ledger.breach is not None and not self.is_finished:
            self._finish_with(self.ledger.breach)
        self.ledger.end(self.line)

    def _finish(self, value: object) -> None:
        if self.continue_with is not None:
            self._request(actions.ContinueExecutionAsNew(self.continue_with), is_outcome=True)
        elif self.ledger.breach is not None:
            raise self.ledger.breach
        else:
            text = self.codec.encode(value, "result")
            self._request(actions.CompleteExecution(text), is_outcome=True)
        self._end()

    def _finish_with(self, error: BaseException) -> None:
        if self.ledger.breach is not None:
            error = self.ledger.breach
        self.ledger.follow_to(error)
        with contextlib.suppress(OrchestratorUnwind):  # a mismatch, which the ledger has noted
            self._request(self._end_with(error), is_outcome=True)
            self._end()

    def _end_with(self, error: BaseException) -> actions.Action:
        """Return how the execution ends with an error: failed, or canceled if that was requested."""
        if isinstance(error, CANCELLATIONS) and self._cancellation is not None:
            return actions.CancelExecution(self._cancellation.reason)
        return actions.FailExecution(self.codec.failure(error))

    def _end(self) -> None:
        self.is_finished = True
        self.unload()


def _code_object(function: object) -> CodeType | None:
    if hasattr(function, "__wrapped__"):
        function = inspect.unwrap(function)  # type: ignore[arg-type]
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None
