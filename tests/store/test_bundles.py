"""Imported histories are complete, apart from the hub's own parts, and go with a purge."""

from datetime import UTC, datetime

import pytest

from durablenb.core.ports.store import HistoryBundle, InstanceQuery
from durablenb.model.events import (
    ExecutionCompleted,
    ExecutionStarted,
    OperationEnqueued,
    OrchestratorStarted,
    TaskCompleted,
    TaskScheduled,
)
from durablenb.model.imports import Import, KeptBlob
from durablenb.model.logs import LogLine

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HASH = "a" * 64


def note(*ids):
    return [Import(one, "there", "azure", NOW) for one in ids]


@pytest.fixture
def bundle(scribe):
    """An instance that is open, and an entity that has something to do."""
    scribe.start("theirs")
    scribe.run("theirs", OrchestratorStarted, TaskScheduled)
    scribe.add("theirs", TaskCompleted, result=f'{{"@payload": "{HASH}"}}')
    scribe.open("@counter@a", "e" * 16)
    scribe.add("@counter@a", OperationEnqueued, name="add")
    line = LogLine("theirs", "1" * 16, 0, "Work", 1, NOW, "stdout", None, None, "hello")
    return HistoryBundle(
        scribe.take(), [KeptBlob(HASH, "bytes", b"large", NOW)], [("f" * 16, "def f(): ...")], [line]
    )


def test_all_of_a_bundle_is_there_after_what_was_there(store, scribe, bundle):
    store.import_histories(bundle, note("theirs", "@counter@a"), 40)
    assert [record.seq for record in store.records("theirs")] == [41, 42, 43, 44]
    assert [record.event for record in store.records("theirs")] == [one.event for one in bundle.records[:4]]
    assert store.last_seq() == 45
    assert store.blob(HASH) == b"large"
    assert store.source("f" * 16) == "def f(): ..."
    assert [line.message for line in store.lines("theirs")] == ["hello"]
    assert store.imports() == note("@counter@a", "theirs")
    (state,) = store.states(InstanceQuery())
    assert (state.instance_id, state.status) == ("theirs", "Running")


def test_what_was_taken_in_is_not_open(store, bundle):
    store.import_histories(bundle, note("theirs", "@counter@a"), 0)
    assert (store.open_instances(), store.open_entities()) == ([], [])


def test_twice_is_once(store, bundle):
    for _ in range(2):
        store.import_histories(bundle, note("theirs", "@counter@a"), 0)
    assert len(store.records("theirs")) == 4
    assert len(store.lines("theirs")) == 1
    assert len(store.imports()) == 2


def test_what_goes_on_comes_after_it(store, scribe, bundle):
    store.import_histories(bundle, note("theirs", "@counter@a"), 0)
    scribe.start("own")
    scribe.run("own", OrchestratorStarted, ExecutionCompleted)
    store.append(scribe.take())
    assert [record.seq for record in store.records("own")] == [6, 7, 8]


def test_a_purge_takes_all_of_it(store, bundle):
    store.import_histories(bundle, note("theirs", "@counter@a"), 0)
    store.purge(["theirs", "@counter@a"])
    assert (store.imports(), store.last_seq(), store.lines("theirs")) == ([], 0, [])
    store.import_histories(bundle, note("theirs", "@counter@a"), 0)
    assert store.blob(HASH) == b"large"


def test_ids_that_are_taken_are_known(store, bundle):
    store.import_histories(bundle, note("theirs", "@counter@a"), 0)
    assert store.existing_ids(["theirs", "other"], ["e" * 16, "d" * 16]) == ({"theirs"}, {"e" * 16})
    assert store.existing_ids(["@counter@a"], []) == ({"@counter@a"}, set())
    assert any(isinstance(one.event, ExecutionStarted) for one in store.records("theirs"))
