"""The engine: an inbox, and turns of the state machine behind it.

    inbox -> machine -> journal -> committer -> answers, calls of activities

One rule holds for all threads: only the thread that has the turn, a lock, touches the machine. Mostly that
is a thread of the engine's own (`start`), or the caller of `step`. A thread of the hub's own that brings news
and finds the turn free takes it (`bring`): a hand-over to another thread costs as much as a step. Clients
post messages, wait for replies, and look at `completions` and `runtime_state`.

Every reply has an owner that answers or refuses it: the inbox, the machine's journal, the committer. After a
mistake of durablenb's own the machine is made anew from the journal (`_mend`).
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter
from concurrent.futures import Future
from copy import copy
from datetime import datetime
from functools import partial
from typing import Any

from durablenb.core.ports.clock import Alarms, Clock
from durablenb.core.ports.store import Store
from durablenb.core.registry import Registry
from durablenb.core.requests import same_name
from durablenb.engine import locks
from durablenb.engine.committer import Batch, Committer
from durablenb.engine.completions import Completions
from durablenb.engine.episodes import Running
from durablenb.engine.executors import UNHARMED, Executors, is_worker
from durablenb.engine.health import Health, ThreadState, problems
from durablenb.engine.inbox import Inbox
from durablenb.engine.instance import Instance
from durablenb.engine.logbook import LogBook
from durablenb.engine.machine import Machine, World
from durablenb.engine.messages import ClientMessage, Durable, Finished, Message, Registered, Wake, refuse
from durablenb.engine.options import EngineOptions
from durablenb.engine.pace import Pace
from durablenb.engine.transcript import Speaker, Transcript, current
from durablenb.engine.work import Work
from durablenb.model.errors import DurableError, StoreError
from durablenb.model.events import Event
from durablenb.model.imports import Import
from durablenb.model.plain import Plain, plain

log = logging.getLogger("durablenb")

LOOK_SECONDS = 0.1
"""Seconds between two looks at whether cells have defined what is waited for."""

LONGEST_SLEEP = 60.0
"""Seconds after which the engine looks at the clock again, which may have been set."""

READ_AGAIN_SECONDS = 1.0
"""The longest pause before the journal is read again that could not be read."""

MEND_AGAIN_SECONDS = 60.0
"""A second mistake within this time after the first one stops the hub."""

PATIENCE_SECONDS = 1.0
"""How long somebody who only looks waits for the turn."""

STOP_SECONDS = 2.0
"""The longest wait for an orchestrator that doesn't come back when the process ends."""

MESSAGES_AT_ONCE = 2_000
"""Messages that are taken before what they changed is acted on."""


@plain
class RuntimeState(Plain):
    """State of an instance or an entity that the engine knows and the journal doesn't.

    Parameters
    ----------
    imported
        Where it was imported from, if it was.
    obstacle
        Why it, or one below it, can't go on.
    held, missing
        Why it is held, and the code that it waits for.
    is_open
        Whether it is open.
    without_executor
        The activities whose executor runs nothing any more, each with what it said.
    """

    imported: Import | None = None
    obstacle: Exception | None = None
    held: Exception | None = None
    missing: tuple[str, ...] = ()
    is_open: bool = False
    without_executor: tuple[tuple[str, str], ...] = ()


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
        self.book = LogBook(store, clock.now, options.codec.redact_log, lambda: self.committer.nudge())
        self.committer = Committer(
            store,
            when_idle=self._look_around,
            when_written=self.book.visit,
            before_purge=self.book.forget,
        )
        self.waiters: set[object] = set()
        self.alarms: Alarms | None = None
        self._inbox = Inbox()
        self._pace = Pace()
        self._turn = locks.RLock()
        self._stop = locks.Event()
        self._sleeps_until: datetime | None = None
        self._thread: locks.Thread | None = None
        self._is_threaded = False
        self._is_brought = False
        self._is_stopping = False
        self._is_stopped = False
        self._pid = os.getpid()
        self._is_torn = False
        self._torn_by: BaseException | None = None
        self._mended_at: float | None = None
        self._mistakes = 0
        self._defect: DurableError | None = None
        self._unanswered: dict[Future[Any], float] = {}
        self.completions = Completions()
        self.running = Running()
        self._world = World(
            store,
            clock,
            registry,
            executors,
            self.committer,
            self.book,
            self.post,
            self.bring,
            options,
            self.completions,
            self.running,
        )
        self.machine = Machine(self._world)
        clock.subscribe(lambda: self.post(Wake()))

    # -- from outside ----------------------------------------------------------------------------

    def post(self, message: Message) -> None:
        """Tells the engine something; from any thread."""
        self._inbox.put(message)

    def bring(self, message: Finished | Durable) -> None:
        """As `post`; a thread of the hub's own goes on from here by itself, if it can."""
        if self._is_brought or not self._turn.acquire(blocking=False):
            self.post(message)
            return
        if not self._is_for_bringer(message):
            self._turn.release()
            self.post(message)
            return
        self._is_brought = True
        self._pace.asked()
        try:
            self.machine.apply(message)
            if isinstance(message, Finished):
                self.machine.run_episodes()
            self.machine.start_calls()
        except StoreError:
            pass  # the engine's own thread meets it, too, and waits until it is over
        except BaseException as error:
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
        if self._is_stopping or self._is_torn or self._defect or self.committer.failure:
            return False
        if isinstance(message, Durable):
            return self._is_threaded and len(message.works) == 1
        return self._is_threaded and is_worker() and self.machine.dispatcher.is_last

    def _is_needed(self) -> bool:
        """Whether the engine's own thread has something to do before it would wake."""
        if self._is_torn or self._defect is not None:
            return True
        due = self.machine.timers.next_due()
        return (
            self.machine.has_work
            or bool(self.machine.lifecycle.backlog)
            or self.machine.lifecycle.obstacles.are_names
            or (due is not None and (self._sleeps_until is None or due < self._sleeps_until))
        )

    def ask(self, message: ClientMessage) -> Future[Any]:
        """Asks for something; the future is resolved once the answer is on disk."""
        refusal = self.refusal()
        if refusal is not None:
            refuse(message.reply, refusal)
            return message.reply
        self._unanswered[message.reply] = locks.monotonic()
        message.reply.add_done_callback(self._unanswered.pop)
        try:
            self.post(message)
            if self._is_stopped:
                self._inbox.turn_away(_closed)
            elif (defect := self._defect) is not None:  # it came just before
                self._inbox.turn_away(partial(copy, defect))
            elif not self._is_threaded or locks.current_thread() is self._thread:
                self.accept()
        except KeyboardInterrupt:
            message.reply.cancel()  # what was not done by now is not done at all
            raise
        return message.reply

    def request(self, message: ClientMessage) -> Any:
        """Ask for something, and wait until the answer is on disk.

        After an interrupt, what was asked for is either on disk or not done at all: the same cell, run again,
        sees it or does it.
        """
        try:
            return self.ask(message).result()
        except KeyboardInterrupt:
            message.reply.cancel()
            with contextlib.suppress(StoreError):
                if not self._is_threaded:
                    self.accept()
                elif self._turn.acquire(timeout=STOP_SECONDS):  # the engine may be about to do it
                    self._turn.release()
                self.committer.drain()
            raise

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
        if self.running.is_here:
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

    def use_executor(self, asked: object) -> None:
        """Lets activities that have no executor of their own run here from now on; None changes nothing."""
        if asked is not None and asked != self.executors.default:
            self.executors.default = asked
            self.post(Registered("executor", ""))

    @property
    def open_count(self) -> int:
        """How many instances are open."""
        return len(self.completions)

    def obstacle(self, instance_id: str, patience: float = 0) -> Exception | None:
        """Why an instance, or one below it, can't go on; None if nothing is in its way.

        Parameters
        ----------
        instance_id
            Which one.
        patience
            Seconds to wait for the engine while it is at work. If it is at work for longer, the answer is
            None: look again.
        """
        if not self._turn.acquire(timeout=patience):
            return None
        try:
            return self.machine.lifecycle.obstacles.reason(instance_id)
        finally:
            self._turn.release()

    def runtime_state(self, instance_id: str, patience: float = PATIENCE_SECONDS) -> RuntimeState:
        """Return what only the engine knows of an instance, as `obstacle`; from any thread."""
        imported = self.imported(instance_id)
        if not self._turn.acquire(timeout=patience):
            return RuntimeState(imported)
        try:
            lifecycle = self.machine.lifecycle
            instance = lifecycle.open.get(instance_id)
            reason = lifecycle.obstacles.reason(instance_id)
            if instance is None:
                return RuntimeState(imported, reason)
            return RuntimeState(
                imported,
                reason,
                instance.held,
                tuple(sorted(instance.missing)),
                is_open=True,
                without_executor=tuple(sorted(lifecycle.obstacles.without_executor(instance).items())),
            )
        finally:
            self._turn.release()

    def imported(self, instance_id: str) -> Import | None:
        """Where an instance was imported from, if it was; from any thread, at once."""
        return self.machine.lifecycle.imported.get(instance_id)

    def health(self, file_problem: Exception | None) -> Health:
        """Return the state of the threads, requests and files, without waiting for the turn."""
        now, committer = locks.monotonic(), self.committer
        oldest = min(list(self._unanswered.values()), default=None)
        oldest_request = None if oldest is None else now - oldest
        thread = self._thread
        engine_state: ThreadState = "none"
        if self._is_threaded:
            engine_state = "running" if thread is not None and thread.is_alive() else "ended"
        committed_at = committer.committed_at
        return Health(
            problems(
                (self.refusal(), committer.failure, file_problem),
                oldest_request,
                is_threaded=self._is_threaded,
            ),
            engine_state,
            "running" if committer.is_running else "ended",
            self.open_count,
            committer.backlog,
            None if committed_at is None else now - committed_at,
            oldest_request,
            self._mistakes,
        )

    def in_memory(self, name: str) -> list[tuple[Instance, list[Event]]]:
        """The open instances of an orchestrator that are in memory, with their histories."""
        with self._turn:
            return [
                (one, list(one.execution.history))
                for one in self.machine.lifecycle.open.values()
                if same_name(one.name, name) and one.execution is not None
            ]

    def has_open(self, name: str) -> bool:
        """Whether an instance of an orchestrator is open."""
        with self._turn:
            return any(same_name(one.name, name) for one in self.machine.lifecycle.open.values())

    @property
    def is_running_here(self) -> bool:
        """Whether it is an activity of this hub that asks."""
        speaker = current.get()
        if isinstance(speaker, Transcript):  # an activity that came here by value doesn't know whose it is
            with self._turn:
                return self.machine.dispatcher.is_running
        return isinstance(speaker, Work) and speaker.dispatcher.book is self.book

    @property
    def without_code(self) -> dict[str, int]:
        """How many of them wait for code that isn't registered, by its name; from any thread."""
        found: Counter[str] = Counter()
        for (name, version), count in self.completions.codes().items():
            if self.registry.code(name, version) is None:
                found[self.registry.lacking(name, version)] += count
        return dict(found)

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
        if instance_id not in self.completions:
            self.committer.drain()

    def stop(self, *, wait: bool) -> None:
        """Stops: nothing new starts; with `wait`, what runs is waited for and recorded.

        Raises
        ------
        StoreError
            If the last records could not be written; they were never acknowledged.
        """
        self._is_stopping = True
        self._stop.set()
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
            self.completions.reset({}, _closed)
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
        speaker = current.get()
        if not self._turn.acquire(timeout=-1 if wait else STOP_SECONDS):
            return
        try:
            self.executors.drop_unwanted()
            while wait and self._has_last_to_come:
                self._inbox.listen(0.2)
                self._take_messages()
            if self._defect is None:
                self.accept()
                self._is_stopped = True
        finally:
            self._leave(speaker)
            self._turn.release()

    @property
    def _has_last_to_come(self) -> bool:
        if self._is_torn:  # after an interrupt the machine may count calls that nobody runs
            return False
        return self.machine.dispatcher.is_running and not (self._defect or self.committer.failure)

    # -- turns -----------------------------------------------------------------------------------

    def accept(self) -> None:
        """Applies the messages that are there."""
        with self._turn:
            if self._is_stopped:
                self._inbox.turn_away(_closed)
                return
            speaker = current.get()
            try:
                self._mend()
                self._is_torn = True
                self._take_messages()
                self.machine.flush()
                self._is_torn = False
            finally:
                self._leave(speaker)

    def _mend(self) -> None:
        """After an interrupt, or a mistake, in the middle of the engine's own work: begin with the journal.

        Those who were to be answered once something is on disk that isn't are refused. Whoever waits for an
        instance goes on waiting; an interrupt also ends the wait of the thread that it came to.
        """
        if not self._is_torn:
            return
        try:
            self.committer.submit(Batch())  # behind all that was handed over, and known to be
            self.committer.drain()
        finally:
            self.machine.abandon(_begun_again(self._torn_by))
        self.executors.inline.jobs.clear()
        self._inbox.drop(Durable)  # recovery starts these activities, too
        self.machine = Machine(self._world)
        self._is_torn, self._torn_by = False, None

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
            self._mend()
            self._take_messages()
            try:
                if self.machine.has_work:
                    self._pace.asked()
                self.machine.advance()
                if self.machine.lifecycle.backlog and (self._thread is None or not self._pace.pause):
                    with self._pace.portion():
                        self.machine.catch_up()
            except StoreError:
                if self.committer.failure is None:  # it is reading that fails
                    self.machine.flush()
                raise
            if self.waiters:
                self.jump()

    def step(self) -> str | None:
        """One unit of work in the caller's thread; says what it was, or None if nothing can be done."""
        with self._turn:
            speaker = current.get()
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
            except StoreError:
                raise
            except Exception as mistake:
                self._is_torn, self._torn_by = True, mistake
                raise
            finally:
                self._leave(speaker)

    def _leave(self, speaker: Speaker | None) -> None:
        """Set back whose code runs in a caller's thread: an interrupt may have cut a ``with`` short."""
        self.running.leave()
        current.set(speaker)

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
        with self._turn:
            due = self.machine.timers.next_due()
            return due is not None and self.is_idle and self.clock.jump_to(due)

    @property
    def is_idle(self) -> bool:
        """Whether nothing can happen before time passes or a message comes."""
        with self._turn:  # the inbox last: the last commit may have brought a message
            return self.machine.is_idle and self._inbox.is_empty

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
        with self._turn:
            due = self.machine.timers.next_due()
            return self.machine.dispatcher.is_running or (
                due is not None and self.clock.seconds_until(due) is not None
            )

    def rest(self, longest: float) -> None:
        """Waits for a message or a deadline, at the most this many seconds."""
        with self._turn:
            timeout = self._timeout()
        self._inbox.listen(longest if timeout is None else min(timeout, longest))

    # -- inside ----------------------------------------------------------------------------------

    def _run(self) -> None:
        failures = 0
        while not (self._is_stopping or self._defect):
            try:
                self._wait()
                self.turn()
                failures = 0
            except StoreError:
                self._wait_for_store(failures)
                failures += 1
            except BaseException as error:
                self._break(error)

    def _break(self, error: BaseException) -> None:
        """A mistake of the engine's own: the machine can't be trusted any more; the journal can, once."""
        now = locks.monotonic()
        with self._turn:
            self._mistakes += 1
            if self._mended_at is None or now - self._mended_at > MEND_AGAIN_SECONDS:
                self._mended_at, self._is_torn, self._torn_by = now, True, error
                log.error("%s", _begun_again(error), exc_info=error)
                return
            self._defect = _stopped_by(error)
            log.error("%s", self._defect, exc_info=error)
            self.machine.abandon(self._defect)
        self._inbox.turn_away(partial(copy, self._defect))
        self.completions.reset({}, partial(copy, self._defect))

    def _wait(self) -> None:
        with self._turn:
            if self._is_torn or self.machine.has_work:
                return
            self._sleeps_until = self.machine.timers.next_due()
            timeout = self._timeout()
        self._inbox.wait(timeout)

    def _wait_for_store(self, failures: int) -> None:
        """Wait until the disk takes records again, or until it is time to read again what can't be read."""
        if self.committer.failure is None:
            self._stop.wait(min(0.05 * 2 ** min(failures, 10), READ_AGAIN_SECONDS))
        while (failure := self.committer.failure) is not None and not self._is_stopping:
            self._inbox.turn_away(partial(copy, failure))  # it was asked just before the disk was full
            self._stop.wait(0.05)

    def _timeout(self) -> float | None:
        due = self.machine.timers.next_due()
        seconds = None if due is None else self.clock.seconds_until(due)
        if self.machine.lifecycle.backlog:
            seconds = self._pace.pause if seconds is None else min(seconds, self._pace.pause)
        if self.machine.lifecycle.obstacles.are_names:  # no one tells when a cell defines a name
            return LOOK_SECONDS if seconds is None else min(seconds, LOOK_SECONDS)
        return None if seconds is None else min(seconds, LONGEST_SLEEP)

    def _take_messages(self) -> None:
        for message in self._inbox.take(MESSAGES_AT_ONCE):
            self.machine.apply(message)

    def _look_around(self) -> None:
        """All is on disk: whoever waits for that, a clock that may jump for one, goes on."""
        if not self._is_threaded or (self.waiters and self.clock.jumps):
            self.post(Wake())


def _begun_again(error: BaseException | None) -> DurableError:
    if error is None:
        return StoreError("The kernel was interrupted before this was on disk. Nothing of it was done.")
    return DurableError(
        f"durablenb made a mistake: {type(error).__name__}: {error}. The hub resumes from its journal. What "
        "was not on disk by then was not done: ask again, and please report what led to this."
    )


def _stopped_by(error: BaseException) -> DurableError:
    return DurableError(
        f"The hub stopped because of a mistake in durablenb itself: {type(error).__name__}: {error}. What is "
        "on disk is unharmed. Close the hub and open it again, and please report what led to this."
    )


def _closed() -> StoreError:
    return StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")
