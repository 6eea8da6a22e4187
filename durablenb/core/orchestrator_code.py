"""The orchestrator's own code: a generator, a coroutine with its event loop, or a plain function.

The code runs until it awaits a task that isn't settled, and continues when that has settled.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from durablenb.core.cancellation import Cancellation, stop_open
from durablenb.core.context import DurableOrchestrationContext, ToBeContinued
from durablenb.core.event_loop import OrchestrationLoop
from durablenb.core.loop_tasks import LoopWait, can_be_awaited, is_withdrawn, running_frame, withdrawn
from durablenb.core.mailbox import Mailbox
from durablenb.core.replay_checker import OrchestratorUnwind, ReplayChecker
from durablenb.core.routine import RoutineTask
from durablenb.core.running_loop import RunningLoop
from durablenb.core.tasks import AtomicTask, Parent, TaskBase, TimerTask
from durablenb.model.actions import Action
from durablenb.model.errors import OrchestrationCanceledError

Orchestrator = Callable[[DurableOrchestrationContext], Any]


class OrchestratorCode(Parent):
    """The code of one execution of an orchestrator, and what it awaits.

    Parameters
    ----------
    function
        The orchestrator: a generator function, an ``async def``, or a plain function.
    """

    __slots__ = (
        "_awaited",
        "_can_go_on",
        "_cancellation",
        "_loop",
        "_routine",
        "_send",
        "_throw",
        "_thrown",
        "_woken",
        "function",
    )

    ledger: ReplayChecker
    mailbox: Mailbox
    tasks: dict[int, AtomicTask[Any]]
    now: datetime
    continue_with: str | None
    is_finished: bool
    is_paused: bool
    interrupts: tuple[type[BaseException], ...]
    _context: DurableOrchestrationContext

    def __init__(self, function: Orchestrator) -> None:
        self.function = function
        self._routine: Any = None
        self._send: Callable[[Any], Any]
        self._throw: Callable[[BaseException], Any]
        self._loop: OrchestrationLoop | None = None
        self._thrown: BaseException | None = None
        self._awaited: TaskBase[Any] | None = None
        self._can_go_on = False
        self._cancellation: Cancellation | None = None
        self._woken: deque[RoutineTask] = deque()

    @property
    def line(self) -> int | None:
        """The line of the orchestrator's source at which it waits, or None."""
        frame = running_frame(self._routine)
        return None if frame is None else frame.f_lineno

    def wake(self, routine: RoutineTask) -> None:
        """Schedule a routine to continue in the next episode."""
        self._woken.append(routine)

    def wake_up(self) -> None:
        """Note that the orchestrator's own code can continue."""
        if not self._can_go_on:
            self._can_go_on = True
            if self._loop is not None:
                self._loop.ready.append(self._loop.main_turn)

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        self.wake_up()
        return False

    # -- what the event loop calls -----------------------------------------------------------------

    def create_timer(self, fire_at: datetime) -> TimerTask:
        """Return a new timer."""
        return self._context._timer(fire_at, None)

    def leave(self, task: TaskBase[Any], parent: Parent) -> None:
        """Stop notifying a parent of a task; cancel the task unless others await it."""
        task._parents.remove(parent)
        if any(not isinstance(other, TaskBase) or not other._is_settled for other in task._parents):
            return
        canceled = None if self._cancellation is None else self._cancellation.reason
        stop_open(task, self.request, canceled or "the task of asyncio that awaits it was cancelled")

    def take_turn(self) -> None:
        """Continue the orchestrator's own code, if it can."""
        if self._can_go_on:
            self._can_go_on = False
            self._advance()

    def future_done(self, future: object) -> None:
        """Continue the orchestrator's own code if it awaits this future."""
        if isinstance(self._awaited, LoopWait) and self._awaited.future is future:
            self.wake_up()

    def cancel_wait(self) -> None:
        """Stop the await at which the orchestrator's own code waits, to which a `CancelledError` comes."""
        assert self._loop is not None
        task = self._awaited
        if isinstance(task, LoopWait):
            if task.future is not None and task.future.cancel():
                self._loop.main.forget_cancel()  # the future raises it
        elif task is not None and not task._is_settled and self in task._parents:  # not cancelled twice
            self._loop.main.stop()
            self.leave(task, self)
            self.wake_up()

    def log_error(self, message: str, error: BaseException | None) -> None:
        """Log an error that no code handles."""
        self._context.logger.error(message, exc_info=error)

    # -- inside ----------------------------------------------------------------------------------

    def _run_code(self) -> None:
        """Run what can continue: routines, the orchestrator's own code, and the tasks of its event loop."""
        if self._loop is None:
            self._run_routines()
            if self._can_go_on and (self._routine is not None or self._begin()) and self._loop is None:
                self.take_turn()
        if self._loop is not None:
            before = RunningLoop.now()
            try:
                before.replace(self._loop)
                self._run_routines()
                self._loop.run()
                self._check_rest()
            finally:
                before.restore()

    def _run_routines(self) -> None:
        if self._woken and self.ledger.is_replaying:
            self.ledger.follow(self.line)  # at which it waits for the routines
        while self._woken:
            self._woken.popleft().proceed()

    def _check_rest(self) -> None:
        """End the execution if its tasks have ended it, or if nothing can ever continue it."""
        if self.is_finished or self.is_paused:
            return
        if self.continue_with is not None:
            self._finish(None)
        elif isinstance(self._awaited, LoopWait) and not (
            self.tasks or self._woken or self._can_go_on or self.mailbox.is_waiting
        ):
            raise RuntimeError(
                f"Line {self.line}: the orchestrator would wait forever. It awaits something of asyncio, and "
                "no activity, timer, external event or other task of the context is open to change that."
            )

    def _advance(self) -> None:
        """Run the orchestrator until it awaits a task that isn't settled."""
        task, self._awaited = self._awaited, None
        if task is not None and not self._ends_wait(task):
            return
        while True:
            if self.ledger.is_replaying:
                self.ledger.follow(self.line)
            try:
                yielded = self._step(task)
            except StopIteration as stop:
                self._finish(stop.value)
                return
            if self.ledger.is_halted:  # the code swallowed the unwinding
                raise OrchestratorUnwind
            if self.continue_with is not None:
                self._finish(None)
                return
            if yielded is ... or isinstance(yielded, ToBeContinued):
                if not self._goes_on():
                    return
                task = None
                continue
            task = self._checked_task(yielded)
            if self._begins_wait(task):
                return
            self.ledger.count_round()

    def _ends_wait(self, task: TaskBase[Any]) -> bool:
        """Return True if the code may continue after an await; False if what is canceled has to end first."""
        if isinstance(task, LoopWait):
            task.settle()
        main = None if self._loop is None else self._loop.main
        if main is not None and (main.must_cancel or main.is_stopped):
            self._thrown = main.cancellation()
        elif self._cancellation is not None:
            if self.ledger.is_replaying:
                self.ledger.follow(self.line)
            if self._cancellation.waits(task):
                self._awaited = task
                return False
        return True

    def _begins_wait(self, task: TaskBase[Any]) -> bool:
        """Return True if the code has to wait for the task that it awaits; False if it continues at once."""
        if self.ledger.is_replaying:
            self.ledger.follow(self.line)
        self.mailbox.awaits(task)
        if self.ledger.is_at_pause and not task._is_settled:
            self._pass()
        canceling = self._cancellation
        if self._loop is not None and is_withdrawn(task):
            self._thrown = withdrawn(task)
            return False
        if task._is_settled if canceling is None else not canceling.waits(task):
            return False
        self.mailbox.leave()
        self._awaited = task
        task._watch(self)
        if self._loop is not None and self._loop.main.must_cancel:
            self.cancel_wait()
        return True

    def _begin(self) -> bool:
        """Call the function; return False if it is a plain function, which has then ended."""
        made = self.function(self._context)
        if inspect.isgenerator(made):
            self._routine, self._send, self._throw = made, made.send, made.throw
            return True
        if inspect.iscoroutine(made):
            self._loop = OrchestrationLoop(self, made)
            self._loop.ready.append(self._loop.main_turn)
            self._routine = made
            run: Callable[..., Any] = self._loop.context.run
            self._send, self._throw = partial(run, made.send), partial(run, made.throw)
            return True
        self._finish(self._checked(made))
        return False

    def _step(self, task: TaskBase[Any] | None) -> object:
        if task is None:
            return self._send(None)
        if self._thrown is not None:
            error, self._thrown = self._thrown, None
            return self._throw(error)
        if self._cancellation is not None and self._cancellation.interrupts(task):
            return self._throw(self._interrupted(task, self._cancellation))
        try:
            value = task.get_result()
        except Exception as error:
            return self._throw(error)
        return self._send(value)

    def _interrupted(self, task: TaskBase[Any], cancellation: Cancellation) -> OrchestrationCanceledError:
        """Stop waiting for a task, and return the error for its await."""
        self._awaited = None
        if self in task._parents:
            task._parents.remove(self)
        self.mailbox.abandon(task)
        return cancellation.interrupt(task)

    def _checked(self, made: object) -> object:
        if inspect.isasyncgen(made):
            raise TypeError("The orchestrator is an async generator: in an 'async def' use await, not yield.")
        return made

    def _checked_task(self, yielded: object) -> TaskBase[Any]:
        if isinstance(yielded, TaskBase):
            return yielded
        if self._loop is not None and can_be_awaited(yielded):
            return LoopWait(yielded, self._loop)
        hint = "context.task_all(...)" if isinstance(yielded, (list, tuple)) else "context.call_activity(...)"
        raise TypeError(
            f"Line {self.line}: the orchestrator waits for a {type(yielded).__name__}, which isn't a task. "
            f"Expected a task of the context, such as {hint}."
        )

    # -- what the execution does -------------------------------------------------------------------

    def request(self, action: Action) -> None:
        """Record or check a request."""
        raise NotImplementedError  # pragma: no cover

    def _goes_on(self) -> bool:
        raise NotImplementedError  # pragma: no cover

    def _pass(self) -> None:
        raise NotImplementedError  # pragma: no cover

    def _finish(self, value: object) -> None:
        raise NotImplementedError  # pragma: no cover
