"""The crash marker: what a crash in the middle of a replay leaves behind."""

import json

from durablenb.store.crash_marker import CrashMarker
from durablenb.store.duckdb_store import DuckStore
from tests.store.files import run

DIE_REPLAYING = """
import os, sys
from pathlib import Path
from durablenb.store.duckdb_store import DuckStore
store = DuckStore(Path(sys.argv[1]))
store.mark_replay("healthy")
store.mark_replay(None)
store.mark_replay("poison")
os._exit(0)
"""


def die_replaying(hub, *names, guilty):
    """Leave the files of a process that replays these instances in order, and dies in the guilty one."""
    recorder = CrashMarker(hub)
    for name in names:
        recorder.mark(name)
        if name == guilty:
            return
        recorder.mark(None)


def crashes(hub):
    """The crashes that the next process reads."""
    store = DuckStore(hub)
    found = store.crashes()
    store.close()
    return found


def note(hub):
    return hub.with_name("hub.duckdb.replaying")


def test_process_that_died_in_a_replay_names_the_instance(hub):
    run(DIE_REPLAYING, hub)
    assert crashes(hub) == {"poison": 1}


def test_crashes_in_a_row_add_up_also_those_of_several_instances(hub):
    for guilty in ("a", "a", "b", "a"):
        die_replaying(hub, "healthy", guilty, guilty=guilty)
    assert crashes(hub) == {"a": 3, "b": 1}


def test_process_that_died_outside_of_replays_blames_nobody(hub):
    die_replaying(hub, "healthy", "other", guilty=None)
    assert crashes(hub) == {}


def test_looking_at_a_crash_counts_it_once(hub):
    die_replaying(hub, "a", guilty="a")
    assert [crashes(hub) for _ in range(3)] == [{"a": 1}] * 3


def test_replay_that_comes_through_ends_the_row_and_leaves_no_file(hub):
    die_replaying(hub, "a", guilty="a")
    store = DuckStore(hub)
    store.mark_replay("a")
    store.mark_replay(None)
    assert store.crashes() == {}
    store.close()
    assert not note(hub).exists()


def test_purged_instance_leaves_its_crashes_behind(hub):
    die_replaying(hub, "a", guilty="a")
    die_replaying(hub, "b", guilty="b")
    store = DuckStore(hub)
    store.purge(["a", "unknown"])
    assert store.crashes() == {"b": 1}
    store.close()
    assert crashes(hub) == {"b": 1}


def test_an_instance_of_any_id_can_be_blamed(tmp_path):
    for number, odd in enumerate(["it's", '"', "雪😀", "\\", "\ud800"]):
        hub = tmp_path / f"{number}.duckdb"
        recorder = CrashMarker(hub)
        recorder.mark("a rather long id " * 10)
        recorder.mark(odd)
        assert CrashMarker(hub).crashes == {odd: 1}
        recorder.close()


UNREADABLE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b"\0",
    b"\xff\xfe",
    b'{"replaying": "a"}',
    b'{"replaying": [], "crashes": {}}',
    b'{"replaying": null, "crashes": []}',
    b'{"replaying": null, "crashes": {"a": "many"}}',
]


def test_unreadable_note_accuses_nobody_and_is_written_over(hub):
    for text in UNREADABLE:
        note(hub).write_bytes(text)
        recorder = CrashMarker(hub)
        assert recorder.crashes == {}, text
        recorder.mark("a")
        assert json.loads(note(hub).read_text()) == {"replaying": "a", "crashes": {}}
        recorder.close()


def test_note_that_cannot_be_written_stops_no_replay(hub):
    note(hub).mkdir()
    recorder = CrashMarker(hub)
    recorder.mark("a")
    recorder.mark(None)
    recorder.close()
    assert recorder.crashes == {}
    assert note(hub).is_dir()


def test_hub_in_memory_writes_no_note(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = DuckStore(None)
    store.mark_replay("a")
    store.close()
    assert list(tmp_path.iterdir()) == []
