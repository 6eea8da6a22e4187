"""The engine: an inbox, and turns of the state machine behind it.

    inbox -> machine -> journal -> committer -> answers, calls of activities

The machine belongs to one thread at a time: a thread of the engine's own (`start`), or whoever calls `step`.
A thread of the hub's own that brings news and finds it free takes the turn itself (`bring`): to hand over to
another thread costs as much as a step.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future
from copy import copy
from datetime import datetime
from functools import partial
from typing import Any

from durablenb.core.registry import Registry
from durablenb.engine import locks
from durablenb.engine.committer import Committer
from durablenb.engine.executors import UNHARMED, Executors, is_worker
from durablenb.engine.inbox import Inbox
from durablenb.engine.logbook import LogBook
from durablenb.engine.machine import EngineOptions, Machine, World
from durablenb.engine.messages import ClientMessage, Durable, Finished, Message, Wake, refuse
from durablenb.model.errors import DurableError, StoreError, WaitTimeoutError
from durablenb.model.events import Event
from durablenb.ports.clock import Alarms, Clock
from durablenb.ports.store import Store

log = logging.getLogger("durablenb")

LOOK_SECONDS = 0.1
"""Seconds between two looks at whether cells have defined what is waited for."""

LONGEST_SLEEP = 60.0
"""Seconds after which the engine looks at the clock again, which may have been set."""

STOP_SECONDS = 2.0
"""The longest wait for an orchestrator that doesn't come back when the process ends."""

MESSAGES_AT_ONCE = 2_000
"""Messages that are taken before what they changed is acted on."""


class Engine:
    """Runs the orchestrations of one store.

    Parameters
    ----------
    store, clock, registry, executors
        The world.
    options
        See `EngineOptions`.
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
        self.options = options
        self.executors = executors
        self.committer = Committer(store)
        self.committer.when_idle = self._look_around
        self.book = LogBook(store, clock.now, options.codec.told, self.committer.nudge)
        self.committer.when_written = self.book.visit
        self.committer.before_purge = self.book.forget
        self.waiters: set[object] = set()
        self.alarms: Alarms | None = None
        self._inbox = Inbox()
        self._turn = locks.RLock()
        self._sleeps_until: datetime | None = None
        self._thread: locks.Thread | None = None
        self._is_threaded = False
        self._is_brought = False
        self._is_stopping = False
        self._is_stopped = False
        self._pid = os.getpid()
        self._is_torn = False
        self._defect: DurableError | None = None
        self._world = World(
            store, clock, registry, executors, self.committer, self.book, self.post, self.bring, options
        )
        self.machine = Machine(self._world)
        clock.subscribe(lambda: self.post(Wake()))

    # -- from outside ----------------------------------------------------------------------------

    def post(self, message: Message) -> None:
        """Tells the engine something; from any thread."""
        self._inbox.put(message)

    def bring(self, message: Finished | Durable) -> None:
        """As `post`; a thread of the hub's own goes on from here by itself, if it can."""
        if not (self._is_for_bringer(message) and self._turn.acquire(blocking=False)):
            self.post(message)
            return
        self._is_brought = True
        try:
            self.machine.apply(message)
            if isinstance(message, Finished):
                self.machine.run_episodes()
            self.machine.start_calls()
        except StoreError:
            pass  # the engine's own thread meets it, too, and waits until it is over
        except Exception as error:
            self._break(error)
        finally:
            is_needed = self._is_needed()
            self._is_brought = False
            self._turn.release()
        if is_needed:
            self.post(Wake())

    def _is_for_bringer(self, message: Finished | Durable) -> bool:
        """Whether nothing is lost if the thread that brings this doesn't hand it over.

        Of many activities' ends the engine's own thread takes what has gathered: an episode for each would
        be dear. And the committer is to commit while many calls are started.
        """
        if self._is_brought or self._is_stopping or self._defect or self.committer.failure:
            return False
        if isinstance(message, Durable):
            return self._is_threaded and len(message.works) == 1
        return self._is_threaded and is_worker() and self.machine.dispatcher.is_last

    def _is_needed(self) -> bool:
        """Whether the engine's own thread has something to do before it would wake."""
        due = self.machine.timers.next_due()
        return (
            self.machine.has_work
            or self.machine.lifecycle.obstacles.are_names
            or (due is not None and (self._sleeps_until is None or due < self._sleeps_until))
            or self._defect is not None
        )

    def ask(self, message: ClientMessage) -> Future[Any]:
        """Asks for something; the future is resolved once the answer is on disk."""
        refusal = self.refusal()
        if refusal is not None:
            refuse(message.reply, refusal)
            return message.reply
        try:
            self.post(message)
            if self._is_stopped:
                self._inbox.turn_away(_closed)
            elif not self._is_threaded or locks.current_thread() is self._thread:
                self.accept()
        except KeyboardInterrupt:
            message.reply.cancel()  # what was not done by now is not done at all
            raise
        return message.reply

    @property
    def is_foreign(self) -> bool:
        """Whether this is a forked child's copy, which must do nothing."""
        return os.getpid() != self._pid

    def refusal(self) -> DurableError | None:
        """Why nothing can be asked for now, or None."""
        if self.is_foreign:
            return StoreError(
                "This process was forked from the one that has the hub open; what it asked for would be "
                "lost. Open a hub of its own, on another file, or start workers with 'spawn'."
            )
        if self._is_stopping:
            return _closed()
        if self.machine.episodes.running.is_here and not self._is_torn:
            return DurableError(
                "An orchestrator can't use the hub that runs it: it would wait for itself. Let an activity "
                "do it, or use the context: call_sub_orchestrator, continue_as_new, ..."
            )
        obstacle = self._defect or self.committer.failure
        return None if obstacle is None else copy(obstacle)  # each is raised once

    def start(self) -> None:
        """Begins to run in a thread of its own."""
        self._is_threaded = True
        self._inbox.is_watched = False
        self.book.is_shown = False
        self._thread = locks.Thread(target=self._run, name="durablenb-engine", daemon=True)
        self._thread.start()

    @property
    def open_count(self) -> int:
        """How many instances are open."""
        return len(self.machine.lifecycle.open)

    @property
    def is_threaded(self) -> bool:
        """Whether the engine has a thread of its own."""
        return self._is_threaded

    def settle_log(self) -> None:
        """Waits until what was printed by now is on disk, unless the disk takes nothing now."""
        self.book.flush(lambda: self.committer.is_running and self.committer.failure is None)

    def settle(self, instance_id: str) -> None:
        """Waits for the disk if that instance has ended.

        Raises
        ------
        StoreError
            If the journal can't be written now.
        """
        if instance_id not in self.machine.lifecycle.open:
            self.committer.drain()

    def stop(self, *, wait: bool) -> None:
        """Stops: nothing new starts; with `wait`, what runs is waited for and recorded.

        Raises
        ------
        StoreError
            If the last records could not be written; they were never acknowledged.
        """
        self._is_stopping = True
        self.machine.dispatcher.is_closing = True
        thread, self._thread = self._thread, None
        self._inbox.is_watched = True
        try:
            if thread is not None:
                self.post(Wake())
                thread.join(None if wait else STOP_SECONDS)
            if thread is None or not thread.is_alive():
                self._take_last(wait)
        except BaseException:  # an interrupt: what runs is not waited for any more
            wait = False
            raise
        finally:
            self._is_stopped = True
            self._inbox.turn_away(_closed)
            try:
                self.executors.close(wait=wait)
            finally:
                self._close_files()

    def _close_files(self) -> None:
        try:
            self.committer.close()
        finally:
            self.book.end()

    def _take_last(self, wait: bool) -> None:
        """With `wait` until nothing runs any more: takes the messages that still come."""
        if not self._turn.acquire(timeout=-1 if wait else STOP_SECONDS):
            return
        try:
            self.executors.drop_queued()
            while (
                wait and self.machine.dispatcher.is_running and not (self._defect or self.committer.failure)
            ):
                self._inbox.listen(0.2)
                self._take_messages()
            if self._defect is None:
                self.accept()
                self._is_stopped = True
        finally:
            self._turn.release()

    # -- turns -----------------------------------------------------------------------------------

    def accept(self) -> None:
        """Applies the messages that are there."""
        with self._turn:
            if self._is_stopped:
                self._inbox.turn_away(_closed)
                return
            self._mend()
            self._is_torn = True
            self._take_messages()
            self.machine.flush()
            self._is_torn = False

    def _mend(self) -> None:
        """After an interrupt in the middle of the engine's own work: begins again with the journal."""
        if not self._is_torn:
            return
        self.committer.drain()
        waited_for = [one.completion for one in self.machine.lifecycle.open.values() if one.completion]
        self.executors.inline.jobs.clear()
        self.machine.dispatcher.is_closing = True  # what it has not begun is begun anew
        self.machine.episodes.unload()
        self._inbox.drop(Durable)  # recovery starts these activities, too
        interrupted = WaitTimeoutError("The wait ended because the kernel was interrupted. Wait again.")
        for completion in waited_for:
            refuse(completion, interrupted)
        self.machine = Machine(self._world)
        self._is_torn = False

    def ask_again(self, instance_id: str, facts: list[Event]) -> None:
        """Asks others for what an instance waits for, whose history was copied from another journal."""
        with self._turn:
            instance = self.machine.lifecycle.open.get(instance_id)
            if instance is not None:
                self.machine.episodes.ask_again(instance, facts)
            self.machine.flush()

    def turn(self) -> None:
        """All that can be done now; what the engine's own thread does again and again.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next turn goes on from here.
        """
        with self._turn:
            self._take_messages()
            self.machine.advance()
        if self.waiters:
            self.jump()

    def step(self) -> str | None:
        """One unit of work in the caller's thread; says what it was, or None if nothing can be done."""
        with self._turn:
            try:
                done = self._step()
                self.machine.flush()
                return done
            except KeyboardInterrupt as interrupt:
                was_torn, self._is_torn = self._is_torn, True
                if not was_torn and UNHARMED in getattr(interrupt, "__notes__", ()):
                    self.machine.flush()
                    self._is_torn = False
                raise

    def _step(self) -> str | None:
        self._mend()
        self._take_messages()
        done = self.machine.work()
        if done is None and not self.machine.is_on_disk:
            self.machine.flush()  # only when all else is done: no haste of the disk shows in a history
            self.committer.drain()
            self._take_messages()
        if done is None:
            self.machine.offer_durable()
            done = self.machine.work()
        return done or self.machine.fire_timers()

    def jump(self) -> bool:
        """Moves a virtual clock to the next deadline if nothing else can happen; answers whether."""
        due = self.machine.timers.next_due()
        return due is not None and self.is_idle and self.clock.jump_to(due)

    @property
    def is_idle(self) -> bool:
        """Whether nothing can happen before time passes or a message comes."""
        return self.machine.is_idle and self._inbox.is_empty  # last: the last commit may have brought one

    def next_due(self) -> datetime | None:
        """When the next timer, start or signal is due; from any thread."""
        with self._turn:
            return self.machine.timers.next_due()

    def is_settled(self) -> bool:
        """Whether all has happened that was due by now; from any thread."""
        with self._turn:
            due = self.machine.timers.next_due()
            return self.is_idle and (due is None or due > self.clock.now())

    @property
    def can_go_on(self) -> bool:
        """Whether an activity that runs or the passing of time will bring something about."""
        due = self.machine.timers.next_due()
        return self.machine.dispatcher.is_running or (
            due is not None and self.clock.seconds_until(due) is not None
        )

    def rest(self, longest: float) -> None:
        """Waits for a message or a deadline, at the most this many seconds."""
        timeout = self._timeout()
        self._inbox.listen(longest if timeout is None else min(timeout, longest))

    # -- inside ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not (self._is_stopping or self._defect):
            try:
                self._wait()
                self.turn()
            except StoreError:
                self._wait_for_room()
            except Exception as error:
                self._break(error)

    def _break(self, error: Exception) -> None:
        """A mistake of the engine's own: nothing goes on."""
        self._defect = _stopped_by(error)
        log.exception("%s", self._defect)

    def _wait(self) -> None:
        with self._turn:
            if self.machine.has_work:
                return
            self._sleeps_until = self.machine.timers.next_due()
            timeout = self._timeout()
        message = self._inbox.wait(timeout)
        if message is not None:
            with self._turn:
                self.machine.apply(message)

    def _wait_for_room(self) -> None:
        """Nothing goes on until the disk takes records again."""
        while (failure := self.committer.failure) is not None and not self._is_stopping:
            self._inbox.turn_away(partial(copy, failure))  # it was asked just before the disk was full
            locks.Event().wait(0.05)

    def _timeout(self) -> float | None:
        due = self.machine.timers.next_due()
        seconds = None if due is None else self.clock.seconds_until(due)
        if self.machine.lifecycle.obstacles.are_names:  # no one tells when a cell defines a name
            return LOOK_SECONDS if seconds is None else min(seconds, LOOK_SECONDS)
        return None if seconds is None else min(seconds, LONGEST_SLEEP)

    def _take_messages(self) -> None:
        for message in self._inbox.take(MESSAGES_AT_ONCE):
            self.machine.apply(message)

    def _look_around(self) -> None:
        """All is on disk: whoever waits for that, a clock that may jump for one, goes on."""
        if self._thread is None or (self.waiters and self.machine.timers):
            self.post(Wake())


def _stopped_by(error: Exception) -> DurableError:
    return DurableError(
        f"The hub stopped because of a mistake in durablenb itself: {type(error).__name__}: {error}. What is "
        "on disk is unharmed. Close the hub and open it again, and please report what led to this."
    )


def _closed() -> StoreError:
    return StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")
