"""The committer: in order, all or nothing, many batches a transaction, and patient with a full disk."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from durablenb.core.ports.store import Record
from durablenb.engine.committer import Committer, PendingPurge, WriteBatch
from durablenb.lab.memory_store import MemoryStore
from durablenb.model.errors import StoreError
from durablenb.model.events import OrchestratorStarted


class SlowStore(MemoryStore):
    """Writes when it may, notes each transaction, and fails as often as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = threading.Event()
        self.may_write.set()
        self.transactions: list[list[int]] = []
        self.failures = 0

    def append(self, records):
        assert self.may_write.wait(20)
        if self.failures:
            self.failures -= 1
            raise StoreError("No space left on device")
        self.transactions.append([record.seq for record in records])
        super().append(records)


def _record(seq: int) -> Record:
    return Record(seq, "one", "e" * 16, OrchestratorStarted(seq, datetime(2026, 1, 1, tzinfo=UTC)))


def _batch(*seqs: int) -> WriteBatch:
    return WriteBatch(records=[_record(seq) for seq in seqs])


def _started(store: MemoryStore) -> Committer:
    committer = Committer(store, retry_seconds=0.01)
    committer.start()
    return committer


def test_batches_are_written_in_order_and_share_transactions():
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    for seq in range(1, 101):
        committer.submit(_batch(seq))
    store.may_write.set()
    committer.close()
    assert [seq for transaction in store.transactions for seq in transaction] == list(range(1, 101))
    assert len(store.transactions) <= 3


def test_an_answer_comes_only_after_its_records_are_written():
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    reply: Future[str] = Future()
    batch = _batch(1)
    batch.replies.append((reply, "done"))
    committer.submit(batch)
    assert not reply.done()
    store.may_write.set()
    assert reply.result(20) == "done"
    assert store.last_seq() == 1
    committer.close()


def test_a_failing_commit_is_tried_again_and_answers_with_the_error_meanwhile():
    store = SlowStore()
    store.failures = 3
    committer = _started(store)
    reply: Future[str] = Future()
    batch = _batch(1, 2)
    batch.replies.append((reply, "done"))
    committer.submit(batch)
    with pytest.raises(StoreError, match="No space left"):
        reply.result(20)
    committer.submit(_batch(3))
    while not committer.is_idle:
        threading.Event().wait(0.005)
    assert committer.failure is None
    assert [seq for transaction in store.transactions for seq in transaction] == [1, 2, 3]
    committer.close()


def test_waiting_for_the_disk_raises_while_it_is_full():
    store = SlowStore()
    store.failures = 10_000
    committer = _started(store)
    committer.submit(_batch(1))
    with pytest.raises(StoreError, match="No space left"):
        committer.drain()
    store.failures = 0
    while committer.failure is not None:
        threading.Event().wait(0.005)
    committer.drain()
    assert store.last_seq() == 1
    committer.close()


def test_waiting_for_the_disk_ends_when_the_committer_is_closed():
    """Also for a batch that came too late and was refused, as may happen when a process ends."""
    committer, failures = _started(SlowStore()), []

    def wait():
        try:
            committer.drain()
        except StoreError as error:
            failures.append(error)

    with committer._committing:
        committer.submit(_batch(1))
        committer._queue.get_nowait()
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        while not committer._changed._waiters:
            threading.Event().wait(0.001)
    committer.close()
    thread.join(5)
    assert [str(error) for error in failures] == [str(committer._end)]


def test_closing_writes_what_is_left_or_says_that_it_could_not():
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    committer.submit(_batch(1))
    committer.submit(_batch(2))
    store.may_write.set()
    committer.close()
    assert store.last_seq() == 2
    full = SlowStore()
    full.failures = 10_000
    failing = _started(full)
    failing.submit(_batch(1))
    with pytest.raises(StoreError, match="No space left"):
        failing.close()
    assert full.last_seq() == 0


def test_a_purge_comes_after_what_was_written_before_and_before_what_comes_after():
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    committer.submit(_batch(1))
    committer.submit(WriteBatch(pending_purge=PendingPurge(["one"])))
    committer.submit(_batch(2))
    store.may_write.set()
    committer.close()
    assert [record.seq for record in store.journal] == [2]


def test_purges_that_come_together_are_all_done():
    store = SlowStore()
    committer = Committer(store)
    other = Record(2, "two", "f" * 16, OrchestratorStarted(1, datetime(2026, 1, 1, tzinfo=UTC)))
    for batch in (
        WriteBatch(records=[_record(1), other]),
        WriteBatch(pending_purge=PendingPurge(["one"])),
        WriteBatch(pending_purge=PendingPurge(["two"])),
        _batch(3),
    ):
        committer.submit(batch)
    committer.commit()
    assert [record.seq for record in store.journal] == [3]


def test_a_record_that_no_store_can_take_is_said_and_not_silently_waited_for():
    class Choosy(MemoryStore):
        def append(self, records):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    committer = _started(Choosy())
    reply: Future[str] = Future()
    batch = _batch(1)
    batch.replies.append((reply, "done"))
    committer.submit(batch)
    with pytest.raises(StoreError, match="surrogates not allowed"):
        reply.result(20)
    with pytest.raises(StoreError, match="surrogates not allowed"):
        committer.drain()
    with pytest.raises(StoreError):
        committer.close()


def test_a_batch_is_never_torn_between_transactions():
    store = SlowStore()
    committer = _started(store)
    sizes = [1, 7, 3, 50, 2] * 20
    seq = 0
    ends = set()
    for size in sizes:
        committer.submit(_batch(*range(seq + 1, seq + size + 1)))
        seq += size
        ends.add(seq)
    committer.close()
    assert [one for transaction in store.transactions for one in transaction] == list(range(1, seq + 1))
    assert {transaction[-1] for transaction in store.transactions} <= ends


def test_too_long_a_backlog_makes_the_engine_wait(monkeypatch):
    monkeypatch.setattr("durablenb.engine.committer.BACKLOG", 10)
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    submitted = []

    def submit_all():
        for seq in range(1, 31):
            committer.submit(_batch(seq))
            submitted.append(seq)
            committer.wait_for_room()

    thread = threading.Thread(target=submit_all)
    thread.start()
    thread.join(0.2)
    assert len(submitted) <= 11
    store.may_write.set()
    thread.join(20)
    assert len(submitted) == 30
    committer.close()
    assert store.last_seq() == 30


def test_an_interrupt_while_a_batch_is_handed_over_leaves_nobody_waiting():
    committer = _started(MemoryStore())

    class Interrupted:
        def put(self, batch):
            raise KeyboardInterrupt

    queue, committer._queue = committer._queue, Interrupted()
    with pytest.raises(KeyboardInterrupt):
        committer.submit(_batch(1))
    committer._queue = queue
    assert committer.is_idle
    committer.drain()
    committer.submit(_batch(1))
    committer.drain()
    assert committer.is_idle
    committer.close()


def _led(committer: Committer, seq: int) -> Future[str]:
    """Let a thread of the hub's submit a batch that nothing else can happen before, and lead."""
    reply: Future[str] = Future()

    def lead():
        committer.expect_leader(True)
        committer.submit(WriteBatch(records=[_record(seq)], replies=[(reply, "done")]), is_awaited=True)
        committer.expect_leader(False)
        committer.lead()

    leader = threading.Thread(target=lead, name="leader")
    leader.start()
    leader.join()
    return reply


def test_the_thread_that_would_only_wait_commits_in_the_committers_place():
    store, committing = SlowStore(), []
    append = store.append
    store.append = lambda records: (committing.append(threading.current_thread().name), append(records))
    committer = _started(store)
    assert _led(committer, 1).done()
    assert committing == ["leader"]
    committer.close()


def test_what_two_threads_would_commit_at_once_is_written_once_and_in_order():
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    first = threading.Thread(target=_led, args=(committer, 1))
    first.start()
    while not committer._committing.locked():
        threading.Event().wait(0.001)
    reply = _led(committer, 2)
    assert not reply.done()
    store.may_write.set()
    assert reply.result(20) == "done"
    first.join()
    assert store.transactions == [[1], [2]]
    committer.close()


def test_a_commit_that_fails_for_the_leader_is_tried_again_by_the_committers_thread():
    store = SlowStore()
    store.failures = 1
    committer = _started(store)
    with pytest.raises(StoreError, match="No space left"):
        _led(committer, 1).result(20)
    while not committer.is_idle:
        threading.Event().wait(0.005)
    assert store.transactions == [[1]]
    assert _led(committer, 2).result(20) == "done"
    committer.close()


def test_a_batch_left_to_a_leader_that_waits_for_it_itself_is_committed_meanwhile():
    store = SlowStore()
    committer = _started(store)
    committer.expect_leader(True)
    committer.submit(WriteBatch(records=[_record(1)]), is_awaited=True)
    committer.drain()
    assert store.transactions == [[1]]
    committer.close()


def test_what_a_thread_leads_while_the_committer_ends_is_on_disk_before_the_store_is_closed():
    store = SlowStore()
    store.may_write.clear()
    committer = _started(store)
    replies, thread = [], committer._thread
    leader = threading.Thread(target=lambda: replies.append(_led(committer, 1)))

    class Ends:
        is_alive = thread.is_alive

        def join(self):
            thread.join()
            leader.start()
            while not committer._committing.locked():
                threading.Event().wait(0.001)
            threading.Timer(0.05, store.may_write.set).start()

    committer._thread = Ends()
    committer.close()
    assert store.transactions == [[1]]
    leader.join()
    assert replies[0].result(0) == "done"


def test_what_was_committed_leaves_nothing_behind_in_a_committer_without_a_thread():
    committer = Committer(SlowStore())
    for seq in range(1, 100):
        committer.submit(WriteBatch(records=[_record(seq)]))
        committer.nudge()
        committer.drain()
    assert committer._bell.qsize() <= 1
