"""The committer: writes batches to the store, one transaction at a time, in its own thread or a leader's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from queue import Empty
from typing import Any, NamedTuple

from durablenb.core.ports.store import HistoryBundle, Record, Store
from durablenb.engine import locks
from durablenb.engine.messages import answer, refuse
from durablenb.model.caching import CachedCall, CodePart
from durablenb.model.errors import StoreError
from durablenb.model.imports import Import
from durablenb.model.queues import QueueMembers, QueueStart
from durablenb.model.source import Source

log = logging.getLogger("durablenb")

RETRY_SECONDS = 1.0
"""Seconds between two tries of a commit that failed."""

BACKLOG = 100_000
"""Records that may wait for the disk before the engine waits as well."""


def _nothing(*_: object) -> None:
    """Do nothing."""


class PendingImport(NamedTuple):
    """Histories from elsewhere, and the place in the journal after which to write them."""

    bundle: HistoryBundle
    imports: Sequence[Import]
    after: int


class PendingPurge(NamedTuple):
    """Instances and executions to delete, and the positions of those executions' events that stay."""

    instance_ids: Sequence[str]
    execution_ids: Sequence[str] = ()
    needed: Sequence[int] = ()


class PendingForget(NamedTuple):
    """The activity whose cached calls are to be forgotten, in lower case; None for all."""

    name: str | None


@dataclass(slots=True)
class WriteBatch:
    """Records that belong together, and what follows once they are on disk."""

    records: list[Record] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    calls: list[CachedCall] = field(default_factory=list)
    code_parts: list[CodePart] = field(default_factory=list)
    pending_forget: PendingForget | None = None
    queues: Sequence[QueueMembers] = ()
    queue_starts: Sequence[QueueStart] = ()
    pending_purge: PendingPurge | None = None
    pending_import: PendingImport | None = None
    replies: list[tuple[Future[Any], Any]] = field(default_factory=list)
    callbacks: list[Callable[[], None]] = field(default_factory=list)
    number: int = 0

    def __bool__(self) -> bool:
        return bool(
            self.records
            or self.is_apart
            or self.replies
            or self.callbacks
            or self.queues
            or self.queue_starts
        )

    @property
    def is_apart(self) -> bool:
        """True if it needs a transaction of its own."""
        return bool(self.pending_purge or self.pending_import or self.pending_forget)

    def refuse(self, error: Exception) -> None:
        """Refuse the clients that wait until it is on disk."""
        for reply, _ in self.replies:
            refuse(reply, copy(error))
        self.replies.clear()


class Committer:
    """Commits batches in order; all batches that wait go into one transaction.

    A thread of its own commits. A thread of the hub that has nothing else to do until then may commit in its
    place (`lead`): each hand-over to another thread takes about as long as writing a small batch.

    Parameters
    ----------
    store
        Where the batches go.
    retry_seconds
        Seconds between two tries of a commit that failed.
    when_idle
        Called whenever all that was submitted is on disk.
    when_written
        Called between commits; returns the seconds after which it wants to be called again, or None.
    before_purge
        Called with the instances and the executions that are about to be deleted.

    Notes
    -----
    A commit that fails is retried until it works. Until then `failure` says why, and clients that wait for an
    answer get that error; the records stay, and are written when there is room. Each reply of a batch is
    answered or refused, also if a commit dies of a mistake, or a batch comes after the end. Callbacks run on
    the thread that commits.
    """

    def __init__(
        self,
        store: Store,
        retry_seconds: float = RETRY_SECONDS,
        *,
        when_idle: Callable[[], None] = _nothing,
        when_written: Callable[[], float | None] = _nothing,
        before_purge: Callable[[Sequence[str], Sequence[str]], None] = _nothing,
    ) -> None:
        self._store = store
        self._retry_seconds = retry_seconds
        self._when_idle = when_idle
        self._when_written = when_written
        self._before_purge = before_purge
        self._queue: locks.Queue[WriteBatch] = locks.Queue()
        self._bell: locks.Queue[None] = locks.Queue()
        """Wakes the committer's thread."""
        self._committing = locks.Lock()
        """Held by the thread that commits."""
        self._unsaved: list[WriteBatch] = []
        self._has_leader = False
        self._must_lead = False
        self._thread: locks.Thread | None = None
        self._stop = locks.Event()
        self._changed = locks.Condition()
        self._numbers = count(1)
        self._submitted = 0  # number of the last batch submitted
        self._committed = 0  # number of the last batch committed
        self._records_in = 0
        self._records_out = 0
        self._patience: float | None = None
        self._end: StoreError | None = None
        """Why nothing is committed any more."""
        self.committed_at: float | None = None
        """The time of the last commit, by `locks.monotonic`."""
        self.failure: StoreError | None = None
        self.last_seq = store.last_seq()
        """The last used place in the journal; its record may have been purged since."""

    def start(self) -> None:
        """Begin to commit in a thread of its own."""
        self._thread = locks.Thread(target=self._run, name="durablenb-committer", daemon=True)
        self._thread.start()

    def submit(self, batch: WriteBatch, *, is_awaited: bool = False) -> None:
        """Take a batch; return at once.

        With `is_awaited`, nothing is left to do until it is on disk: a thread that leads commits it.
        """
        batch.number = next(self._numbers)
        self._queue.put(batch)
        self._submitted = batch.number  # after an interrupt before this, `drain` doesn't wait for the batch
        self._records_in += len(batch.records)
        # Checked after the put, so that either this thread or the ending one sees the other's change.
        if self._end is not None:
            self._refuse_rest(self._end)
        elif is_awaited and self._has_leader:
            self._must_lead = True
        else:
            self.nudge()

    def expect_leader(self, is_there: bool) -> None:
        """Note whether a thread has the turn that calls `lead` when it has released it."""
        self._has_leader = is_there

    def lead(self) -> None:
        """Commit what was left to the calling thread, unless another thread commits now.

        An interrupt must not come here: only for threads of the hub's own.
        """
        if not self._must_lead:
            return
        self._must_lead = False
        if self.failure is None and self._committing.acquire(blocking=False):
            try:
                self._do_or_die(self._commit_first)
            finally:
                self._committing.release()
            if self.failure is None and not self._unsaved and self._queue.empty():
                return
        self.nudge()

    def wait_for_room(self) -> None:
        """Wait for the disk if more than `BACKLOG` records wait for it.

        Raises
        ------
        StoreError
            If it can't be written now.
        """
        if self.backlog > BACKLOG:
            self.drain()

    @property
    def is_running(self) -> bool:
        """True if it has a thread of its own now."""
        return self._thread is not None and self._thread.is_alive()

    def nudge(self) -> None:
        """Have the committer's thread commit what waits, and call `when_written`, soon; from any thread."""
        if self._bell.empty():  # a ring that it has not heard yet is enough
            self._bell.put(None)

    @property
    def backlog(self) -> int:
        """The number of records that wait for the disk."""
        return self._records_in - self._records_out

    @property
    def is_idle(self) -> bool:
        """True if all that was submitted is on disk."""
        return self._committed >= self._submitted

    def drain(self) -> None:
        """Wait until all that was submitted is on disk.

        Raises
        ------
        StoreError
            If it can't be written now.
        """
        if self._thread is None:
            while not self.is_idle:
                self.commit()
                if (obstacle := self.failure or self._end) is not None:
                    raise copy(obstacle)
            return
        until = self._submitted
        if self._committed < until:
            self.nudge()  # the calling thread may be the one that was to lead
        with self._changed:
            while self._committed < until:
                if (obstacle := self.failure or self._end) is not None:
                    raise copy(obstacle)
                self._changed.wait(0.5)

    def commit(self) -> None:
        """Write all batches that wait; called by `drain` if the committer has no thread."""
        with self._committing:
            self._commit_all()

    def _do_or_die(self, commit: Callable[[], object]) -> None:
        """Commit, unless nothing is written any more, as after a mistake; for the thread that may commit."""
        if self._end is not None:
            return
        try:
            commit()
        except BaseException as mistake:
            self._die(mistake)

    def _commit_first(self) -> None:
        self._take()
        if self._unsaved:
            self._commit_some()

    def _commit_all(self) -> None:
        self._take()
        while self._unsaved and self._commit_some():
            pass
        if self.failure is None:
            self._patience = self._when_written()

    def _take(self) -> None:
        with suppress(Empty):
            while len(self._unsaved) < 10_000:
                self._unsaved.append(self._queue.get_nowait())

    def _commit_some(self) -> bool:
        """Write the batches of one transaction; return False if that fails."""
        group = self._group()
        try:
            self._write(group)
        except Exception as mistake:
            error = mistake if isinstance(mistake, StoreError) else _unwritable(mistake)
            if not group[0].pending_import:
                self._fail(error)
                return False
            group[0].refuse(error)  # no other batch depends on it
        del self._unsaved[: len(group)]
        self._succeed(group)
        return True

    def close(self) -> None:
        """Commit what is left, and end the thread.

        Raises
        ------
        StoreError
            If something could not be written; it was never acknowledged.
        """
        if self._thread is not None:
            self._stop.set()
            self.nudge()
            self._thread.join()
            self._thread = None
        else:
            self.commit()
        with self._committing:  # a thread that took its turn before may lead now
            self._end = self._end or StoreError("The hub is closed. Open it again: durablenb.TaskHub(path).")
        self._refuse_rest(self._end)
        if (failure := self.failure) is not None:
            raise copy(failure)

    def _run(self) -> None:
        try:
            self._commit_until_stopped()
        except BaseException as mistake:
            self._die(mistake)

    def _die(self, mistake: BaseException) -> None:
        """Refuse everybody who waits: nothing is written any more because of a mistake."""
        self._end = StoreError(
            f"The journal is written no more because of a mistake in durablenb itself: "
            f"{type(mistake).__name__}: {mistake}. What is on disk is unharmed. Close the hub and open it "
            "again, and please report what led to this."
        )
        log.error("%s", self._end, exc_info=mistake)
        with self._changed:
            self.failure = self._end
            self._changed.notify_all()
        self._refuse_rest(self._end)

    def _refuse_rest(self, error: StoreError) -> None:
        """Refuse the clients of batches that will not be committed; from any thread."""
        for batch in list(self._unsaved):
            batch.refuse(error)
        while True:
            try:
                self._queue.get_nowait().refuse(error)
            except Empty:
                return

    def _commit_until_stopped(self) -> None:
        while self._end is None:
            is_last = self._stop.is_set()  # before the commit, which has all that was submitted by then
            with self._committing:
                self._do_or_die(self._commit_all)
            if self.failure is not None:
                if is_last:
                    return
                self._stop.wait(self._retry_seconds)
            elif self._queue.empty():
                if is_last:
                    return
                with suppress(Empty):
                    self._bell.get(timeout=self._patience)

    def _group(self) -> list[WriteBatch]:
        """Return the batches of the next transaction; a purge or an import has one of its own."""
        if self._unsaved[0].is_apart:
            return self._unsaved[:1]
        end = next((i for i, batch in enumerate(self._unsaved) if batch.is_apart), None)
        return self._unsaved[:end]

    def _write(self, group: list[WriteBatch]) -> None:
        if (purge := group[0].pending_purge) is not None:
            self._before_purge(purge.instance_ids, purge.execution_ids)
            self._store.purge(*purge)
        if (pending := group[0].pending_import) is not None:
            self._store.import_histories(*pending)
            self.last_seq = pending.after + len(pending.bundle.records)
        if (forget := group[0].pending_forget) is not None:
            self._store.forget_calls(forget.name)
        sources = [source for batch in group for source in batch.sources]
        if sources:
            self._store.keep(sources)
        queues = [members for batch in group for members in batch.queues]
        queue_starts = [start for batch in group for start in batch.queue_starts]
        if queues or queue_starts:
            self._store.write_queues(queues, queue_starts)
        if len(group) == 1:
            records = group[0].records
        else:
            records = [record for batch in group for record in batch.records]
        if records:
            calls = [call for batch in group for call in batch.calls]
            if calls:
                self._store.append(records, calls, [part for batch in group for part in batch.code_parts])
            else:
                self._store.append(records)
            self.last_seq = records[-1].seq

    def _succeed(self, group: list[WriteBatch]) -> None:
        self.failure = None
        self.committed_at = locks.monotonic()
        for batch in group:
            self._records_out += len(batch.records)
            for reply, value in batch.replies:
                answer(reply, value)
            for callback in batch.callbacks:
                callback()
        with self._changed:
            self._committed = group[-1].number
            self._changed.notify_all()
        if self.is_idle:
            self._when_idle()

    def _fail(self, error: StoreError) -> None:
        for batch in self._unsaved:
            batch.refuse(error)
        with self._changed:
            self.failure = error
            self._changed.notify_all()


def _unwritable(error: Exception) -> StoreError:
    """Return the error for a failure that isn't the disk's, such as a record that can't be encoded."""
    return StoreError(f"The journal could not be written: {type(error).__name__}: {error}.")
