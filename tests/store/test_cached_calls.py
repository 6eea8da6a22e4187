"""Cached calls in the log and in the tables, and files that have none yet."""

from datetime import UTC, datetime

import duckdb
import pytest

import durablenb as df
from durablenb.core.ports.store import Record
from durablenb.model.caching import CachedCall, CodePart
from durablenb.model.events import ExecutionStarted, TaskCompleted, TaskFailed
from durablenb.model.failures import FailureDetails
from durablenb.store import entries
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.entries import Events, Forget
from durablenb.store.row_codec import to_row

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def outcome(seq, result="1", instance="a"):
    kind = TaskFailed if result is None else TaskCompleted
    value = FailureDetails("ValueError", "no") if result is None else result
    return Record(seq, instance, f"e-{instance}", kind(seq, NOW, seq, value))


def call(seq, key="k", name="work", instance="a", is_completed=True):
    return CachedCall(seq, key, name, instance, f"e-{instance}", seq, NOW, "in", "code", is_completed)


def started(seq, instance="a"):
    return Record(seq, instance, f"e-{instance}", ExecutionStarted(1, NOW, "flow", "null"))


PARTS = [CodePart("code", "global A", "=1"), CodePart("code", "code of work", "0f")]


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path):
    opened = DuckStore(tmp_path / "flows.duckdb" if request.param == "file" else None)
    yield opened
    opened.close()


def kept(store):
    return [(found.seq, found.text) for found in store.cached_results(100)]


def test_calls_are_written_with_their_events(store):
    store.append(
        [started(1), outcome(2), outcome(3, None)], [call(2), call(3, "other", is_completed=False)], PARTS
    )
    assert kept(store) == [(2, "1")]
    assert store.cached_text("k") == "1"
    assert store.cached_text("other") is None
    assert store.query("select part, digest from code_parts order by part") == [
        ("code of work", "0f"),
        ("global A", "=1"),
    ]


def test_parts_of_code_are_written_once(store):
    store.append([outcome(1)], [call(1)], PARTS)
    store.append([outcome(2)], [call(2)], PARTS)
    assert store.query("select count(*) from code_parts") == [(2,)]


def test_long_results_are_read_on_demand(store):
    store.append([outcome(1, '"' + "x" * 200 + '"')], [call(1)])
    assert kept(store) == [(1, None)]
    assert store.cached_text("k") == '"' + "x" * 200 + '"'


def test_a_purge_takes_over_what_others_may_get(store):
    records = [started(1), outcome(2, "1"), outcome(3, "2"), outcome(4, None), outcome(5, "3", "b")]
    calls = [call(2), call(3), call(4, "other", is_completed=False), call(5, "third", instance="b")]
    store.append(records, calls, PARTS)
    store.purge(["a"])
    assert kept(store) == [(3, "2"), (5, "3")], "of two results of one key the last one stays; failures don't"
    store.purge(["b"])
    assert kept(store) == [(3, "2"), (5, "3")]
    assert store.query("select count(*) from journal") == [(0,)]
    assert store.query("select count(*) from code_parts") == [(2,)]


def test_what_is_forgotten_takes_its_code_with_it(store):
    store.append([outcome(1), outcome(2)], [call(1, name="Work"), call(2, "l", "other")], PARTS)
    store.forget_calls("work")
    assert kept(store) == [(2, "1")]
    store.forget_calls(None)
    assert kept(store) == []
    assert store.query("select count(*) from code_parts") == [(0,)]
    assert store.query("select count(*) from journal") == [(2,)]


@pytest.mark.parametrize(
    "entry",
    [
        Events([to_row(outcome(1))], [call(1)._replace(reason="expired")], PARTS),
        Events([to_row(outcome(1))]),
        Forget("work"),
        Forget(None),
    ],
)
def test_entries_of_the_log_are_read_as_they_were_written(entry):
    content = b"".join(entries.encode(entry, lambda hashes: set()))
    read = entries.decode(content)
    assert type(read) is type(entry)
    if isinstance(read, Forget):
        assert read == entry
    else:
        assert (read.rows, [*read.calls], [*read.code_parts]) == (
            entry.rows,
            [*entry.calls],
            [*entry.code_parts],
        )


def test_neighbours_in_the_log_are_merged_with_their_calls():
    one, other = Events([to_row(outcome(1))], [call(1)], PARTS), Events([to_row(outcome(2))], [call(2)])
    (merged,) = entries.merged([one, other])
    assert (len(merged.rows), list(merged.calls), list(merged.code_parts)) == (2, [call(1), call(2)], PARTS)


def test_a_file_without_the_tables_gets_them(tmp_path):
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path, mode="kernel") as hub:
        hub.add_orchestrator(lambda context: 1, "one")
        hub.run("one")
    with duckdb.connect(str(path)) as connection:
        connection.execute("drop view cached_results")
        connection.execute("drop table cached_calls")
        connection.execute("drop table code_parts")
    with df.open_history(path) as file:
        assert len(file.cache) == 0
    with df.TaskHub(path, mode="kernel") as hub:
        hub.add_activity(lambda n: n, "work", cache=True)

        @hub.orchestrator
        def flow(context):
            return (yield context.call_activity("work", 1))

        assert [hub.run(flow), hub.run(flow)] == [1, 1]
        assert repr(hub.cache) == "<cache: 1 result, 1 hit>"


def test_a_call_whose_event_was_lost_gets_no_result_of_another(opened, tmp_path):
    """A repair may lose the end of the journal; later events take its places."""
    path = tmp_path / "flows.duckdb"
    store = DuckStore(path)
    store.append([started(1), outcome(2, "1")], [call(2)], PARTS)
    store.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("delete from journal")
    store = opened(path)
    store.append([started(1, "b"), outcome(2, '"another"', "b")])
    assert kept(store) == [(2, None)]
    assert store.cached_text("k") is None
    store.purge(["b"])
    assert store.cached_text("k") is None
