"""The durable log: what was acknowledged is there again, wherever the process or the power ended."""

import contextlib
import shutil
import sys
import threading
import warnings
from datetime import UTC, datetime
from random import Random

import duckdb
import pytest

import durablenb as df
from durablenb.core.ports.store import HistoryBundle
from durablenb.model.activities import ActivityAttempt
from durablenb.model.errors import StoreError
from durablenb.model.events import EventRaised, OrchestratorStarted
from durablenb.model.imports import Import, KeptBlob
from durablenb.model.logs import LogLine
from durablenb.model.source import Source
from durablenb.store import durable_log, log_file, log_format
from durablenb.store.connections import Connections
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.durable_log import DurableLog
from durablenb.store.lockfile import durable_log_path
from durablenb.store.log_file import reading
from durablenb.store.log_format import FRAMES_AT
from durablenb.store.repair import repair
from durablenb.store.salvage import DamagedHubError, SalvageWarning
from durablenb.store.tables import JournalTables
from tests.store.files import assert_kept, contents, damage, flip, wal_of
from tests.store.scribe import Scribe
from tests.store.test_blobs import hash_of, is_kept, text_of
from tests.waiting import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def at_rest_never(monkeypatch):
    """The tables are brought up to date when somebody reads, and not by the time that passes."""
    monkeypatch.setattr(durable_log, "REST_SECONDS", 3600.0)


def line(number):
    return LogLine("a", "e", None, "add", 1, NOW, "stdout", None, None, f"line {number}")


def attempt(task_id, instance_id="a", **reported):
    key = f"{instance_id}:{task_id}"
    return ActivityAttempt(instance_id, f"e-{instance_id}", task_id, key, 1, 1, NOW, "thread-0", **reported)


def write_all_kinds(store, scribe):
    """An entry of each kind."""
    scribe.start("a", input=text_of(b"one"))
    scribe.start_in(store, "gone")
    store.keep([Source("0" * 16, "def one(): pass", 1)])
    store.append_lines([line(1), line(2)])
    store.put_attempts([attempt(0, done=1.0), attempt(1)])
    store.put_attempts([attempt(0, done=2.0, checkpoint='"é"', reported_at=NOW), attempt(0, "gone")])
    store.purge(["gone"])
    elsewhere = Scribe()
    elsewhere.start("imported", input=text_of(b"two", is_bare=True))
    bundle = HistoryBundle(
        elsewhere.take(), [KeptBlob(hash_of(b"two"), "test", b"two", NOW)], [("1" * 16, "two")], [line(3)]
    )
    store.import_histories(bundle, [Import("imported", "elsewhere", "azure", NOW)], store.last_seq())


def everything(store):
    """All that the tables have, but for what they say about the log."""
    names = [name for (name,) in store.query("select table_name from duckdb_tables() order by 1")]
    names.remove("durablenb_log")
    return {name: store.query(f"from {name} order by all") for name in names}


def killed(store, hub, folder):
    """The files of a hub, as they are when its process is killed now."""
    folder.mkdir()
    for path in hub.parent.glob("hub.duckdb*"):
        if path.suffix != ".lock":
            shutil.copy2(path, folder / path.name)
    return folder / hub.name


def frames_of(hub):
    with reading(durable_log_path(hub)) as (_, frames):
        return list(frames)


# -- what was acknowledged is there ----------------------------------------------------------------


def test_entries_of_all_kinds_come_back_from_the_log_alone(opened, hub, scribe, tmp_path, monkeypatch):
    monkeypatch.setattr(DurableLog, "catch_up", lambda self: None)
    store = DuckStore(hub)
    monkeypatch.setattr(store, "last_seq", lambda: 2)
    write_all_kinds(store, scribe)
    assert len(frames_of(hub)) == 7
    copy = killed(store, hub, tmp_path / "copy")
    monkeypatch.undo()
    expected = everything(store)
    store.close()
    again = opened(copy)
    found = everything(again)
    assert {name: len(rows) for name, rows in found.items() if rows} == {
        "activity_attempts": 2,
        "blob_segment_1": 2,
        "blob_uses": 2,
        "blobs": 2,
        "durablenb_format": 1,
        "imported": 1,
        "journal": 2,
        "log_lines": 3,
        "sources": 2,
    }
    assert found == expected
    assert again.load(["a"])["a"] == scribe.history["a"]
    assert again.attempts(["a"]) == [attempt(0, done=2.0, checkpoint='"é"', reported_at=NOW), attempt(1)]


def test_a_purge_of_executions_comes_back_from_the_log_alone(opened, hub, scribe, tmp_path, monkeypatch):
    monkeypatch.setattr(DurableLog, "catch_up", lambda self: None)
    store = DuckStore(hub)
    scribe.start("a", input=text_of(b"first"))
    scribe.add("a", EventRaised, name="x", input=text_of(b"gone"))
    old = scribe._executions["a"]
    scribe.continue_as_new("a")
    scribe.start_in(store, "b", input=text_of(b"b"))
    store.append_lines([line(1)._replace(execution_id=old), line(2)])
    store.purge(["b"], [old], [1])
    copy = killed(store, hub, tmp_path / "copy")
    monkeypatch.undo()
    store.close()
    again = opened(copy)
    assert [record.seq for record in again.records("a")] == [1, 4]
    assert again.records("b") == []
    assert again.lines("a") == [line(2)]
    assert [is_kept(again, content) for content in (b"first", b"gone", b"b")] == [True, False, False]


def test_a_blob_is_written_to_the_log_once(opened, hub, scribe):
    store = opened(hub)
    content = Random(1).randbytes(100_000)
    for name in "abc":
        scribe.start_in(store, name, input=text_of(content))
        if name == "b":
            store.last_seq()  # by now it is in the tables
    store.purge(["a"])
    scribe.start_in(store, "d", input=text_of(content))
    assert [len(frame.content) > 100_000 for frame in frames_of(hub)] == [True, False, False, False, False]
    store.purge(["b", "c", "d"])
    scribe.start_in(store, "e", input=text_of(content))
    assert len(frames_of(hub)[-1].content) > 100_000  # it was gone
    assert is_kept(store, content)


def test_all_readers_see_what_was_acknowledged(opened, hub, scribe):
    store = opened(hub)
    live = store.live_connection()
    seen = []
    for number in range(1, 4):
        scribe.start_in(store, f"i{number}")
        asked = "select count(*) from instances"
        seen.append(live.execute(asked).fetchall())
        seen.append(store.cursor().execute(asked).fetchall())
        seen.append(store.connection().execute(asked).fetchall())
        seen.append([(store.last_seq(),)])
        assert seen[-4:] == [[(number,)]] * 4
    live.close()


def test_a_relation_that_is_kept_does_not_make_commits_wait_for_the_tables(hub, scribe, monkeypatch):
    applied = []
    real = JournalTables.apply
    monkeypatch.setattr(
        JournalTables, "apply", lambda *given, **options: applied.append(1) or real(*given, **options)
    )
    with df.TaskHub(hub) as opened:
        opened.add_orchestrator(lambda context: context.get_input(), "echo")
        kept = opened.sql("select count(*) from instances")
        for number in range(5):
            opened.run("echo", number)
        assert applied == []
        assert opened.sql("select count(*) from instances").fetchall() == [(5,)]
        assert kept.fetchall() == [(5,)]
        connection = opened.connection()
        before = len(applied)
        opened.run("echo", 6)
        assert len(applied) > before
        assert connection.execute("select count(*) from instances").fetchall() == [(6,)]
        connection.close()


def test_tables_follow_when_enough_has_gathered_and_when_nothing_happens(opened, hub, scribe, monkeypatch):
    monkeypatch.setattr(durable_log, "REST_SECONDS", 0.01)
    store = opened(hub)
    scribe.start_in(store, "a")
    log = store._log
    until(lambda: log._applied == log._written)  # nobody reads
    monkeypatch.setattr(durable_log, "REST_SECONDS", 3600.0)
    monkeypatch.setattr(durable_log, "ROWS_AT_ONCE", 3)
    for _ in range(4):
        scribe.run("a", OrchestratorStarted)
        store.append(scribe.take())
    until(lambda: log._applied >= 4)


def test_a_large_value_is_written_to_the_database_and_not_to_duckdbs_log(hub, scribe):
    store = DuckStore(hub)

    def size_after(characters):
        """The bytes of DuckDB's log once the tables have an event of this size."""
        scribe.add("one", EventRaised, input=f'"{"x" * characters}"')
        store.append(scribe.take())
        assert store.last_seq() == len(scribe.history["one"])
        return wal_of(hub).stat().st_size if wal_of(hub).exists() else 0

    scribe.start("one")
    assert size_after(1_000_000) > 1_000_000
    assert [size_after(5_000_000) for _ in range(2)] == [0, 0]
    assert 0 < size_after(1_000) < 100_000
    store.close()
    assert len(list(DuckStore(hub).records("one"))) == 5


def test_there_is_one_file_after_closing_and_none_but_the_database_if_nothing_was_written(hub, scribe):
    for _ in range(2):
        DuckStore(hub).close()
        assert list(contents(hub.parent)) == [hub.name]
    store = DuckStore(hub)
    assert not durable_log_path(hub).exists()
    scribe.start_in(store, "a")
    assert durable_log_path(hub).stat().st_size > FRAMES_AT
    store.close()
    assert list(contents(hub.parent)) == [hub.name]


def test_the_log_begins_again_after_a_checkpoint_and_its_file_is_used_again(
    opened, hub, scribe, monkeypatch, tmp_path
):
    monkeypatch.setattr(durable_log, "CHECKPOINT_BYTES", 50_000)
    store = opened(hub)
    scribe.start_in(store, "a")
    generations, sizes = set(), set()
    for number in range(40):
        scribe.add("a", EventRaised, input='"' + "x" * 10_000 + '"')
        store.append(scribe.take())
        store.last_seq()
        with reading(durable_log_path(hub)) as (header, _):
            generations.add(header.generation)
        sizes.add(durable_log_path(hub).stat().st_size)
        if number % 10 == 0:
            again = DuckStore(killed(store, hub, tmp_path / f"copy{number}"))
            assert again.load(["a"]) == scribe.history
            again.close()
    assert len(generations) > 3
    assert len(sizes) == 1


def test_the_log_begins_again_only_when_the_databases_own_file_has_everything(
    opened, hub, scribe, monkeypatch
):
    """DuckDB's log isn't synced, so a power cut may take it."""
    monkeypatch.setattr(durable_log, "CHECKPOINT_BYTES", 20_000)
    begin, left = log_file.LogFile.begin_generation, []

    def look(file):
        left.append(wal_of(hub).stat().st_size if wal_of(hub).exists() else 0)
        begin(file)

    monkeypatch.setattr(log_file.LogFile, "begin_generation", look)
    store = opened(hub)
    scribe.start_in(store, "a", input='"' + "x" * 30_000 + '"')
    assert store.last_seq() == 1
    until(lambda: left)
    assert left == [0]


# -- wherever it ends --------------------------------------------------------------------------------


@pytest.fixture
def recorded(hub, scribe, tmp_path):
    """A hub with some entries that are in the log alone; its files, and the last place after each entry."""
    store = DuckStore(hub)
    scribe.start_in(store, "a")
    store.last_seq()
    places = [(frames_of(hub)[-1].end, 1)]
    for number in range(6):
        scribe.add("a", EventRaised, input='"' + "x" * number * 300 + '"')
        if number == 3:
            scribe.start("blob", input=text_of(Random(1).randbytes(5_000)))
        records = scribe.take()
        store.append(records)
        places.append((frames_of(hub)[-1].end, records[-1].seq))
    copy = killed(store, hub, tmp_path / "copy")
    store.close()
    return copy, places


TAILS = {
    "nothing": lambda random, lost: b"",
    "zeros": lambda random, lost: bytes(len(lost)),
    "anything": lambda random, lost: random.randbytes(len(lost)),
    "its second half": lambda random, lost: bytes(len(lost) // 2) + lost[len(lost) // 2 :],
}


@pytest.mark.parametrize("tail", TAILS)
def test_wherever_the_log_is_cut_all_before_it_is_there_and_nothing_after_it(recorded, tmp_path, tail):
    hub, places = recorded
    log, random = durable_log_path(hub).read_bytes(), Random(tail)
    ends = [place for place, _ in places]
    cuts = [random.randrange(ends[0], ends[-1]) for _ in range(4)]
    for place in (*random.sample(ends[1:-1], 2), ends[-1]):
        cuts += [place - 1, place, place + 1]
    for number, cut in enumerate(cuts):
        folder = tmp_path / f"{number}"
        shutil.copytree(hub.parent, folder)
        cut_hub = folder / hub.name
        lost = log[cut : next((end for end in ends if end > cut), cut)]  # one frame is under way at most
        left = log[:cut] + TAILS[tail](random, lost)
        durable_log_path(cut_hub).write_bytes(left)
        store = DuckStore(cut_hub)
        assert store.last_seq() == max(seq for place, seq in places if left[:place] == log[:place])
        store.close()
        assert list(contents(folder)) == [hub.name]


@pytest.mark.parametrize("place", ["header of a frame", "content"])
def test_damage_before_whole_entries_is_refused_and_repair_saves_what_is_before_it(opened, recorded, place):
    hub, places = recorded
    start, seq = places[2]
    flip(durable_log_path(hub), start + (9 if place != "content" else 60))
    before = contents(hub.parent)
    for _ in range(2):
        with pytest.raises(
            DamagedHubError, match=rf"log hub\.duckdb\.log is damaged at byte {start:,}.*repair"
        ):
            DuckStore(hub)
        with pytest.raises(DamagedHubError, match="is damaged at byte"):
            df.open_history(hub)
    assert contents(hub.parent) == before
    report = repair(hub)
    assert report.verdict == "salvaged"
    assert report.found == (f"log hub.duckdb.log: damaged at byte {start:,}",)
    assert report.done == ("applied what is before the damage: 2 entries; lost: 1 entries or more",)
    assert_kept(before, hub.parent)
    store = opened(hub)
    assert store.last_seq() == seq


def test_a_log_whose_beginning_is_damaged_is_refused_and_set_aside_by_repair(opened, recorded):
    hub, _ = recorded
    damage(durable_log_path(hub), 0, b"\xff" * FRAMES_AT)
    before = contents(hub.parent)
    with pytest.raises(DamagedHubError, match=r"beginning of its log hub\.duckdb\.log is damaged"):
        DuckStore(hub)
    assert contents(hub.parent) == before
    report = repair(hub)
    assert report.verdict == "log set aside"
    assert_kept(before, hub.parent)
    store = opened(hub)
    assert store.last_seq() == 1


def test_either_header_may_be_torn(opened, hub, scribe, tmp_path, monkeypatch):
    monkeypatch.setattr(durable_log, "CHECKPOINT_BYTES", 1_000)
    store = DuckStore(hub)
    for number in range(30):
        scribe.start_in(store, f"i{number}")
        store.last_seq()
    assert store._log._file._header.generation > 2
    before = killed(store, hub, tmp_path / "copy")
    store.close()
    with reading(durable_log_path(before)) as (header, _):
        older = (header.generation + 1) % 2 * log_format.SLOT_BYTES
    flip(durable_log_path(before), older + 30)
    again = opened(before)
    assert again.last_seq() == 30


def test_duckdbs_own_log_may_be_damaged_in_any_way_and_nothing_is_lost(recorded, tmp_path, scribe):
    hub, places = recorded
    size = wal_of(hub).stat().st_size
    assert size > 100
    told = 0
    for number, (place, content) in enumerate(
        [(0, b"\xff" * 60), (size // 2, b"\0" * 50), (size - 20, b"\1" * 20), (size, b"\0" * 4096), (30, b"")]
    ):
        folder = tmp_path / f"{number}"
        shutil.copytree(hub.parent, folder)
        copy = folder / hub.name
        if content:
            damage(wal_of(copy), place, content)
        else:
            with wal_of(copy).open("r+b") as file:
                file.truncate(place)
        before = contents(folder)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            store = DuckStore(copy)
        assert store.last_seq() == places[-1][1]
        assert store.load(["a"])["a"] == scribe.history["a"]
        store.close()
        told += len(caught)
        if caught:
            assert caught[0].category is SalvageWarning
            assert_kept(before, folder)
    assert told


# -- what doesn't belong together ----------------------------------------------------------------------


def another(hub, name):
    """Another hub's file, with a log."""
    folder = hub.parent.parent / name
    folder.mkdir()
    store, scribe = DuckStore(folder / hub.name), Scribe()
    for number in range(3):
        scribe.start_in(store, f"{name}{number}")
    copy = killed(store, folder / hub.name, hub.parent.parent / f"{name} copy")
    store.close()
    return copy


WITHOUT = "opened without the log; what was in it alone is not in the hub"


def refused(hub, match):
    before = contents(hub.parent)
    with pytest.raises(DamagedHubError, match=match):
        DuckStore(hub)
    with pytest.raises(DamagedHubError, match=match):
        df.open_history(hub)
    assert contents(hub.parent) == before


def test_the_log_of_another_hub_is_refused(recorded):
    hub, _ = recorded
    shutil.copy2(durable_log_path(another(hub, "other")), durable_log_path(hub))
    refused(hub, r"its log hub\.duckdb\.log is another hub's.*Bring the right two together")


def test_an_older_log_beside_a_newer_database_is_refused(recorded):
    hub, _ = recorded
    old = durable_log_path(hub).read_bytes()
    DuckStore(hub).close()
    assert list(contents(hub.parent)) == [hub.name]
    store, scribe = DuckStore(hub), Scribe()
    scribe._seq = store.last_seq()
    scribe.start_in(store, "later")
    store.close()
    durable_log_path(hub).write_bytes(old)
    refused(hub, r"its log hub\.duckdb\.log is older than the database")


def test_an_older_database_beside_a_newer_log_is_refused(hub, scribe, tmp_path):
    DuckStore(hub).close()
    store = DuckStore(hub)
    for number in range(3):
        scribe.start_in(store, f"i{number}")
    store.close()
    old = hub.read_bytes()
    for _ in range(2):
        store = DuckStore(hub)
        scribe.start_in(store, "more")
        copy = killed(store, hub, tmp_path / f"copy{_}")
        store.close()
    copy.write_bytes(old)
    wal_of(copy).unlink(missing_ok=True)
    refused(copy, r"it is older than its log hub\.duckdb\.log, and 1 entries are in neither")


def test_two_copies_that_went_different_ways_are_not_merged(recorded, tmp_path, scribe):
    hub, _ = recorded
    shutil.copytree(hub.parent, tmp_path / "twin")
    twin = tmp_path / "twin" / hub.name
    logs = []
    for path in (hub, twin):
        store, own = DuckStore(path), Scribe()
        own._seq = store.last_seq()
        own.start(str(path))
        store.append(own.take())
        store.last_seq()
        if path == hub:
            own.start("one more")
            store.append(own.take())
        logs.append(killed(store, path, tmp_path / f"copy {len(logs)}"))
        store.close()
    shutil.copy2(durable_log_path(logs[0]), durable_log_path(logs[1]))
    refused(logs[1], "copies from different times, after which each went its own way")


def test_a_log_that_is_missing_is_told_and_repair_goes_on_without_it(opened, recorded):
    hub, _ = recorded
    durable_log_path(hub).unlink()
    refused(hub, r"its log hub\.duckdb\.log is missing.*Put hub\.duckdb\.log back beside it")
    report = repair(hub)
    assert (report.verdict, report.done) == ("log set aside", (WITHOUT,))
    store = opened(hub)
    assert store.last_seq() == 1


def test_a_log_without_its_database_is_refused(recorded):
    hub, _ = recorded
    wal_of(hub).unlink()
    hub.unlink()
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=r"is missing, but its log hub\.duckdb\.log is there"):
        DuckStore(hub)
    assert contents(hub.parent) == before


def test_a_file_of_that_name_that_is_no_log_is_refused_and_kept(hub, scribe):
    DuckStore(hub).close()
    durable_log_path(hub).write_text("what my program printed\n" * 1_000)
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=r"is not the log of a hub.*Move that file to another place"):
        DuckStore(hub)
    assert contents(hub.parent) == before


def test_a_log_of_a_newer_version_is_refused(recorded, monkeypatch):
    hub, _ = recorded
    with reading(durable_log_path(hub)) as (header, _):
        newer = header._replace(version=2)
    damage(durable_log_path(hub), newer.slot(), newer.encoded())
    before = contents(hub.parent)
    for use in (DuckStore, df.open_history, repair):  # a repair without the log would lose what is in it
        with pytest.raises(StoreError, match="has format 2 of the log; this durablenb knows up to 1"):
            use(hub)
    assert contents(hub.parent) == before


# -- disks that fail -----------------------------------------------------------------------------------


def test_after_a_sync_that_failed_the_log_is_written_to_another_file(
    opened, hub, scribe, monkeypatch, tmp_path
):

    store = opened(hub)
    scribe.start_in(store, "a")
    first = durable_log_path(hub).stat().st_ino
    real, failing = log_file.sync, [True]

    def sync(fd):
        if failing:
            failing.pop()
            raise OSError(5, "Input/output error")
        real(fd)

    monkeypatch.setattr(log_file, "sync", sync)
    scribe.run("a", OrchestratorStarted)
    records = scribe.take()
    with pytest.raises(
        StoreError, match=r"Could not write to the log .*hub\.duckdb\.log: Input/output error"
    ):
        store.append(records)
    store.append(records)
    assert durable_log_path(hub).stat().st_ino != first
    again = DuckStore(killed(store, hub, tmp_path / "copy"))
    assert again.load(["a"]) == scribe.history
    again.close()
    assert store.load(["a"]) == scribe.history


def test_tables_that_cannot_be_written_refuse_reads_and_writes_until_they_can(
    opened, hub, scribe, monkeypatch
):
    store = opened(hub)
    scribe.start_in(store, "a")

    def full(*_):
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(Connections, "appender", full)
    with pytest.raises(StoreError, match="Make room"):
        store.last_seq()
    scribe.run("a", OrchestratorStarted)
    records = scribe.take()
    for _ in range(2):
        with pytest.raises(StoreError, match="Make room"):
            store.append(records)
    monkeypatch.undo()
    store.append(records)
    assert store.load(["a"]) == scribe.history


def test_a_hub_that_cannot_be_closed_whole_has_the_rest_in_its_log(opened, hub, scribe, monkeypatch):
    store = DuckStore(hub)
    scribe.start_in(store, "a")
    monkeypatch.setattr(Connections, "appender", lambda self: 1 / 0)
    with pytest.raises(StoreError, match="in the log"):
        store.close()
    monkeypatch.undo()
    assert durable_log_path(hub).exists()
    again = opened(hub)
    assert again.load(["a"]) == scribe.history


def test_a_commit_whose_answer_got_lost_is_not_applied_twice(opened, hub, scribe, monkeypatch):
    store = opened(hub)
    scribe.start_in(store, "a")
    real = JournalTables.apply

    def apply(self, *given, **options):
        real(self, *given, **options)
        raise StoreError("the answer got lost")

    monkeypatch.setattr(JournalTables, "apply", apply)
    with pytest.raises(StoreError, match="got lost"):
        store.last_seq()
    monkeypatch.undo()
    assert store.query("select seq from journal") == [(1,)]


# -- reading without writing ---------------------------------------------------------------------------


def test_a_file_whose_process_died_is_read_with_its_log_and_not_changed(
    recorded, scribe, tmp_path, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    hub, places = recorded
    before = contents(hub.parent)
    with df.open_history(hub) as file:
        assert file.sql("select max(seq) from journal").fetchall() == [(places[-1][1],)]
        assert list(file.history("a")) == scribe.history["a"]
        assert list((tmp_path / "tmp").iterdir())
    assert list((tmp_path / "tmp").iterdir()) == []
    assert contents(hub.parent) == before


# -- threads, and older files -------------------------------------------------------------------------


def test_an_interrupt_never_meets_the_tables(hub, scribe):
    store = DuckStore(hub)
    scribe.start_in(store, "a")
    assert store._log._thread.name == "durablenb-log"
    store.close()
    assert store._log._thread is None


def test_old_files_get_a_log(opened, hub, scribe):
    DuckStore(hub).close()
    with duckdb.connect(str(hub)) as connection:
        connection.execute("drop table durablenb_log")
        connection.execute("update durablenb_format set version = 1")
    with df.open_history(hub) as file:
        assert file.instances() == []
    store = opened(hub)
    scribe.start_in(store, "a")
    assert store.query("select max(version) from durablenb_format") == [(2,)]


def test_readers_see_what_was_acknowledged_while_the_tables_follow(tmp_path, monkeypatch):
    monkeypatch.setattr(durable_log, "REST_SECONDS", 0.001)
    monkeypatch.setattr(durable_log, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(durable_log, "CHECKPOINT_BYTES", 20_000)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for number in range(2):
            path = tmp_path / f"{number}" / "hub.duckdb"
            path.parent.mkdir()
            assert missed_by_readers(DuckStore(path), Random(number)) == []
            assert list(contents(path.parent)) == [path.name]
    finally:
        sys.setswitchinterval(before)


def missed_by_readers(store, random):
    """Acknowledged records that readers missed, until the store was closed below them."""
    scribe, acknowledged, missed = Scribe(), [0], []

    def read():
        with contextlib.suppress(StoreError):  # it is closed
            while True:
                least = acknowledged[0]
                if (last := store.last_seq()) < least:
                    missed.append((last, least))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(40):
        scribe.start(f"i{number}", input='"' + "x" * random.randrange(2_000) + '"')
        records = scribe.take()
        store.append(records)
        acknowledged[0] = records[-1].seq
        if number % 10 == 9:
            store.purge([f"i{number // 2}"])
    store.close()
    for reader in readers:
        reader.join()
    return missed
