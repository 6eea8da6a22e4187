"""Waits for an instance's outcome: beside the engine's own thread, or by doing the engine's work."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from copy import copy
from functools import partial
from typing import Any

from durablenb.core.ports.store import InstanceQuery
from durablenb.engine import locks
from durablenb.engine.engine import Engine
from durablenb.engine.instance import InstanceOutcome
from durablenb.engine.messages import Wake, Watch
from durablenb.model.errors import StoreError, WaitTimeoutError

CHECK_SECONDS = 0.2
"""Seconds between two checks whether the wait can still end; an interrupt ends it at once."""


def wait_for_outcome(engine: Engine, instance_id: str, timeout: float | None) -> InstanceOutcome | None:
    """Return the outcome of an instance, or None if it isn't open.

    Parameters
    ----------
    engine
        The engine that runs it.
    instance_id
        The instance.
    timeout
        The seconds to wait, or None for as long as it takes.

    Raises
    ------
    WaitTimeoutError
        If the time is over, or nothing can happen any more that would end the wait.
    StoreError
        If the journal can't be written now.
    DurableError
        If the instance, or a child of it, is blocked; the message says what to do.
    """
    deadline = None if timeout is None else locks.monotonic() + timeout
    promise = outcome_promise(engine, instance_id)
    if promise is None:
        return None
    if not promise.done():
        seconds_left(instance_id, deadline, timeout)  # a timeout of zero must not advance a virtual clock
    with waiting(engine, promise.done):
        while not promise.done():
            seconds = seconds_left(instance_id, deadline, timeout)
            _wait_a_while(engine, instance_id, promise, seconds)
        return promise.result()


def ended_instances(engine: Engine, instance_ids: Sequence[str], timeout: float | None) -> Iterator[str]:
    """Yield the ids of instances as these end, in any order; each has ended on disk by then.

    Parameters
    ----------
    engine
        The engine that has the instances.
    instance_ids
        The instances.
    timeout
        Seconds until all have ended, or None for no limit.

    Raises
    ------
    WaitTimeoutError
        If the time is over, or nothing is left that could end the wait.
    StoreError
        If the journal can't be written now.
    DurableError
        If all instances that are left are blocked; the message is that of the first one.
    """
    deadline = None if timeout is None else locks.monotonic() + timeout
    pending = dict.fromkeys(instance_ids)
    ended: locks.PeekableQueue[str] = locks.PeekableQueue()
    not_open = []
    for instance_id in pending:
        promise: Future[InstanceOutcome] | None = engine.completions.watch(instance_id)
        if promise is None and instance_id in engine.completions:  # the engine has to look at it first
            promise = outcome_promise(engine, instance_id)
        if promise is None:
            not_open.append(instance_id)
        else:
            promise.add_done_callback(partial(_put, ended, instance_id))
    if not_open:
        _wait_for_ends(engine, not_open)
    for instance_id in not_open:
        ended.put(instance_id)
    while pending:
        # A clock must not jump while the caller works on what it got, nor once the next end is there.
        with waiting(engine, lambda: not ended.empty()):
            _wait_for_next(ended, engine, pending, deadline, timeout)
        instance_id = ended.get()
        del pending[instance_id]
        yield instance_id


def _wait_for_next(
    ended: locks.PeekableQueue[str],
    engine: Engine,
    pending: dict[str, None],
    deadline: float | None,
    timeout: float | None,
) -> None:
    first = next(iter(pending))
    while not wait_for_item(ended, engine, first, deadline, timeout):
        if all(_is_blocked(engine, instance_id) for instance_id in pending):
            check_not_blocked(engine, first)


def wait_for_item(
    queue: locks.PeekableQueue[Any],
    engine: Engine,
    instance_id: str,
    deadline: float | None,
    timeout: float | None,
) -> bool:
    """Wait a while until a queue has an item, and return whether it has.

    The engine's work is done here if it has no thread.
    """
    while True:
        seconds = seconds_left(instance_id, deadline, timeout)
        if engine.is_threaded:
            return queue.wait(seconds)
        if not queue.empty():
            return True
        if engine.step() is None and queue.empty():  # all that has ended is on disk
            _rest(engine, instance_id, lambda: not queue.empty(), seconds)


def _wait_for_ends(engine: Engine, instance_ids: Sequence[str]) -> None:
    """Wait until the ends of instances that aren't open any more are on disk.

    Raises
    ------
    StoreError
        If the journal can't be written now, unless all of them are on disk.
    """
    try:
        engine.ask(Watch("")).result()
    except StoreError:
        states = engine.store.states(InstanceQuery(instance_ids=tuple(instance_ids)))
        if len(states) < len(instance_ids) or not all(state.status.is_terminal for state in states):
            raise


def _put(ended: locks.PeekableQueue[str], instance_id: str, _: object) -> None:
    ended.put(instance_id)


def _is_blocked(engine: Engine, instance_id: str) -> bool:
    return engine.refusal() is not None or engine.obstacle(instance_id) is not None


def step(engine: Engine) -> str | None:
    """Do one unit of the engine's work; return what it was, None if nothing can be done now."""
    refusal = engine.refusal()
    if refusal is not None:
        raise refusal
    while True:
        done = engine.step()
        if done is not None:
            return done
        if not engine.is_idle:
            engine.rest(CHECK_SECONDS)
        elif not engine.jump() and engine.is_idle:  # another thread may have sent a message
            return None


def outcome_promise(engine: Engine, instance_id: str) -> Future[InstanceOutcome] | None:
    """Return the promise of an open instance's outcome; None if it isn't open.

    Raises
    ------
    StoreError
        If the journal can't be written now, unless the instance has ended.
    """
    promise = known_promise(engine, instance_id)
    if promise is not None:
        return promise
    try:
        watched: Future[InstanceOutcome] | None = engine.ask(Watch(instance_id)).result()
    except StoreError:
        states = engine.store.states(InstanceQuery(instance_ids=(instance_id,)))
        if not (states and states[0].status.is_terminal):
            raise
        return None
    return watched


def known_promise(engine: Engine, instance_id: str) -> Future[InstanceOutcome] | None:
    """Return the promise if the engine's thread isn't needed for that, else None."""
    if not engine.is_threaded or engine.refusal() is not None:
        return None
    return engine.completions.watch(instance_id)


@contextlib.contextmanager
def waiting(engine: Engine, is_over: Callable[[], bool]) -> Iterator[None]:
    """Tell the engine that a thread waits, so that a virtual clock may jump until `is_over` returns True."""

    def is_waiting() -> bool:
        return not is_over()

    try:
        engine.waiters.add(is_waiting)  # in the block: an interrupt may come as soon as this is done
        if engine.clock.jumps:
            engine.post(Wake())
        yield
    finally:
        engine.waiters.discard(is_waiting)


def seconds_left(instance_id: str, deadline: float | None, timeout: float | None) -> float:
    """Return how long to wait before the next check; raise `WaitTimeoutError` when the time is over."""
    if deadline is None:
        return CHECK_SECONDS
    left = deadline - locks.monotonic()
    if left <= 0:
        raise too_late(instance_id, timeout)
    return min(left, CHECK_SECONDS)


def too_late(instance_id: str, timeout: float | None) -> WaitTimeoutError:
    """Return the error for a wait whose time is over."""
    return WaitTimeoutError(f"{instance_id} did not end within {timeout} s. It is unharmed: wait again.")


def _wait_a_while(engine: Engine, instance_id: str, promise: Future[Any], seconds: float) -> None:
    if engine.is_threaded:
        try:
            promise.result(seconds)
        except TimeoutError:
            check_not_blocked(engine, instance_id)
    elif engine.step() is None and not promise.done():
        _rest(engine, instance_id, promise.done, seconds)
    else:
        engine.settle(instance_id)  # at once, so that each wait ends after the same steps


def _rest(engine: Engine, instance_id: str, is_over: Callable[[], bool], seconds: float) -> None:
    """Wait for a message or a deadline, in the thread that does the work; raise if there will be none."""
    if engine.is_idle and not engine.jump_for_waiters() and not is_over():
        check_not_blocked(engine, instance_id)
        if not engine.can_continue and not is_over():
            raise WaitTimeoutError(
                f"{instance_id} waits, and nothing is left to happen: no activity runs and no "
                "timer is set. Raise the event it waits for, or resume it, then wait again."
            )
    engine.rest(seconds)


def check_not_blocked(engine: Engine, instance_id: str) -> None:
    """Raise the reason if the engine refuses commands, or the instance is blocked.

    What the instance did before that is on disk then, so that its status and its history show it.
    """
    refusal = engine.refusal()
    if refusal is not None:
        raise refusal
    obstacle = engine.obstacle(instance_id)
    if obstacle is not None:
        engine.committer.drain()
        raise copy(obstacle)
