"""The engine: a state machine over messages. It applies them, runs episodes, commits, starts activities.

    inbox -> apply -> facts in the journal -> episodes -> more facts -> commit -> answers, activities

All of its state belongs to one thread at a time: a thread of its own (`start`), or whoever calls `step`.
"""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from copy import copy
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

from durablenb.core.registry import Registry
from durablenb.engine.commands import Commands
from durablenb.engine.committer import Committer
from durablenb.engine.dispatcher import Dispatcher
from durablenb.engine.episodes import EpisodeOptions, Episodes
from durablenb.engine.executors import UNHARMED, Executors
from durablenb.engine.instance import Instance
from durablenb.engine.journal import Journal
from durablenb.engine.locks import Event
from durablenb.engine.messages import (
    ClientMessage,
    Durable,
    Finished,
    Message,
    Registered,
    Wake,
    refuse,
)
from durablenb.engine.timers import Timers
from durablenb.engine.work import Work
from durablenb.model.errors import (
    DurableError,
    FunctionNotFoundError,
    InstanceStateError,
    StoreError,
    WaitTimeoutError,
)
from durablenb.model.events import (
    SubOrchestrationInstanceCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
)
from durablenb.model.payloads import Codec
from durablenb.ports.clock import Clock
from durablenb.ports.store import OpenInstance, Store
from durablenb.values.codec import ValueCodec

log = logging.getLogger("durablenb")

LONGEST_SLEEP = 60.0
"""Seconds after which the engine looks at the clock again, which may have been set."""

STOP_SECONDS = 2.0
"""The longest wait for an orchestrator that doesn't come back when the process ends."""

POISON_LIMIT = 5
"""Deaths in a row in one instance's replay after which it is held."""

MESSAGES_AT_ONCE = 2_000
"""Messages that are taken before what they changed is acted on."""


@dataclass(frozen=True)
class EngineOptions:
    """How an engine works. `is_strict` holds back an activity until its `TaskScheduled` is on disk."""

    is_strict: bool = True
    max_concurrency: int | None = None
    episodes: EpisodeOptions = field(default_factory=EpisodeOptions)
    codec: Codec = field(default_factory=ValueCodec)


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
        self.executors = executors
        self.options = options
        self.committer = Committer(store)
        self.committer.when_idle = self._look_around
        self.waiters: set[object] = set()
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._news = Event()
        self._turn = threading.RLock()
        self._thread: threading.Thread | None = None
        self._is_threaded = False
        self._is_stopping = False
        self._is_stopped = False
        self._pid = os.getpid()
        self._is_torn = False
        self._defect: DurableError | None = None
        self._registered_names: set[str] = set()
        clock.subscribe(lambda: self.post(Wake()))
        self.recover()

    # -- from outside ----------------------------------------------------------------------------

    def post(self, message: Message) -> None:
        """Tells the engine something; from any thread."""
        self._inbox.put(message)
        if self._thread is None:
            self._news.set()

    def ask(self, message: ClientMessage) -> Future[Any]:
        """Asks for something; the future is resolved once the answer is on disk."""
        refusal = self.refusal()
        if refusal is not None:
            refuse(message.reply, refusal)
            return message.reply
        try:
            self.post(message)
            if self._is_stopped:
                self._turn_away()
            elif not self._is_threaded or threading.current_thread() is self._thread:
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
        if self.episodes.running.is_here and not self._is_torn:
            return DurableError(
                "An orchestrator can't use the hub that runs it: it would wait for itself. Let an activity "
                "do it, or use the context: call_sub_orchestrator, continue_as_new, ..."
            )
        obstacle = self._defect or self.committer.failure
        return None if obstacle is None else copy(obstacle)  # each is raised once

    def start(self) -> None:
        """Begins to run in a thread of its own."""
        self._is_threaded = True
        self._thread = threading.Thread(target=self._run, name="durablenb-engine", daemon=True)
        self._thread.start()

    @property
    def open_count(self) -> int:
        """How many instances are open."""
        return len(self.lifecycle.open)

    @property
    def is_threaded(self) -> bool:
        """Whether the engine has a thread of its own."""
        return self._is_threaded

    def obstacle(self, instance_id: str) -> Exception | None:
        """Why an instance can't go on until somebody does something, or None."""
        for instance in tuple(self.lifecycle.blocked):
            if self._descends(instance, instance_id):
                return instance.held or _waiting_for_code(instance)
        return None

    def settle(self, instance_id: str) -> None:
        """Waits for the disk if that instance has ended.

        Raises
        ------
        StoreError
            If the journal can't be written now.
        """
        if instance_id not in self.lifecycle.open:
            self.committer.drain()

    def _descends(self, instance: Instance, ancestor: str) -> bool:
        seen: Instance | None = instance
        while seen is not None:
            if seen.id == ancestor:
                return True
            link = seen.started.parent
            seen = None if link is None else self.lifecycle.open.get(link.instance_id)
        return False

    def stop(self, *, wait: bool) -> None:
        """Stops: nothing new starts; with `wait`, what runs is waited for and recorded.

        Raises
        ------
        StoreError
            If the last records could not be written; they were never acknowledged.
        """
        self._is_stopping = True
        self.dispatcher.is_closing = True
        thread, self._thread = self._thread, None
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
            self._turn_away()
            try:
                self.executors.close(wait=wait)
            finally:
                self.committer.close()

    def _take_last(self, wait: bool) -> None:
        """With `wait` until nothing runs any more: takes the messages that still come."""
        self.executors.drop_queued()
        while wait and self.dispatcher.is_running and not (self._defect or self.committer.failure):
            self._listen(0.2)
            with self._turn:
                self._take_messages()
        if self._defect is None:
            with self._turn:
                self.accept()
                self._is_stopped = True

    def _turn_away(self) -> None:
        """Refuses what came after the end."""
        while True:
            try:
                message = self._inbox.get_nowait()
            except Empty:
                return
            if isinstance(message, ClientMessage):
                refuse(message.reply, _closed())

    # -- turns -----------------------------------------------------------------------------------

    def recover(self) -> None:
        """Forgets all that is in memory and begins with what is in the journal."""
        self.committer.last_seq = max(self.store.last_seq(), self.committer.last_seq)
        self.journal = Journal(self.committer, self.committer.last_seq)
        self.timers = Timers()
        self.episodes = Episodes(
            self.store,
            self.journal,
            self.clock,
            self.registry,
            self.options.codec,
            self.timers,
            self._offer,
            self.options.episodes,
        )
        self.lifecycle = self.episodes.lifecycle
        self.dispatcher = Dispatcher(
            self.registry,
            self.executors,
            self.lifecycle,
            self.post,
            self.clock.now,
            self.options.max_concurrency,
        )
        self.commands = Commands(self.store, self.journal, self.clock, self.registry, self.episodes)
        self._scheduled: list[Work] = []
        self._durable: list[Work] = []
        crashes = self.store.crashes()
        for found in self.store.open_instances():
            self._adopt(found, crashes.get(found.instance_id, 0))

    def accept(self) -> None:
        """Applies the messages that are there."""
        with self._turn:
            if self._is_stopped:
                self._turn_away()
                return
            self._mend()
            self._is_torn = True
            self._take_messages()
            self._flush()
            self._is_torn = False

    def _mend(self) -> None:
        """After an interrupt in the middle of the engine's own work: begins again with the journal."""
        if not self._is_torn:
            return
        self.committer.drain()
        waited_for = [one.completion for one in self.lifecycle.open.values() if one.completion]
        self.executors.inline.jobs.clear()
        self.dispatcher.is_closing = True  # what it has not begun is begun anew
        self.episodes.unload()
        self._drop_calls()
        interrupted = WaitTimeoutError("The wait ended because the kernel was interrupted. Wait again.")
        for completion in waited_for:
            refuse(completion, interrupted)
        self.recover()
        self._is_torn = False

    def _drop_calls(self) -> None:
        """Drops the messages by which activities would start that recovery starts, too."""
        for _ in range(self._inbox.qsize()):
            message = self._inbox.get()
            if not isinstance(message, Durable):
                self._inbox.put(message)

    def turn(self) -> None:
        """All that can be done now; what the engine's own thread does again and again.

        Raises
        ------
        StoreError
            If the journal can't be written or read now; the next turn goes on from here.
        """
        with self._turn:
            self._take_messages()
            self._offer_durable()
            self._fire_timers()
            self.episodes.run_queued()
            self._flush()
            self.dispatcher.pump()
            while self.executors.inline.run_next() is not None:
                pass
        if self.waiters:
            self.jump()

    def step(self) -> str | None:
        """One unit of work in the caller's thread; says what it was, or None if nothing can be done."""
        with self._turn:
            try:
                done = self._step()
                self._flush()
                return done
            except KeyboardInterrupt as interrupt:
                was_torn, self._is_torn = self._is_torn, True
                if not was_torn and UNHARMED in getattr(interrupt, "__notes__", ()):
                    self._flush()
                    self._is_torn = False
                raise

    def _step(self) -> str | None:
        self._mend()
        self._take_messages()
        done = self._work()
        if done is None and not self._is_on_disk:
            self._flush()  # only when all else is done, so that no haste of the disk shows in a history
            self.committer.drain()
            self._take_messages()
        if done is None:
            self._offer_durable()
            done = self._work()
        return done or self._fire_timers()

    def _work(self) -> str | None:
        """An activity or an episode, if one can be done."""
        self.dispatcher.pump()
        job = self.executors.inline.run_next()
        if isinstance(job, Work):
            return f"activity {job.name} of {job.instance.id}"
        if self.lifecycle.queue:
            taken = self.episodes.run_queued(1)
            return f"episode of {taken[0].id}"
        return None

    @property
    def _is_on_disk(self) -> bool:
        return self.committer.is_idle and not self.journal.has_news and not self._scheduled

    def jump(self) -> bool:
        """Moves a virtual clock to the next deadline if nothing else can happen; answers whether."""
        due = self.timers.next_due()
        return due is not None and self.is_idle and self.clock.jump_to(due)

    @property
    def is_idle(self) -> bool:
        """Whether nothing can happen before time passes or a message comes."""
        return (
            not self.lifecycle.queue
            and not self._durable
            and self.dispatcher.is_idle
            and self._is_on_disk
            and self._inbox.empty()  # last: the last commit may have brought a message
        )

    @property
    def can_go_on(self) -> bool:
        """Whether an activity that runs or the passing of time will bring something about."""
        due = self.timers.next_due()
        return self.dispatcher.is_running or (due is not None and self.clock.seconds_until(due) is not None)

    def rest(self, longest: float) -> None:
        """Waits for a message or a deadline, at the most this many seconds."""
        timeout = self._timeout()
        self._listen(longest if timeout is None else min(timeout, longest))

    def _listen(self, longest: float) -> None:
        """Waits for a message, and leaves it where it is: an interrupt must not lose it."""
        if self._inbox.empty():
            self._news.wait(longest)
        self._news.clear()

    # -- inside ----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_stopping:
            try:
                self._wait()
                self.turn()
            except StoreError:
                self._wait_for_room()
            except Exception as error:  # a mistake of the engine's own
                self._defect = _stopped_by(error)
                log.exception("%s", self._defect)
                return

    def _wait(self) -> None:
        if self.lifecycle.queue or self.executors.inline.jobs:
            return
        try:
            message = self._inbox.get(timeout=self._timeout())
        except Empty:
            return
        with self._turn:
            self._apply(message)

    def _wait_for_room(self) -> None:
        """Nothing goes on until the disk takes records again."""
        while (failure := self.committer.failure) is not None and not self._is_stopping:
            for _ in range(self._inbox.qsize()):
                message = self._inbox.get()
                if isinstance(message, ClientMessage):  # it was asked just before the disk was full
                    refuse(message.reply, copy(failure))
                else:
                    self._inbox.put(message)
            threading.Event().wait(0.05)

    def _timeout(self) -> float | None:
        due = self.timers.next_due()
        seconds = None if due is None else self.clock.seconds_until(due)
        return None if seconds is None else min(seconds, LONGEST_SLEEP)

    def _take_messages(self) -> None:
        for _ in range(MESSAGES_AT_ONCE):
            try:
                message = self._inbox.get_nowait()
            except Empty:
                return
            self._apply(message)

    def _apply(self, message: Message) -> None:
        if isinstance(message, Finished):
            self._finished(message)
        elif isinstance(message, Durable):
            self._durable.extend(message.works)
        elif isinstance(message, Registered):
            self._registered(message)
        elif not isinstance(message, Wake):
            self.commands.carry_out(message)

    def _finished(self, message: Finished) -> None:
        work = message.work
        self.dispatcher.finished(work)
        instance = self.lifecycle.open.get(work.instance.id)
        if (
            message.outcome is None
            or instance is None
            or instance.execution_id != work.execution_id
            or work.task_id not in instance.pending
            or (work.instance is not instance and work.instance.is_closed)  # rewound since
        ):
            return
        instance.pending.discard(work.task_id)
        kind = TaskCompleted if isinstance(message.outcome, str) else TaskFailed
        self.lifecycle.arrive(
            instance,
            kind,
            work.task_id,
            message.outcome,
            message.started_at,
            timestamp=message.ended_at,
        )

    def _registered(self, message: Registered) -> None:
        if message.kind == "activity":
            self.dispatcher.registered(message.name)
            return
        if message.kind == "type":
            self._type_registered(message.name)
            return
        is_first = message.name not in self._registered_names
        self._registered_names.add(message.name)
        for instance in list(self.lifecycle.open.values()):
            if instance.name == message.name and (instance.held or instance.execution is None):
                if is_first and isinstance(instance.held, InstanceStateError):
                    continue  # it is what the process died of; after a restart all cells are run again
                self.lifecycle.release(instance)
                self.lifecycle.found(instance, message.name)
                self.lifecycle.enqueue(instance)

    def _type_registered(self, name: str) -> None:
        for instance in list(self.lifecycle.open.values()):
            if instance.execution is None and name in instance.missing:
                self.lifecycle.found(instance, name)
                self.lifecycle.enqueue(instance)

    def _fire_timers(self) -> str | None:
        fired = None
        for deadline in self.timers.take_due(self.clock.now()) if self.timers else ():
            instance = deadline.instance
            if deadline.task_id is None:
                instance.is_due = True
                self.lifecycle.enqueue(instance)
                fired = f"start of {instance.id}"
            else:
                instance.pending.discard(deadline.task_id)
                self.lifecycle.arrive(instance, TimerFired, deadline.task_id)
                fired = f"timer of {instance.id}"
        return fired

    def _offer_durable(self) -> None:
        works, self._durable = self._durable, []
        for work in works:
            self.dispatcher.offer(work)

    def _offer(self, work: Work) -> None:
        if self.options.is_strict:
            self._scheduled.append(work)
        else:
            self.dispatcher.offer(work)

    def _flush(self) -> None:
        if self._scheduled:
            works, self._scheduled = self._scheduled, []
            self.journal.afterwards(lambda: self.post(Durable(works)))
        self.journal.flush()

    def _look_around(self) -> None:
        """All is on disk: whoever waits for that, a clock that may jump for one, goes on."""
        if self._thread is None or (self.waiters and self.timers):
            self.post(Wake())

    def _adopt(self, found: OpenInstance, crashes: int) -> None:
        instance = Instance.recovered(found)
        self.lifecycle.open[instance.id] = instance
        for event in found.pending:
            instance.pending.add(event.task_id)
            if isinstance(event, TaskScheduled):
                work = Work(instance, event.task_id, event.name, event.input, self.options.codec)
                self.dispatcher.offer(work)
            elif not isinstance(event, SubOrchestrationInstanceCreated):
                self.timers.add(event.fire_at, instance, event.task_id)
        if crashes >= POISON_LIMIT:
            self.lifecycle.hold(instance, _poisonous(instance, crashes))
        start_at = instance.started.scheduled_start_time
        if not instance.has_begun and start_at is not None and start_at > self.clock.now():
            instance.is_due = False
            self.timers.add(start_at, instance, None)
        elif found.has_arrivals or not found.has_begun:
            self.lifecycle.enqueue(instance)


def _poisonous(instance: Instance, crashes: int) -> DurableError:
    return InstanceStateError(
        f"{instance.id} is held: {crashes} times in a row the process died while it was replayed. Mend "
        f"{instance.name!r} and run its cell once more, or handle.resume(), or terminate it."
    )


def _stopped_by(error: Exception) -> DurableError:
    return DurableError(
        f"The hub stopped because of a mistake in durablenb itself: {type(error).__name__}: {error}. What is "
        "on disk is unharmed. Close the hub and open it again, and please report what led to this."
    )


def _closed() -> StoreError:
    return StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")


def _waiting_for_code(instance: Instance) -> Exception:
    names = ", ".join(repr(name) for name in sorted(instance.missing))
    return FunctionNotFoundError(
        f"{instance.id} ({instance.name}) waits for {names}: run the cell that defines it, then wait "
        "again. Nothing is lost meanwhile."
    )
