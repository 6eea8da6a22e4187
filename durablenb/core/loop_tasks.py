"""The tasks, futures and timers of an orchestration's event loop, and its waits for durable tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from durablenb.core.tasks import CancelableTask, Parent, TaskBase, TaskState
from durablenb.model.errors import OrchestrationCanceledError

if TYPE_CHECKING:
    from durablenb.core.event_loop import OrchestrationLoop


class LoopWait(TaskBase[None]):
    """The orchestrator's own wait for a future of its loop; without one, for the loop's next turn."""

    __slots__ = ("_loop", "future", "is_stopped")

    def __init__(self, future: Any, loop: OrchestrationLoop) -> None:
        super().__init__()
        if future is not None and future.get_loop() is not loop:
            raise RuntimeError(
                f"The orchestrator awaits {future!r}, which belongs to another event loop. Only an activity "
                "can use that loop: await context.call_activity(...)."
            )
        self._loop = loop
        self.future: asyncio.Future[Any] | None = future
        self.is_stopped = False
        """True if the future was cancelled because the orchestration is canceled."""

    def settle(self) -> None:
        """Note that the loop has come to this wait again."""
        if self.future is None or self.future.done():
            self._state = TaskState.SUCCEEDED

    def stop(self) -> bool:
        """Cancel the future because the orchestration is canceled; return whether it is still open."""
        if self.future is None:
            return not self._is_settled
        if not self.future.done():
            self.is_stopped = self.future.cancel() or self.is_stopped
        return not self.future.done()

    def _watch(self, parent: Parent) -> None:
        """Continue the orchestrator's own code when the future is done, or at the loop's next turn."""
        if self.future is None:
            self._loop.execution.wake_up()
        else:
            self.future._asyncio_future_blocking = False
            self.future.add_done_callback(self._loop.future_done)

    def _value(self) -> None:
        """Return nothing: the future itself gives the code its result."""


class LoopCanceledError(OrchestrationCanceledError, asyncio.CancelledError):
    """The cancellation of the orchestration where it awaits asyncio, which knows `CancelledError`."""


CANCELLATIONS = (OrchestrationCanceledError, asyncio.CancelledError)
"""Errors with which a canceled orchestration ends; libraries may replace the first by the second."""


class TaskFuture(asyncio.Future[None], Parent):
    """The future with which a task of the loop waits for a durable task."""

    def __init__(self, loop: OrchestrationLoop, awaited: TaskBase[Any]) -> None:
        super().__init__(loop=loop)
        self._execution = loop.execution
        self.awaited = awaited
        awaited._watch(self)

    def cancel(self, msg: Any = None) -> bool:
        """Stop waiting, and cancel the durable task unless others await it."""
        if self.done():
            return False
        self._execution.leave(self.awaited, self)
        return super().cancel(msg)

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        if not self.done():
            self.set_result(None)
        return False


class LoopTask(asyncio.Task[Any]):
    """A task of the loop. Its hash is its number, so that sets of tasks have the same order in a replay."""

    def __init__(
        self, coroutine: Any, inner: Any, loop: OrchestrationLoop, number: int, **given: Any
    ) -> None:
        self.number = number  # before the base class, which puts the task into a set
        self.coroutine = inner
        super().__init__(coroutine, loop=loop, **given)
        self._log_destroy_pending = False  # the orchestration may end before its tasks do

    def __hash__(self) -> int:
        return self.number

    def __repr__(self) -> str:
        state = "pending" if not self.done() else "cancelled" if self.cancelled() else "done"
        return f"<Task {self.get_name()!r} {state}>"

    def get_coro(self) -> Any:
        """Return the coroutine that the task was created with."""
        return self.coroutine


class MainTask(LoopTask):
    """The task that asyncio sees while the orchestrator's own code runs; the execution runs its code."""

    def __init__(self, coroutine: Any, loop: OrchestrationLoop) -> None:
        super().__init__(coroutine, coroutine, loop, 0, name="orchestrator")
        self._execution = loop.execution
        self._requests = 0
        self._message: Any = None
        self.must_cancel = False
        """True until the execution raises a `CancelledError` in the code, or all requests are taken back."""
        self.is_stopped = False
        """True if the await was stopped: its `CancelledError` comes, even if the request is taken back."""

    def cancel(self, msg: Any = None) -> bool:
        """Raise a `CancelledError` in the orchestrator's code, at the await where it waits."""
        self._requests += 1
        self._message = msg
        self.must_cancel = True
        self._execution.cancel_wait()
        return True

    def cancelling(self) -> int:
        """Return how often `cancel` was called, without those calls that `uncancel` took back."""
        return self._requests

    def uncancel(self) -> int:
        """Take back a call of `cancel`; return how many are left."""
        self._requests = max(0, self._requests - 1)
        if not self._requests:
            self.must_cancel = False
        return self._requests

    def forget_cancel(self) -> None:
        """Note that the awaited future raises the `CancelledError`, so that the execution needn't."""
        self.must_cancel = False

    def stop(self) -> None:
        """Stop the await: its `CancelledError` comes, even if the request is taken back."""
        self.is_stopped = True

    def cancellation(self) -> asyncio.CancelledError:
        """Return the error for the code; from then on, nothing is to be cancelled."""
        self.must_cancel = self.is_stopped = False
        return asyncio.CancelledError(*(() if self._message is None else (self._message,)))


class DurableTimer(asyncio.TimerHandle, Parent):
    """A callback of the loop that a durable timer runs."""

    __slots__ = ("_ready", "task")

    def __init__(self, when: float, callback: Any, args: Any, loop: OrchestrationLoop, context: Any) -> None:
        super().__init__(when, callback, args, loop, context)
        self.task: CancelableTask[None] | None = None
        self._ready = loop.ready

    def _child_settled(self, child: TaskBase[Any]) -> bool:
        self._ready.append(self)
        return False


class TaskCoroutine(Coroutine[Any, Any, Any]):
    """The coroutine of a task, except that it awaits durable tasks as futures of the loop."""

    def __init__(self, coroutine: Any, loop: OrchestrationLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop

    def send(self, value: Any) -> Any:
        """Continue the coroutine, and return the future that it awaits."""
        return self._bridged(self._coroutine.send(value))

    def throw(self, *error: Any) -> Any:
        """Raise an error in the coroutine, and return the future that it awaits then."""
        return self._bridged(self._coroutine.throw(*error))

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __await__(self) -> NoReturn:
        raise NotImplementedError("a task awaits it")  # pragma: no cover

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def _bridged(self, awaited: Any) -> Any:
        execution = self._loop.execution
        while isinstance(awaited, TaskBase):
            execution.mailbox.awaits(awaited)
            if is_withdrawn(awaited):
                awaited = self._coroutine.throw(withdrawn(awaited))
            elif awaited._is_settled:
                execution.ledger.count_round()
                awaited = self._coroutine.send(None)
            else:
                execution.mailbox.leave()
                future = TaskFuture(self._loop, awaited)
                future._asyncio_future_blocking = True
                return future
        if awaited is ...:
            raise TypeError("Only the orchestrator itself can await more code, not a task of asyncio.")
        return awaited


def running_frame(routine: Any) -> FrameType | None:
    """Return the frame of a generator or coroutine; None if it has ended, or is something else."""
    frame: FrameType | None = getattr(routine, "gi_frame", None) or getattr(routine, "cr_frame", None)
    return frame


def can_be_awaited(awaited: object) -> bool:
    """Tell whether an object that a coroutine yields is a future of asyncio, or the wait for a next turn."""
    return awaited is None or asyncio.isfuture(awaited)


def is_withdrawn(task: TaskBase[Any]) -> bool:
    """Tell whether a task was cancelled and stays incomplete, so that an await of it would never end."""
    return isinstance(task, CancelableTask) and task._is_canceled and not task._is_settled


def withdrawn(task: TaskBase[Any]) -> asyncio.CancelledError:
    """Return the error for an await of a task that is withdrawn."""
    return asyncio.CancelledError(f"{task!r} was cancelled before this await.")
