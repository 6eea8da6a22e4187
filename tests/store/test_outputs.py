"""Outputs in every store: the last state of each, in order, with its blobs, until a purge."""

from datetime import UTC, datetime

import pytest

from durablenb.core.ports.store import HistoryBundle
from durablenb.model.errors import StoreError
from durablenb.model.events import SubOrchestrationInstanceCreated, TaskCompleted
from durablenb.model.imports import Import, KeptBlob
from durablenb.model.outputs import OutputPart, OutputState, stored_part
from durablenb.model.payloads import Payload
from durablenb.store.duckdb_store import DuckStore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)
PICTURE = b"\x89PNG and more"


def state(instance_id, output_id, *contents, execution_id=""):
    """A state of an output with these contents, and the blobs that it refers to."""
    parts = [
        stored_part("image/png" if isinstance(one, bytes) else "text/plain", one, None) for one in contents
    ]
    made = OutputState(
        instance_id,
        execution_id or instance_id * 16,
        0,
        "work",
        1,
        NOW,
        output_id,
        tuple(part for part, _ in parts),
    )
    return made, [blob for _, blob in parts if blob is not None]


def put(store, *shown):
    store.append_outputs([one for one, _ in shown], [blob for _, blobs in shown for blob in blobs])


def texts(store, instance_id="a"):
    return [part.text for one in store.outputs(instance_id) for part in one.parts]


def has_blob(store, content):
    blob = stored_part("image/png", content, None)[1]
    try:
        return store.blob(blob.hash) == content
    except StoreError:
        return False


def test_outputs_come_back_equal_and_in_order(store, scribe):
    scribe.start_in(store, "a")
    written = [
        state("a", "1", PICTURE, "a figure"),
        state("a", "2", "雪😀 \0 two\nlines"),
        state("b", "1", "another's"),
        state("a", "3", "x" * 10_001),
    ]
    put(store, *written[:2])
    put(store)
    put(store, *written[2:])
    assert store.outputs("a") == [one for one, _ in written if one.instance_id == "a"]
    assert has_blob(store, PICTURE)
    (long,) = store.outputs("a")[2].parts
    assert (long.text, long.size) == (None, 10_001)
    assert store.blob(long.hash) == b"x" * 10_001
    assert store.outputs("unknown") == []


def test_the_last_state_counts_and_keeps_its_place(store, scribe):
    scribe.start_in(store, "a")
    put(store, state("a", "1", "0 %"), state("a", "2", "below"), state("a", "1", "1 %"))
    put(store, state("a", "1", "50 %"))
    put(store, state("a", "1", "100 %", PICTURE))
    first, second = store.outputs("a")
    assert {part.mime_type: part.text for part in first.parts} == {"image/png": None, "text/plain": "100 %"}
    assert second.parts[0].text == "below"


def test_the_same_output_of_another_execution_is_another_one(store, scribe):
    scribe.start_in(store, "a")
    put(store, state("a", "1", "one"), state("a", "1", "two", execution_id="f" * 16))
    assert texts(store) == ["one", "two"]


def test_a_cleared_output_is_gone(store, scribe):
    scribe.start_in(store, "a")
    put(store, state("a", "1", PICTURE), state("a", "2", "rest"))
    put(store, state("a", "1"), state("a", "3"))
    assert texts(store) == ["rest"]
    assert not has_blob(store, PICTURE)


def test_a_blob_goes_with_the_last_that_refers_to_it(store, scribe):
    scribe.start("a")
    blob = stored_part("image/png", PICTURE, None)[1]
    scribe.add("a", TaskCompleted, result=Payload(f'{{"@payload": "{blob.hash}"}}', (blob,)))
    scribe.start_in(store, "b")
    put(store, state("a", "1", PICTURE), state("b", "1", PICTURE), state("b", "2", b"own"))
    put(store, state("b", "1", b"another"))
    assert has_blob(store, PICTURE)
    assert has_blob(store, b"another")
    store.purge(["a"])
    assert not has_blob(store, PICTURE)
    put(store, state("b", "1", PICTURE))
    assert has_blob(store, PICTURE)
    assert not has_blob(store, b"another")
    store.purge(["b"])
    assert not has_blob(store, PICTURE)
    assert not has_blob(store, b"own")
    assert store.outputs("b") == []


def test_the_outputs_of_purged_executions_go_and_others_stay(store, scribe):
    scribe.start_in(store, "a")
    put(store, state("a", "1", b"old"), state("a", "1", b"new", execution_id="f" * 16))
    store.purge([], ["a" * 16])
    assert [one.execution_id for one in store.outputs("a")] == ["f" * 16]
    assert (has_blob(store, b"old"), has_blob(store, b"new")) == (False, True)


def test_an_instance_has_the_outputs_of_its_sub_orchestrations(store, scribe):
    scribe.start("a")
    scribe.add("a", SubOrchestrationInstanceCreated, instance_id="b")
    scribe.start_child("a", "b")
    store.append(scribe.take())
    put(store, state("b", "1", "child"), state("a", "1", "parent"))
    assert texts(store) == ["child", "parent"]
    assert texts(store, "b") == ["child"]


def test_a_bundle_brings_its_outputs(store, scribe):
    scribe.start("theirs")
    made, blobs = state("theirs", "1", PICTURE)
    bundle = HistoryBundle(scribe.take(), [KeptBlob(*blob, NOW) for blob in blobs], outputs=[made])
    for _ in range(2):
        store.import_histories(bundle, [Import("theirs", "there", "durablenb", NOW)], 0)
    assert store.outputs("theirs") == [made]
    assert has_blob(store, PICTURE)


@pytest.mark.parametrize("is_closed", [True, False])
def test_outputs_are_there_when_the_file_is_opened_again(opened, hub, is_closed, tmp_path):
    store = DuckStore(hub)
    put(store, state("a", "1", PICTURE, "first"))
    put(store, state("a", "1", PICTURE, "last"), state("a", "2", "x" * 20_000))
    if is_closed:
        store.close()
    else:  # as a process leaves it that is killed before the tables have everything
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in (hub.name, f"{hub.name}.log", f"{hub.name}.wal"):
            if (hub.parent / name).exists():
                (copy / name).write_bytes((hub.parent / name).read_bytes())
        store.close()
        hub = copy / hub.name
    store = opened(hub)
    first, second = store.outputs("a")
    assert {part.text for part in first.parts} == {None, "last"}
    assert (has_blob(store, PICTURE), store.blob(second.parts[0].hash)) == (True, b"x" * 20_000)
    assert store.query("select mime_type, bytes, text from outputs where text is not null") == [
        ("text/plain", 4, "last")
    ]
    assert store.query("select kind, uses from payloads order by kind") == [
        ("image/png", 1),
        ("text/plain", 1),
    ]


def test_parts_are_plain_data():
    assert stored_part("text/html", "<b>é</b>", '{"isolated": true}') == (
        OutputPart("text/html", 9, "<b>é</b>", None, '{"isolated": true}'),
        None,
    )
