"""Threads and an event loop for the functions of apps, apart from those of activities."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from durablenb.model.event_loop import EventLoop

SIZE = 16
"""The number of functions that run at a time, besides those that are ``async def``."""

ENDING_SECONDS = 2.0
"""The time for running functions to end if `close` doesn't wait."""

Job = tuple["Future[Any]", Callable[..., Any], dict[str, Any]]


class FunctionThreads:
    """Threads for functions, started when they are first needed.

    All ``async def`` functions share one event loop, as in Azure, so that they can share a session or a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._workers = self._busy = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None
        self._coroutines: set[Future[Any]] = set()
        self._is_closed = False

    def submit(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Future[Any]:
        """Call a function, and return the future of its result.

        Raises
        ------
        RuntimeError
            If the threads were closed.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError("The hub is closed.")
            if inspect.iscoroutinefunction(function):
                coroutine = _contained(function(**arguments))
                running = asyncio.run_coroutine_threadsafe(coroutine, self._running_loop())
                self._coroutines.add(running)
                running.add_done_callback(self._coroutines.discard)
                return running
            future: Future[Any] = Future()
            self._busy += 1
            if self._workers < min(self._busy, SIZE):
                self._workers += 1
                self._start(self._work)
            self._jobs.put((future, function, arguments))
            return future

    @property
    def are_here(self) -> bool:
        """True in one of these threads."""
        return threading.current_thread() in self._threads

    def close(self, *, wait: bool) -> None:
        """End the threads; with `wait`, once the running functions have ended."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        if was_closed:
            return
        for _ in self._threads:
            self._jobs.put(None)
        can_wait = wait and not self.are_here
        if can_wait:
            concurrent.futures.wait(list(self._coroutines))
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(_stop_loop(), self._loop)
        if self.are_here:
            return
        deadline = time.monotonic() + ENDING_SECONDS
        for thread in self._threads:
            is_loop = thread is self._loop_thread  # whose tasks may ignore their cancellation
            thread.join(None if can_wait and not is_loop else max(0.0, deadline - time.monotonic()))

    def _start(self, work: Callable[[], None]) -> threading.Thread:
        name = f"durablenb-function-{len(self._threads)}"
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = EventLoop()
            self._loop_thread = self._start(self._run_loop)
        return self._loop

    def _run_loop(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function, arguments = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._result(function, arguments))
                except Exception as error:
                    future.set_exception(error)
                except BaseException as error:
                    future.set_exception(_ended_by(error))
            with self._lock:
                self._busy -= 1
            del job, future, function, arguments

    def _result(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        result = function(**arguments)
        if inspect.iscoroutine(result):  # of a decorated ``async def``
            with self._lock:
                loop = self._running_loop()
            return asyncio.run_coroutine_threadsafe(_contained(result), loop).result()
        return result


async def _contained(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Await a coroutine; an exception that would end the event loop only ends the function."""
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        raise _ended_by(error) from None


def _ended_by(error: BaseException) -> Exception:
    return RuntimeError(f"The function ended by {error!r}.").with_traceback(error.__traceback__)


async def _stop_loop() -> None:
    """Stop the event loop, and cancel tasks that functions have left in it."""
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    loop.stop()
