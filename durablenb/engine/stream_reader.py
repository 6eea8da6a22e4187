"""Reads what activities of an instance stream, in a thread or in an event loop."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future
from weakref import finalize

from durablenb.engine import locks
from durablenb.engine.engine import Engine
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.waiting import check_not_blocked, outcome_promise, seconds_left, wait_for_item, waiting
from durablenb.model.activities import StreamPiece, TextStream


class StreamReader(TextStream):
    """The pieces that activities of an instance stream from now on, until it has ended on disk.

    A wait that is given up, by an interrupt, a cancellation or a timeout around it, loses no piece: the next
    wait gets it. Reading raises what `wait_for_outcome` raises.

    Parameters
    ----------
    engine
        The engine that runs it.
    instance_id
        The instance.
    timeout
        The seconds until it has ended, or None for no limit.
    """

    def __init__(self, engine: Engine, instance_id: str, timeout: float | None) -> None:
        self._engine = engine
        self._id = instance_id
        self._timeout = timeout
        self._deadline = None if timeout is None else locks.monotonic() + timeout
        self._pieces = engine.streams.open(instance_id)
        self._is_watched = False
        self._promise: Future[InstanceOutcome] | None = None
        self._close = finalize(self, engine.streams.close, instance_id, self._pieces)
        self._close.atexit = False

    def __next__(self) -> StreamPiece:
        if self._close.alive and not self._is_watched:
            self._watch(outcome_promise(self._engine, self._id))
        pieces = self._pieces.queue
        while self._close.alive:
            with waiting(self._engine, self._has_piece):
                is_there = wait_for_item(pieces, self._engine, self._id, self._deadline, self._timeout)
            if not is_there:
                check_not_blocked(self._engine, self._id)
                continue
            piece = pieces.get()
            if piece is not None:
                return piece
            self._end()
        raise StopIteration

    async def __anext__(self) -> StreamPiece:
        from asyncio import sleep  # slow to import

        from durablenb.engine.async_waiting import outcome_promise_async

        if not self._engine.is_threaded:  # this thread does the work
            await sleep(0)
            found = next(self, None)
            if found is None:
                raise StopAsyncIteration
            return found
        if self._close.alive and not self._is_watched:
            self._watch(await outcome_promise_async(self._engine, self._id))
        while self._close.alive:
            with waiting(self._engine, self._has_piece):
                await self._wait_async()
            piece = self._pieces.queue.get()
            if piece is not None:
                return piece
            self._end()
        raise StopAsyncIteration

    async def _wait_async(self) -> None:
        """Wait in the event loop until there is a piece."""
        import asyncio  # slow to import

        loop, arrived = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and so nothing waits in it
                loop.call_soon_threadsafe(arrived.set)

        self._pieces.call_on_arrival(wake)
        try:
            while self._pieces.queue.empty():
                seconds = seconds_left(self._id, self._deadline, self._timeout)
                try:
                    async with asyncio.timeout(seconds):
                        await arrived.wait()
                except TimeoutError:
                    check_not_blocked(self._engine, self._id)
        finally:
            self._pieces.call_on_arrival(None)

    def close(self) -> None:
        """Read no more pieces."""
        self._close()

    def _has_piece(self) -> bool:
        return not self._pieces.queue.empty()

    def _watch(self, promise: Future[InstanceOutcome] | None) -> None:
        self._is_watched = True
        self._promise = promise
        if promise is None:
            self.close()
        else:
            pieces = self._pieces
            promise.add_done_callback(lambda _: pieces.put(None))

    def _end(self) -> None:
        """Close, or raise an error if the hub was closed meanwhile."""
        self.close()
        assert self._promise is not None
        self._promise.result()
