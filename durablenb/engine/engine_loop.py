"""The engine's loop: messages and time change the state, one thread at a time.

    inbox -> state -> write buffer -> committer -> answers, jobs for executors

One rule holds for all threads: only the thread that has the turn, which is a lock, touches the state. Mostly
that is the engine's own thread (`EngineLoop.start`), or the caller of `EngineLoop.step`. A thread of the hub
that has a message, and finds the turn free, takes it (`EngineLoop.apply_inline`): handing the message to
another thread would take as long as an episode.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from copy import copy
from datetime import datetime
from functools import partial

from durablenb.core.activity_context import ActivityContext, current_context
from durablenb.core.ports.clock import Clock
from durablenb.core.ports.output import OutputOwner, current_owner
from durablenb.core.ports.store import Store
from durablenb.core.registry import Registry
from durablenb.core.running_loop import RunningLoop
from durablenb.engine import locks
from durablenb.engine.attempt_writer import AttemptWriter
from durablenb.engine.backlog_pace import BacklogPace
from durablenb.engine.capture.log_writer import LogWriter
from durablenb.engine.committer import Committer, WriteBatch
from durablenb.engine.executors import Executors
from durablenb.engine.inbox import Inbox, Message
from durablenb.engine.jobs import ActivityBegun, ActivityFinished, Committed
from durablenb.engine.messages import Wake
from durablenb.engine.options import EngineOptions
from durablenb.engine.services import EngineServices
from durablenb.engine.state import EngineState
from durablenb.engine.streams import Streams
from durablenb.engine.thread_executors import UNHARMED, is_worker
from durablenb.model.address import Address
from durablenb.model.errors import DurableError, StoreError

log = logging.getLogger("durablenb")

NAME_CHECK_SECONDS = 0.1
"""Seconds between two checks whether cells have defined what instances wait for."""

LONGEST_SLEEP = 60.0
"""Seconds after which the engine reads the clock again, which may have been set."""

READ_AGAIN_SECONDS = 1.0
"""The longest pause before the journal is read again after it could not be read."""

REBUILD_SECONDS = 60.0
"""A second mistake within this time after the first one stops the hub."""

MESSAGES_AT_ONCE = 2_000
"""Messages that are applied before their effects are carried out."""

WhoseCode = tuple[OutputOwner | None, ActivityContext | None, RunningLoop]
"""The owner of what a thread prints, the activity that it runs, and its event loop."""


class EngineLoop:
    """Applies messages, and carries out what follows, in a thread of its own or in its callers' threads.

    Each reply has an owner that answers or refuses it: the inbox, the write buffer, or the committer. After a
    mistake of durablenb's own, the state is rebuilt from the journal.

    Parameters
    ----------
    store, clock, registry, executors
        The ports, and the registered functions.
    options
        The options of the engine.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        registry: Registry,
        executors: Executors,
        options: EngineOptions,
    ) -> None:
        self.store = store
        self.clock = clock
        self.registry = registry
        self.executors = executors
        self.options = options
        self.log_writer = LogWriter(store, clock.now, options.codec.redact_log, self._nudge_committer)
        self.attempt_writer = AttemptWriter(store, self._nudge_committer)
        self.streams = Streams(lambda instance_id: self.completions.parent_id(instance_id))
        self._side_writers = self.log_writer, self.attempt_writer
        self.committer = Committer(
            store,
            when_idle=self._all_is_committed,
            when_written=self._write_beside,
            before_purge=self._forget_beside,
        )
        self.address: Address | None = None
        """The address at which the hub is served; None if it isn't."""
        self.waiters: set[Callable[[], bool]] = set()
        """For each thread in a wait for an instance, a function that returns True until the wait can end."""
        self._inbox = Inbox()
        self._pace = BacklogPace()
        self._lock = locks.RLock()
        self._stop = locks.Event()
        self._sleeps_until: datetime | None = None
        self._watches_past = False
        """True if the engine's own thread wakes up when past generations are to be deleted."""
        self._thread: locks.Thread | None = None
        self._is_threaded = False
        self._is_applying_inline = False
        self._is_stopping = False
        self._is_stopped = False
        self._is_damaged = False
        self._damaged_by: BaseException | None = None
        self._mistakes = Mistakes()
        self._defect: DurableError | None = None
        self._services = self._make_services()
        self.completions = self._services.completions
        self.orchestrator_scope = self._services.orchestrator_scope
        self._state = EngineState(self._services)
        clock.subscribe(lambda: self.post(Wake()))

    def _make_services(self) -> EngineServices:
        return EngineServices(
            self.store,
            self.clock,
            self.registry,
            self.executors,
            self.committer,
            self.log_writer,
            self.attempt_writer,
            self.streams,
            self.apply_inline,
            self.options,
            address=lambda: self.address,
        )

    def _nudge_committer(self) -> None:
        self.committer.nudge()

    @property
    def is_threaded(self) -> bool:
        """True if the engine has a thread of its own."""
        return self._is_threaded

    def _write_beside(self) -> float | None:
        """Write what no fact follows from; return the seconds until the next time, None if none comes."""
        first, second = self.log_writer.visit(), self.attempt_writer.visit()
        if first is None or second is None:
            return second if first is None else first
        return min(first, second)

    def _forget_beside(self, instance_ids: Sequence[str], execution_ids: Sequence[str]) -> None:
        for writer in self._side_writers:
            writer.forget(instance_ids, execution_ids)

    def publish_address(self, address: Address | None) -> None:
        """Note the address at which the hub is served; None if it isn't any more."""
        self.address = address

    # -- messages --------------------------------------------------------------------------------

    def post(self, message: Message) -> None:
        """Add a message to the inbox; from any thread."""
        self._inbox.put(message)

    def apply_inline(self, message: ActivityBegun | ActivityFinished | Committed) -> None:
        """Apply a message, and carry out what follows, in a thread of the hub; post it if that can't be."""
        # A thread of the user's posts it: there, an interrupt could come right after the lock was taken.
        if not self._may_take_turn(message) or not self._lock.acquire(blocking=False):
            self.post(message)
            return
        if not self._may_apply_inline(message):
            self._lock.release()
            self.post(message)
            return
        self._is_applying_inline = True
        self.committer.expect_leader(True)
        self._pace.note_work()
        try:
            self._state.apply(message)
            if isinstance(message, ActivityFinished):
                self._state.run_episodes()
            self._state.start_jobs()
        except StoreError:
            pass  # the engine's own thread gets it as well, and waits until the disk can be written
        except BaseException as error:
            self._break(error)
        finally:
            is_needed = self._needs_own_thread()
            self._is_applying_inline = False
            self.committer.expect_leader(False)
            self._lock.release()
        if is_needed:
            self.post(Wake())
        self.committer.lead()

    def _may_take_turn(self, message: ActivityBegun | ActivityFinished | Committed) -> bool:
        """Return True if the calling thread is the hub's own, and may apply such a message.

        The committer is to commit while many jobs begin.
        """
        if not self._is_threaded or self._is_applying_inline:
            return False
        if isinstance(message, Committed):
            return len(message.jobs) == 1
        return isinstance(message, ActivityFinished) and is_worker()

    def _may_apply_inline(self, message: ActivityBegun | ActivityFinished | Committed) -> bool:
        """Return True if nothing is gained by handing the message to the engine's own thread.

        When many activities end, the engine's own thread applies all ends that have gathered: an episode for
        each would be expensive.
        """
        if self._is_stopping or self._is_damaged or self._defect or self.committer.failure:
            return False
        return isinstance(message, Committed) or self._state.dispatcher.is_last

    def _needs_own_thread(self) -> bool:
        """Return True if the engine's own thread has something to do before it would wake up."""
        if self._is_damaged or self._defect is not None:
            return True
        due = self._state.timers.next_due()
        return (
            self._state.has_work
            or bool(self._state.instances.backlog)
            or self._state.instances.blocked.has_undefined
            or (self._state.retention.pause is not None and not self._watches_past)
            or (due is not None and (self._sleeps_until is None or due < self._sleeps_until))
        )

    # -- turns -----------------------------------------------------------------------------------

    def accept(self) -> None:
        """Apply the messages that are there."""
        with self._lock:
            if self._is_stopped:
                self._inbox.refuse_all(closed_error)
                return
            caller = whose_code()
            try:
                self._rebuild_if_damaged()
                self._is_damaged = True
                self._apply_messages()
                self._state.flush()
                self._is_damaged = False
            finally:
                self._leave(caller)

    def turn(self) -> None:
        """Do all that can be done now; the engine's own thread calls it again and again.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next turn continues from here.
        """
        with self._lock:
            self._rebuild_if_damaged()
            self._apply_messages()
            self.committer.expect_leader(self._thread is not None and self._inbox.is_empty)
            try:
                if self._state.has_work:
                    self._pace.note_work()
                self._state.advance()
                if self._state.instances.backlog and (self._thread is None or not self._pace.pause):
                    with self._pace.portion():
                        self._state.advance_backlog()
            except StoreError:
                if self.committer.failure is None:  # the journal can't be read
                    self._state.flush()
                raise
            finally:
                self.committer.expect_leader(False)
            if self.waiters:
                self.jump_for_waiters()

    def step(self) -> str | None:
        """Do one unit of work in the caller's thread; return what it was, None if nothing can be done."""
        with self._lock:
            caller = whose_code()
            try:
                done = self._step()
                self._state.flush()
                return done
            except KeyboardInterrupt as interrupt:
                was_damaged, self._is_damaged = self._is_damaged, True
                if not was_damaged and UNHARMED in getattr(interrupt, "__notes__", ()):
                    self._state.flush()
                    self._is_damaged = False
                raise
            except StoreError:
                raise
            except Exception as mistake:
                self._is_damaged, self._damaged_by = True, mistake
                raise
            finally:
                self._leave(caller)

    def _step(self) -> str | None:
        self._rebuild_if_damaged()
        self._apply_messages()
        done = self._state.run_one()
        if done is None and not self._state.is_on_disk:
            self._state.flush()  # only after all else, so that histories don't depend on the disk's speed
            self.committer.drain()
            self._apply_messages()
        if done is None:
            self._state.dispatcher.offer_committed()
            done = self._state.run_one()
        return done or self._state.fire_timers()

    def _leave(self, caller: WhoseCode) -> None:
        """Reset whose code runs in a caller's thread: an interrupt may have cut a ``with`` block short."""
        self.orchestrator_scope.leave()
        owner, activity, loop = caller
        current_owner.set(owner)
        current_context.set(activity)
        loop.restore()

    def _apply_messages(self) -> None:
        for message in self._inbox.take(MESSAGES_AT_ONCE):
            self._state.apply(message)

    def jump(self) -> bool:
        """Move a virtual clock to the next deadline if nothing else can happen; return True if it moved."""
        with self._lock:
            due = self._state.timers.next_due()
            return due is not None and self.is_idle and self.clock.jump_to(due)

    def jump_for_waiters(self) -> bool:
        """Jump if a wait is not over; a thread may not have seen yet that its wait is."""
        with self._lock:  # a promise is kept before its commit counts: once all is idle, no wait is missed
            return self.is_idle and any(is_waiting() for is_waiting in list(self.waiters)) and self.jump()

    @property
    def is_idle(self) -> bool:
        """True if nothing can happen before time passes or a message comes."""
        with self._lock:  # the inbox last: the last commit may have brought a message
            return self._state.is_idle and self._inbox.is_empty

    def next_due(self) -> datetime | None:
        """Return when the next timer, start or signal is due; from any thread."""
        with self._lock:
            return self._state.timers.next_due()

    def is_settled(self) -> bool:
        """Return True if all has happened that was due by now; from any thread."""
        with self._lock:
            due = self._state.timers.next_due()
            return self.is_idle and (due is None or due > self.clock.now())

    @property
    def can_continue(self) -> bool:
        """True if something can happen now, when a running activity ends or when time passes."""
        with self._lock:
            due = self._state.timers.next_due()
            return (
                not self.is_idle
                or self._state.dispatcher.is_running
                or (due is not None and (self.clock.jumps or self.clock.seconds_until(due) is not None))
            )

    def rest(self, longest: float) -> None:
        """Wait for a message or a deadline, at most this many seconds."""
        with self._lock:
            timeout = self._timeout()
        self._inbox.listen(longest if timeout is None else min(timeout, longest))

    # -- the engine's own thread -----------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not (self._is_stopping or self._defect):
            try:
                self._wait()
                try:
                    self.turn()
                finally:
                    self.committer.lead()
                failures = 0
            except StoreError:
                self._wait_for_store(failures)
                failures += 1
            except BaseException as error:
                self._break(error)

    def _wait(self) -> None:
        with self._lock:
            if self._is_damaged or self._state.has_work:
                return
            self._sleeps_until = self._state.timers.next_due()
            self._watches_past = self._state.retention.pause is not None
            timeout = self._timeout()
        self._inbox.wait(timeout)

    def _timeout(self) -> float | None:
        due = self._state.timers.next_due()
        seconds = None if due is None else self.clock.seconds_until(due)
        if self._state.instances.backlog:
            seconds = self._pace.pause if seconds is None else min(seconds, self._pace.pause)
        if (pause := self._state.retention.pause) is not None:
            seconds = pause if seconds is None else min(seconds, pause)
        if self._state.instances.blocked.has_undefined:  # nothing reports that a cell defines a name
            return NAME_CHECK_SECONDS if seconds is None else min(seconds, NAME_CHECK_SECONDS)
        return None if seconds is None else min(seconds, LONGEST_SLEEP)

    def _wait_for_store(self, failures: int) -> None:
        """Wait until the journal can be written again, or until it is time to try to read it again."""
        if self.committer.failure is None:
            self._stop.wait(min(0.05 * 2 ** min(failures, 10), READ_AGAIN_SECONDS))
        while (failure := self.committer.failure) is not None and not self._is_stopping:
            self._inbox.refuse_all(partial(copy, failure))  # commands from just before the disk was full
            self._stop.wait(0.05)

    def _all_is_committed(self) -> None:
        """Wake threads that wait until all is on disk, such as a virtual clock before it jumps."""
        if not self._is_threaded or (self.waiters and self.clock.jumps):
            self.post(Wake())

    # -- mistakes and interrupts -----------------------------------------------------------------

    def _break(self, error: BaseException) -> None:
        """Handle a mistake of the engine's own: rebuild the state from the journal; the second time, stop."""
        with self._lock:
            if not self._mistakes.note():
                self._is_damaged, self._damaged_by = True, error
                log.error("%s", _rebuilt_error(error), exc_info=error)
                return
            self._defect = _stopped_error(error)
            log.error("%s", self._defect, exc_info=error)
            self._state.abandon(self._defect)
        self._inbox.refuse_all(partial(copy, self._defect))
        self.completions.reset({}, partial(copy, self._defect))

    def _rebuild_if_damaged(self) -> None:
        """Rebuild the state from the journal if an interrupt or a mistake came in the middle of a change.

        Clients that wait for an answer which isn't on disk are refused. Those that wait for an instance
        continue to wait; an interrupt also ends the wait of the thread that gets it.
        """
        if not self._is_damaged:
            return
        try:
            self.committer.submit(WriteBatch())  # follows all that was handed over, and is counted for sure
            self.committer.drain()
        finally:
            self._state.abandon(_rebuilt_error(self._damaged_by))
        self.executors.inline.jobs.clear()
        self._state = EngineState(self._services)
        self._is_damaged, self._damaged_by = False, None


class Mistakes:
    """Counts the engine's own mistakes, and recognizes a second one soon after the first."""

    def __init__(self) -> None:
        self.count = 0
        self._first_at: float | None = None

    def note(self) -> bool:
        """Count a mistake; return True if it follows another one so soon that the state can't be trusted."""
        now = locks.monotonic()
        self.count += 1
        if self._first_at is not None and now - self._first_at <= REBUILD_SECONDS:
            return True
        self._first_at = now
        return False


def whose_code() -> WhoseCode:
    """Return whose code runs in the calling thread."""
    return current_owner.get(), current_context.get(), RunningLoop.now()


def closed_error() -> StoreError:
    """Return the error for requests to a closed hub."""
    return StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")


def _rebuilt_error(error: BaseException | None) -> DurableError:
    if error is None:
        return StoreError("The kernel was interrupted before this was on disk. Nothing of it was done.")
    return DurableError(
        f"durablenb made a mistake: {type(error).__name__}: {error}. The hub resumes from its journal. What "
        "was not on disk by then was not done: ask again, and please report what led to this."
    )


def _stopped_error(error: BaseException) -> DurableError:
    return DurableError(
        f"The hub stopped because of a mistake in durablenb itself: {type(error).__name__}: {error}. What is "
        "on disk is unharmed. Close the hub and open it again, and please report what led to this."
    )
