"""The event loop of one orchestration: asyncio in ``async def`` orchestrators.

The loop reads no clock and has no thread: its time is that of the history, its timers are durable, and its
callbacks run in the order in which they were scheduled, until none is left. So the same history leads to
the same order. What can't be repeated in a replay raises an error.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import _enter_task, _get_running_loop, _leave_task
from asyncio import tasks as asyncio_tasks
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from durablenb.core.loop_tasks import DurableTimer, LoopTask, MainTask, TaskCoroutine, running_frame
from durablenb.core.ports.output import current_owner
from durablenb.core.replay_checker import OrchestratorUnwind
from durablenb.core.running_loop import RunningLoop

if TYPE_CHECKING:
    from durablenb.core.orchestrator_code import OrchestratorCode

_LAST = datetime.max.replace(tzinfo=UTC)
"""The time of timers that are later than a `datetime` can be."""

_SWEEP_AT = 64
"""Tasks of a loop after which those that have ended are dropped."""

_FINALLY_BLOCKS = 100
"""Awaits in ``finally`` blocks at which a coroutine is ended."""


class MainTurn:
    """The entry of the ready queue that continues the orchestrator's own code."""

    _cancelled = False

    def __init__(self, turn: Callable[[], None], context: Context) -> None:
        self._run = turn
        self._context = context


_AbstractLoop: Any = asyncio.AbstractEventLoop  # whose stubs ask for all that is refused here


class OrchestrationLoop(_AbstractLoop):  # type: ignore[misc]
    """The event loop of one execution of an ``async def`` orchestrator.

    Parameters
    ----------
    execution
        The execution, which tells the time and makes requests.
    coroutine
        The orchestrator's coroutine.
    """

    def __init__(self, execution: OrchestratorCode, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.execution = execution
        self.context = Context()
        """The context variables of the orchestrator's own code."""
        self.ready: deque[Any] = deque()
        self._due: list[DurableTimer] = []
        self._tasks: list[LoopTask] = []
        self._sweep_at = _SWEEP_AT
        self._created = 0
        self._is_closed = False
        self.future_done = execution.future_done
        self.main = MainTask(coroutine, self)
        self.main_turn = MainTurn(self._take_turn, self.context)
        self.ready.clear()  # the first step of the main task, which the execution takes itself

    # -- what the execution calls ----------------------------------------------------------------

    @property
    def is_ready(self) -> bool:
        """True if there is a callback to run."""
        return bool(self.ready or self._due)

    def run(self) -> None:
        """Run callbacks until none is left, or the execution stops.

        Raises
        ------
        OrchestratorUnwind
            If the execution's requests don't match its history, or exceed a limit.
        """
        execution, ledger, ready = self.execution, self.execution.ledger, self.ready
        owner = current_owner.get()
        while ready or self._due:
            if self._due:
                ready.extend(self._due)
                self._due.clear()
            for _ in range(len(ready)):
                if execution.is_paused or not ready:  # it waits for more code, or has ended
                    return
                handle = ready.popleft()
                if handle._cancelled:
                    continue
                if handle._context.get(current_owner) is not owner:  # the context is of an earlier episode
                    handle._context.run(current_owner.set, owner)
                handle._run()
                if ledger.is_halted and not execution.is_finished:
                    raise OrchestratorUnwind
                ledger.count_round()

    def pending(self) -> list[LoopTask]:
        """Return the tasks that have not ended, in the order in which they were created."""
        return [task for task in self._tasks if not task.done()]

    def end(self) -> None:
        """Close the coroutines that have not ended, and log the errors that no code has retrieved."""
        if self._is_closed:
            return
        self._is_closed = True
        self.ready.clear()
        self._due.clear()
        before = RunningLoop.now()
        try:
            before.replace(self)
            _close(self.main.coroutine, self.execution.interrupts)
            for task in self._tasks:  # which grows if a `finally` block creates tasks
                if not task.done():
                    _close(task.coroutine, self.execution.interrupts)
                elif task._log_traceback:
                    task._log_traceback = False
                    if self.execution.is_finished and not task.cancelled():
                        self._log("A task has failed, and nothing awaited it", task.exception(), task)
        finally:
            before.restore()
        self._tasks = []

    # -- what asyncio calls ----------------------------------------------------------------------

    def time(self) -> float:
        """Return `current_utc_datetime`, in seconds since 1970."""
        return self.execution.now.timestamp()

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        """Run a callback after those that were scheduled before."""
        if callback is self.future_done:
            callback(*args)
            return None
        handle = asyncio.Handle(callback, args, self, context)
        if not self._is_closed:
            self.ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after so many seconds, by a durable timer."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a time, by a durable timer."""
        handle = DurableTimer(when, callback, args, self, context)
        due = _LAST if when >= _LAST.timestamp() else datetime.fromtimestamp(when, UTC)
        if due <= self.execution.now:
            self._due.append(handle)
        else:
            handle.task = self.execution.create_timer(due)
            handle.task._watch(handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancel the durable timer of a callback, as asyncio requests it."""
        assert isinstance(handle, DurableTimer)
        if handle.task is not None and not handle.task._is_settled:
            handle.task.cancel()

    def create_future(self) -> asyncio.Future[Any]:
        """Return a new future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **given: Any
    ) -> LoopTask:
        """Return a new task that runs a coroutine.

        Raises
        ------
        TypeError
            If `asyncio.as_completed` creates it: it does so in an order that differs in a replay.
        """
        if _is_unordered():
            coro.close()
            raise TypeError(
                "asyncio.as_completed takes what it starts from a set, in an order that differs in a replay. "
                "Pass it tasks: asyncio.as_completed([asyncio.ensure_future(item) for item in ...])."
            )
        self._created += 1
        number = self._created
        bridge = TaskCoroutine(coro, self) if asyncio.iscoroutine(coro) else coro
        task = LoopTask(
            bridge, coro, self, number, name=str(name or f"Task-{number}"), context=context, **given
        )
        self._tasks.append(task)
        if len(self._tasks) > self._sweep_at and not self._is_closed:
            self._tasks = [task for task in self._tasks if not task.done() or task._log_traceback]
            self._sweep_at = _SWEEP_AT + 2 * len(self._tasks)
        return task

    def get_task_factory(self) -> None:
        """Return None: tasks are those of this loop."""

    def get_exception_handler(self) -> None:
        """Return None: errors that no code retrieves are logged."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log an error that no code retrieves."""
        error = context.get("exception")
        if not self._is_closed and not isinstance(error, OrchestratorUnwind):
            self._log(str(context.get("message", "An error in a callback")), error, context.get("task"))

    default_exception_handler = call_exception_handler

    def get_debug(self) -> bool:
        """Return False: asyncio's debug mode reads the clock."""
        return False

    def is_running(self) -> bool:
        """Return True while the orchestrator's code runs."""
        return _get_running_loop() is self

    def is_closed(self) -> bool:
        """Return True if the orchestration has ended."""
        return self._is_closed

    def _take_turn(self) -> None:
        _enter_task(self, self.main)
        try:
            self.execution.take_turn()
        finally:
            if asyncio.current_task(self) is not None:  # else an interrupt cut `end` short
                _leave_task(self, self.main)

    def _log(self, message: str, error: object, task: object = None) -> None:
        of_task = f" ({task.get_name()})" if isinstance(task, asyncio.Task) else ""
        given = error if isinstance(error, BaseException) else None
        self.execution.log_error(f"{message}{of_task}", given)


class _Unloaded(BaseException):
    """Ends a coroutine; a `GeneratorExit` would leave those open that it awaits and that await again."""


def _close(coroutine: Any, interrupts: tuple[type[BaseException], ...]) -> None:
    """End a coroutine, whatever its ``finally`` blocks do; each one that awaits is ended there."""
    for _ in range(_FINALLY_BLOCKS):
        try:
            coroutine.throw(_Unloaded())
        except BaseException as error:
            if isinstance(error, interrupts):
                raise
        if running_frame(coroutine) is None:
            return


def _is_unordered() -> bool:
    """Tell whether a task is being created by `asyncio.as_completed`, which takes them from a set."""
    frame = sys._getframe(2)
    while frame.f_code.co_name in ("ensure_future", "_ensure_future") and frame.f_back is not None:
        frame = frame.f_back
    names = ("<setcomp>", "as_completed", "__init__")  # in Python 3.11, 3.12, and since
    return frame.f_globals is vars(asyncio_tasks) and frame.f_code.co_name in names


_AGAIN = "a replay would do it again. Do it in an activity"

_REFUSED = {
    f"Run functions in threads or processes: {_AGAIN}: await context.call_activity(...).": (
        "run_in_executor set_default_executor shutdown_default_executor"
    ),
    f"Use the network: {_AGAIN}: await context.call_activity(...), or context.call_http(method, uri).": (
        "getaddrinfo getnameinfo create_connection create_server start_tls sendfile create_unix_connection "
        "create_unix_server connect_accepted_socket create_datagram_endpoint add_reader remove_reader "
        "add_writer remove_writer sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall "
        "sock_sendto sock_connect sock_accept sock_sendfile"
    ),
    f"Start processes, or use pipes: {_AGAIN}: await context.call_activity(...).": (
        "subprocess_shell subprocess_exec connect_read_pipe connect_write_pipe"
    ),
    "Handle signals: their times aren't recorded. Cancel the orchestration with handle.cancel(reason), which "
    "raises an error where it waits.": "add_signal_handler remove_signal_handler",
    "Be called from other threads: the time of such a call isn't recorded. Raise an external event, "
    "handle.raise_event(name), and await context.wait_for_external_event(name).": "call_soon_threadsafe",
    "Run an event loop: durablenb runs it. Await the coroutine.": (
        "run_forever run_until_complete stop close shutdown_asyncgens"
    ),
    "Change its event loop: replays rely on it. Remove the call.": (
        "set_task_factory set_exception_handler set_debug"
    ),
}
"""Things that an orchestrator can't do, why, and what to do instead; and the methods of the loop for it."""


def _refusal(name: str, reason: str) -> Callable[..., NoReturn]:
    """Return a method of the loop that raises an error."""
    does, _, rest = reason.partition(": ")

    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotImplementedError(
            f"An orchestrator can't {does[0].lower()}{does[1:]} (asyncio requested {name}): {rest}"
        )

    refuse.__name__ = name
    return refuse


for _reason, _names in _REFUSED.items():
    for _name in _names.split():
        setattr(OrchestrationLoop, _name, _refusal(_name, _reason))
