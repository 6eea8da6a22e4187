"""Row 19: whatever is cut short goes on from what is on disk, and no step is halved."""

import threading

import pytest

import durablenb as df
from durablenb.engine.engine import Engine
from durablenb.engine.executors import Executors
from durablenb.engine.options import EngineOptions, EpisodeOptions
from durablenb.engine.waiting import wait_for_outcome
from durablenb.lab.memory_store import MemoryStore
from durablenb.store.duckdb_store import DuckStore
from tests.traps.corpus import chain, prepare
from tests.traps.lab import counted


def test_row_19_stopped_after_every_second_step_it_comes_to_the_same_end(disk):
    calls: list[str] = []
    prepare(disk, calls)
    disk.start(chain, "", instance_id="c")
    restarts = 0
    while all(disk.hub.step() is not None for _ in range(3)):
        disk.restart()
        restarts += 1
    assert restarts > 3
    assert disk.hub.handle("c").result() == "abca"
    assert calls == ["a", "b", "c", "a"]  # no activity that had ended was done again
    events = disk.hub.handle("c").history()
    assert [event.event_id for event in events] == list(range(1, len(events) + 1))


def test_row_19_cut_off_after_any_batch_the_journal_can_be_gone_on_with(disk):
    """A crash leaves a beginning of the journal, however far the orchestrations had come in memory."""
    calls: list[str] = []
    prepare(disk, calls)
    committer, written = disk.client._control.engine.committer, []
    submit = committer.submit
    committer.submit = lambda batch, **how: (written.append(list(batch.records)), submit(batch, **how))
    assert disk.run(chain, "", instance_id="c") == "abca"
    for length in range(1, len(written)):
        assert outcome_after(disk, written[:length]) == '"abca"'
    assert len(written) > 10


def outcome_after(lab, batches):
    """How the instance ends in a hub that finds these batches in its journal."""
    store = MemoryStore()
    for records in batches:
        store.append(records)
    options = EngineOptions(episodes=EpisodeOptions(verify_replay=True))
    engine = Engine(store, df.VirtualClock(), lab.hub._registry, Executors("inline"), options)
    engine.committer.start()
    try:
        outcome = wait_for_outcome(engine, "c", 10)
    finally:
        engine.stop(wait=True)
    return None if outcome is None else outcome.text


def test_row_19_a_hung_activity_holds_up_nobody_else(threads):
    may_end = threading.Event()
    threads.activity(lambda: may_end.wait(20), "hangs")
    threads.activity(lambda: "well", "works")

    def asks(context):
        return (yield context.call_activity(context.get_input()))

    hung = threads.start(asks, "hangs")
    assert [threads.run(asks, "works") for _ in range(3)] == ["well"] * 3
    assert hung.status().runtime_status == "Running"
    with pytest.raises(df.WaitTimeoutError):
        hung.result(0.05)
    may_end.set()
    assert hung.result(10) is True


def test_row_19_two_hubs_of_one_file_are_one_hub_and_another_store_is_kept_out(disk):
    assert df.TaskHub(disk.path, mode="kernel", clock=disk.clock, verify_replay=True) is disk.hub
    with pytest.raises(df.DurableError, match="open in this process with other options"):
        df.TaskHub(disk.path, mode="threads")
    with pytest.raises(df.HubLockedError):
        DuckStore(disk.hub._path)


def test_row_19_a_commit_that_fails_is_tried_again_and_no_step_is_halved(threads):
    """All of an episode is written or nothing; who asked meanwhile is told so."""
    store = threads.hub._store
    original, is_full = store.append, threading.Event()

    def append(records):
        if is_full.is_set():
            raise df.StoreError("disk full")
        original(records)

    store.append = append
    threads.activity(lambda value: value, "echo")

    def fan_out(context):
        yield context.wait_for_external_event("go")
        return (yield context.task_all([context.call_activity("echo", n) for n in range(5)]))

    threads.client._control.engine.committer._retry_seconds = 0.01  # instead of a second
    handle = threads.begin(fan_out)
    is_full.set()
    with pytest.raises(df.StoreError, match="disk full"):
        handle.raise_event("go")
    assert counted(handle.history(), "TaskScheduled") == 0
    is_full.clear()
    threads.until(lambda: threads.client._control.engine.committer.failure is None)
    assert handle.result(10) == [0, 1, 2, 3, 4]
    assert counted(handle.history(), "TaskScheduled") == 5
    del store.append
