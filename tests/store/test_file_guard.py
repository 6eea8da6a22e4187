"""A hub's files while it is open: for their owner only; if they are taken away, nothing is acknowledged."""

import contextlib
import os
import re
import threading

import pytest

import durablenb as df
from durablenb.model.errors import StoreError
from durablenb.model.events import OrchestratorStarted
from durablenb.store import file_guard
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.lockfile import durable_log_path
from durablenb.store.tables import JournalTables
from tests.store.files import contents, wal_of, write_commits


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """The files are looked at after each commit."""
    monkeypatch.setattr(file_guard, "CHECK_SECONDS", 0.0)


@pytest.fixture
def store(hub, scribe):
    """A store with some records, in the database and in the log."""
    store = DuckStore(hub)
    scribe.start_in(store, "a")
    store.query("checkpoint")
    scribe.run("a", OrchestratorStarted)
    store.append(scribe.take())
    assert store.file_problem() is None
    return store


def more(scribe):
    scribe.run("a", OrchestratorStarted)
    return scribe.take()


def lock_of(hub):
    return hub.with_name("hub.duckdb.lock")


def removed(hub):
    hub.unlink()


def renamed(hub):
    hub.rename(hub.with_name("other.duckdb"))


def replaced(hub):
    new = hub.with_name("new.duckdb")
    write_commits(new, 3)
    wal_of(new).replace(wal_of(hub))
    new.replace(hub)


def without_log(hub):
    durable_log_path(hub).unlink()


def with_another_log(hub):
    durable_log_path(hub).unlink()
    durable_log_path(hub).write_bytes(b"mine")


def without_lock(hub):
    lock_of(hub).unlink()


def with_another_lock(hub):
    lock_of(hub).unlink()
    lock_of(hub).touch()


FATES = {
    removed: "was removed or renamed while the hub had it open.*Put the old file back",
    renamed: "was removed or renamed while the hub had it open",
    replaced: "was replaced by another file while the hub had it open",
    without_log: r"The log .*\.log was removed or replaced.*Close the hub, which writes all of it",
    with_another_log: r"The log .*\.log was removed or replaced",
    without_lock: r"The lock .*\.lock was removed or replaced.*Close the hub and open it again",
    with_another_lock: r"The lock .*\.lock was removed or replaced",
}


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: fate.__name__)
def test_file_that_is_taken_away_is_told_at_the_next_commit_and_nothing_more_is_written(
    hub, store, scribe, fate
):
    fate(hub)
    records = more(scribe)
    for _ in range(3):
        with pytest.raises(StoreError, match=FATES[fate]):
            store.append(records)
    assert store.last_seq() == records[0].seq  # what was under way was written, and can be read
    for write in (
        lambda: store.append(more(scribe)),
        lambda: store.purge(["a"]),
        lambda: store.append_lines([]),
        lambda: store.keep([]),
    ):
        with pytest.raises(StoreError, match=FATES[fate]):
            write()
    assert store.last_seq() == records[0].seq
    assert re.search(FATES[fate], str(store.file_problem()))
    if fate in (removed, renamed, replaced):
        with pytest.raises(StoreError, match=FATES[fate]):
            store.close()
    store.close()


@pytest.mark.parametrize("fate", [removed, renamed, replaced], ids=lambda fate: fate.__name__)
def test_hub_whose_database_was_taken_away_says_so_when_it_is_closed(hub, store, fate):
    store.query("select 1")  # the tables have all by then, so that nothing is written to them later
    fate(hub)
    before = contents(hub.parent)
    with pytest.raises(StoreError, match=FATES[fate]):
        store.close()
    assert contents(hub.parent).items() >= before.items()  # DuckDB would have deleted the log there


def test_hub_whose_database_was_taken_away_is_closed_after_what_is_being_written(
    hub, store, scribe, monkeypatch
):
    apply, is_at_work = JournalTables.apply, threading.Event()

    def slow(*given, **options):
        is_at_work.set()
        store._connections.writer().execute("select count(*) from range(99_999) a, range(300) b where a != b")
        apply(*given, **options)

    def read():
        with contextlib.suppress(StoreError):
            store.query("select 1")

    monkeypatch.setattr(JournalTables, "apply", slow)
    store.append(more(scribe))
    reader = threading.Thread(target=read)
    reader.start()
    assert is_at_work.wait(20)
    removed(hub)
    with pytest.raises(StoreError, match=FATES[removed]):
        store.close()
    reader.join()


def test_renamed_database_that_is_put_back_is_worked_on(opened, hub, store, scribe):
    renamed(hub)
    records = more(scribe)
    with pytest.raises(StoreError):
        store.append(records)
    hub.with_name("other.duckdb").rename(hub)
    store.append([*records, *more(scribe)])
    assert store.file_problem() is None
    store.close()
    store = opened(hub)
    assert store.load(["a"]) == scribe.history


@pytest.mark.parametrize("fate", [without_log, with_another_log], ids=lambda fate: fate.__name__)
def test_closing_saves_what_was_in_a_log_that_was_taken_away(opened, hub, store, scribe, fate):
    fate(hub)
    with pytest.raises(StoreError):
        store.append(more(scribe))
    store.close()
    if fate is with_another_log:
        with pytest.raises(StoreError, match=r"is not the log of a hub.*Move that file"):
            DuckStore(hub)
        assert durable_log_path(hub).read_bytes() == b"mine"
        durable_log_path(hub).unlink()
    store = opened(hub)
    assert store.load(["a"]) == scribe.history


def test_checkpoints_are_no_loss_of_the_log(hub, store, scribe):
    for _ in range(5):
        store.append(more(scribe))
        store.query("checkpoint")
        store.append(more(scribe))
    assert store.file_problem() is None
    store.close()


def test_calls_of_a_hub_whose_file_was_removed_fail_and_its_histories_can_be_saved(hub, tmp_path):
    def waits(context):
        yield context.wait_for_external_event("go")

    opened = df.TaskHub(hub)
    opened.add_orchestrator(waits)
    opened.start(waits, instance_id="before")
    hub.unlink()
    for _ in range(2):
        with pytest.raises(StoreError, match=r"was removed or renamed.*hub\.export"):
            opened.start(waits)
    assert opened.export(None, tmp_path / "rescued.parquet") >= 1
    with pytest.raises(StoreError, match="was removed or renamed"):
        opened.close()
    with df.TaskHub(tmp_path / "new.duckdb") as new:
        assert "before" in [handle.id for handle in new.import_history(tmp_path / "rescued.parquet")]


@pytest.fixture
def usual_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_nobody_else_may_read_the_files_of_an_open_hub(opened, hub, scribe, usual_umask):
    def modes():
        return {path.name: oct(path.stat().st_mode & 0o777) for path in hub.parent.iterdir()}

    store = opened(hub)
    scribe.start_in(store, "a")
    store.last_seq()  # now the tables have it, too
    store.mark_replay("a")
    private = dict.fromkeys(
        ["hub.duckdb", "hub.duckdb.lock", "hub.duckdb.log", "hub.duckdb.replaying", "hub.duckdb.wal"], "0o600"
    )
    assert modes() == private
    for _ in range(2):
        store.query("checkpoint")
        store.append(more(scribe))
        store.last_seq()
        assert modes() == private
    wal_of(hub).chmod(0o644)  # as an older durablenb left it
    store.append(more(scribe))
    store.last_seq()
    assert modes() == private


def test_nothing_is_left_beside_a_hub_that_was_only_looked_at(hub):
    for _ in range(2):
        store = DuckStore(hub)
        store.append_lines([])
        store.close()
        assert list(contents(hub.parent)) == ["hub.duckdb"]


def test_reads_while_another_thread_closes_say_that_the_hub_is_closed(hub, scribe):
    store = DuckStore(hub)
    errors, is_at_work = [], threading.Event()

    def read():
        try:
            while True:
                store.query("select count(*) from range(100_000) a, range(100) b where a.range != b.range")
                is_at_work.set()
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    is_at_work.wait()
    store.close()
    for reader in readers:
        reader.join()
    assert [type(error) for error in errors] == [StoreError] * 2
    assert all("The hub is closed" in str(error) for error in errors)
    with pytest.raises(StoreError, match="The hub is closed"):
        store.cursor()
