"""Queues in every store: their limits, and the starts that a rate still counts."""

from datetime import UTC, datetime, timedelta

from durablenb.model.queues import Queue, QueueMembers, QueueStart
from durablenb.store.duckdb_store import DuckStore

NOON = datetime(2026, 1, 2, 12, 0, 0, 123_456, UTC)
SECOND = timedelta(seconds=1)
OPENAI = QueueMembers(Queue("OpenAI", 4, (60, timedelta(minutes=1))), ("ask", "embed"))
GPU = QueueMembers(Queue("gpu", 1), ())


def start(task_id, at, *, began=None, queue="openai"):
    granted = NOON + at * SECOND
    return QueueStart(
        queue, "a", "e" * 16, task_id, granted, None if began is None else NOON + began * SECOND
    )


def found(store, queue="openai"):
    return sorted(store.queue_starts(queue), key=lambda start: (start.granted_at, start.task_id))


def test_a_hub_without_queues_has_no_starts(store):
    assert store.queue_starts("openai") == []


def test_starts_come_back_equal_each_once_with_the_time_of_the_beginning(store):
    store.write_queues([OPENAI], [start(0, 0), start(1, 0), start(0, 1, queue="other")])
    store.write_queues([], [start(0, 0, began=0.5)])
    store.write_queues([], [start(0, 0), start(1, 2)])  # once more, after an error; and again, after a crash
    assert found(store) == [start(0, 0, began=0.5), start(1, 0), start(1, 2)]
    assert found(store, "other") == [start(0, 1, queue="other")]


def test_starts_that_no_rate_counts_any_more_are_deleted(opened, tmp_path):
    store = opened(tmp_path / "h.duckdb")
    store.write_queues([OPENAI], [start(0, 0), start(1, 0), start(2, 0)])
    store.write_queues([], [start(0, 0, began=1), start(1, 0, began=30)])
    store.write_queues([], [start(3, 61.5)])
    assert found(store) == [start(1, 0, began=30), start(2, 0), start(3, 61.5)]
    assert store.query("select count(*) from queue_starts") == [(4,)]


def test_a_queue_replaces_the_one_of_its_name(opened, tmp_path):
    path = tmp_path / "h.duckdb"
    query = "select name, concurrency, rate_count, rate_seconds, activities from queue_limits order by all"
    store = DuckStore(path)
    store.write_queues([OPENAI, GPU], [])
    store.write_queues([QueueMembers(Queue("openai", 8), ("ask",))], [])
    expected = [("gpu", 1, None, None, []), ("openai", 8, None, None, ["ask"])]
    assert store.query(query) == expected
    store.close()
    store = opened(path)
    assert store.query(query) == expected


def test_a_log_that_was_left_has_the_queues(opened, tmp_path):
    path, copy = tmp_path / "h.duckdb", tmp_path / "copy.duckdb"
    store = opened(path)
    store.write_queues([OPENAI], [start(0, 0), start(1, 0, began=0.25)])
    copy.write_bytes(path.read_bytes())
    (tmp_path / "copy.duckdb.log").write_bytes((tmp_path / "h.duckdb.log").read_bytes())
    left = opened(copy)
    assert sorted(left.queue_starts("openai"), key=lambda start: start.task_id) == [
        start(0, 0),
        start(1, 0, began=0.25),
    ]
    assert left.query("select name, activities from queue_limits") == [("OpenAI", ["ask", "embed"])]
