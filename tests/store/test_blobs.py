"""The large parts of values in every store: kept once, found again, freed with the last who refers."""

import hashlib
from random import Random

import duckdb
import pytest

import durablenb as df
from durablenb.model.errors import StoreError
from durablenb.model.events import EventRaised, ExecutionCompleted, OrchestratorStarted, TaskCompleted
from durablenb.model.payloads import Blob, Payload, references
from durablenb.store import blobs
from durablenb.store.duckdb_store import DuckStore
from durablenb.store.tables import JournalTables


def text_of(*contents: bytes, is_bare: bool = False) -> str:
    """A text that refers to these blobs, and brings them along unless it is bare."""
    blobs = tuple(Blob(hashlib.sha256(content).hexdigest(), "test", content) for content in contents)
    text = "[" + ", ".join(f'{{"@type": "x", "@payload": "{blob.hash}"}}' for blob in blobs) + "]"
    return text if is_bare else Payload(text, blobs)


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_kept(store, content: bytes) -> bool:
    try:
        return store.blob(hash_of(content)) == content
    except StoreError:
        return False


def test_a_blob_is_found_by_its_hash(store, scribe):
    scribe.start_in(store, "a", input=text_of(b"one", b"\0two"))
    assert is_kept(store, b"one")
    assert is_kept(store, b"\0two")
    assert store.load(["a"])["a"][0].input == text_of(b"one", b"\0two")


def test_a_blob_that_is_not_there_is_told(store):
    with pytest.raises(StoreError, match="The payload 000000000000 is not in the journal"):
        store.blob("0" * 64)


def test_texts_let_go_of_their_blobs_once_they_are_kept(store, scribe):
    text = text_of(b"one")
    scribe.start_in(store, "a", input=text)
    store.last_seq()  # in the tables, too
    assert text.blobs == ()
    assert references(text) == [hash_of(b"one")]


def test_a_text_may_refer_to_what_is_kept_already(store, scribe):
    scribe.start_in(store, "a", input=text_of(b"one"))
    scribe.start("b", input=text_of(b"one", is_bare=True))
    scribe.add("b", TaskCompleted, result=text_of(b"one"))
    store.append(scribe.take())
    store.purge(["a"])
    assert is_kept(store, b"one")
    store.purge(["b"])
    assert not is_kept(store, b"one")


def test_a_purge_frees_only_what_nothing_else_refers_to(store, scribe):
    for name, contents in {"a": [b"one", b"two"], "b": [b"two", b"three"], "c": [b"three"]}.items():
        scribe.start(name, input=text_of(*contents))
        scribe.add(name, EventRaised, input=text_of(contents[-1]))
        scribe.add(name, ExecutionCompleted, result=text_of(contents[0]))
    store.append(scribe.take())
    store.purge(["a", "unknown"])
    assert [is_kept(store, one) for one in (b"one", b"two", b"three")] == [False, True, True]
    store.purge(["b", "c"])
    assert [is_kept(store, one) for one in (b"one", b"two", b"three")] == [False, False, False]


def test_what_was_freed_can_come_again(store, scribe):
    for _ in range(3):
        scribe.start_in(store, "a", input=text_of(b"one"))
        assert is_kept(store, b"one")
        store.purge(["a"])
        assert not is_kept(store, b"one")


def test_many_events_of_one_blob_are_one_blob(store, scribe):
    shared = text_of(b"one")
    scribe.start("a", input=shared)
    for _ in range(1_000):
        scribe.add("a", EventRaised, input=text_of(b"one"))
    store.append(scribe.take())
    assert is_kept(store, b"one")
    if isinstance(store, DuckStore):
        assert store.query("select kind, bytes, uses from payloads") == [("test", 3, 1_001)]


# -- in DuckDB -------------------------------------------------------------------------------------


@pytest.fixture
def duck(hub):
    store = DuckStore(hub)
    yield store
    store.close()


def test_blobs_are_there_when_the_file_is_opened_again(opened, hub, scribe):
    store = DuckStore(hub)
    scribe.start_in(store, "a", input=text_of(b"one"))
    store.close()
    store = opened(hub)
    assert is_kept(store, b"one")


def fails(*_):
    raise duckdb.IOException("no more")


def test_blobs_and_their_records_are_in_the_tables_together_or_not_at_all(duck, scribe, monkeypatch):
    scribe.start("a", input=text_of(b"one"))
    monkeypatch.setattr(JournalTables, "_append", fails)
    duck.append(scribe.take())
    with pytest.raises(StoreError, match="no more"):
        duck.last_seq()
    assert duck._connections.writer().execute("from blob_uses").fetchall() == []
    assert duck._connections.writer().execute("from blobs").fetchall() == []
    assert segments_in(duck._connections.writer()) == set()
    monkeypatch.undo()
    assert is_kept(duck, b"one")
    assert len(duck.records("a")) == len(duck.query("select * from blob_uses")) == 1


def test_a_commit_that_was_interrupted_after_all_is_not_done_twice(opened, scribe, monkeypatch):
    store = opened(None)
    scribe.start("a", input=text_of(b"one"))
    records = scribe.take()
    real = JournalTables._append

    def interrupted(*given):
        real(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(JournalTables, "_append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.append(records)
    assert store.last_seq() == 0
    monkeypatch.undo()
    store.append(records)
    assert [record.seq for record in store.records("a")] == [1]
    assert is_kept(store, b"one")


def test_another_commit_follows_on_one_that_failed(opened, scribe, monkeypatch):
    store = opened(None)
    scribe.start("a", input=text_of(b"one"))
    first = scribe.take()
    monkeypatch.setattr(JournalTables, "_append", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.append(first)
    monkeypatch.undo()
    scribe.run("a", OrchestratorStarted)
    store.append([*first, *scribe.take()])
    assert len(store.records("a")) == 2
    assert is_kept(store, b"one")


def test_payloads_without_users_are_shown_as_such_and_their_bytes_are_not(duck, scribe):
    scribe.start_in(duck, "a", input=text_of(b"one"))
    assert duck.query("select hash, kind, bytes, uses from payloads") == [(hash_of(b"one"), "test", 3, 1)]
    columns = duck.query(
        "select column_name from duckdb_columns() where table_name = 'payloads' order by column_index"
    )
    assert [name for (name,) in columns] == ["hash", "kind", "bytes", "uses", "created"]
    assert duck.query("select hash = sha256(content) from blob_contents") == [(True,)]


def write_large(store, scribe, names, size=200_000):
    """An instance for each name, with bytes by chance of its own; answers those."""
    given = {name: Random(name).randbytes(size) for name in names}
    for name, content in given.items():
        scribe.start_in(store, name, input=text_of(content))
    return given


def segments_in(connection):
    tables = connection.execute("select table_name from duckdb_tables()").fetchall()
    return {name for (name,) in tables if "segment" in name}


def segments_of(store):
    return segments_in(store.cursor())


@pytest.fixture
def crowded(hub, duck, scribe, monkeypatch):
    """A store whose large parts are in several tables, all of them checkpointed; and they."""
    monkeypatch.setattr(blobs, "SEGMENT", 1_600_000)
    given = write_large(duck, scribe, [f"i{number}" for number in range(20)])
    duck.query("checkpoint")
    assert len(segments_of(duck)) == 3
    return duck, given


def test_checkpoint_writes_what_is_new_however_much_there_is(hub, crowded, scribe):
    store, _ = crowded
    before = hub.read_bytes()
    write_large(store, scribe, ["one more"])
    store.query("checkpoint")
    after = hub.read_bytes()
    blocks = range(12_288, len(after), 262_144)
    written = sum(before[place : place + 262_144] != after[place : place + 262_144] for place in blocks)
    assert written * 262_144 < 3_000_000  # the last table at most, and not all of the four megabytes


def use(hub, scribe):
    """Open the hub, write and close it."""
    store = DuckStore(hub)
    scribe.start_in(store, "later")
    store.close()


def test_blobs_of_all_tables_are_found_now_and_later_and_purged(hub, crowded, scribe):
    store, given = crowded
    assert all(is_kept(store, content) for content in given.values())
    assert store.query("select count(*), sum(octet_length(content)) from blob_contents") == [(20, 4_000_000)]
    *gone, last = given
    store.purge(gone)
    assert [name for name, content in given.items() if is_kept(store, content)] == [last]
    assert len(segments_of(store)) == 1
    store.close()
    store = DuckStore(hub)
    assert is_kept(store, given[last])
    store.purge([last])
    assert segments_of(store) == set()
    assert store.query("select * from blob_contents") == []
    store.close()
    use(hub, scribe)
    assert hub.stat().st_size < 2_000_000


def test_a_purge_makes_the_file_smaller_once_it_is_used_again(hub, scribe):
    store = DuckStore(hub)
    given = write_large(store, scribe, ["a", "b", "c"], size=1_000_000)
    scribe.start_in(store, "kept")
    store.close()
    store = DuckStore(hub)
    store.purge(list(given))
    store.close()
    use(hub, scribe)  # the last checkpoint had written what is kept before it freed the rest
    assert hub.stat().st_size < 2_000_000


OLD_BLOBS = """
begin;
create temp table contents as from blob_contents;
update blobs set content = (select content from contents c where c.hash = blobs.hash);
drop view blob_contents;
drop table blob_segment_1;
commit;
"""


@pytest.fixture
def old(hub, scribe):
    """A file as the first durablenb wrote it: with the bytes in `blobs`."""
    store = DuckStore(hub)
    scribe.start_in(store, "a", input=text_of(b"one", b""))
    store.close()
    with duckdb.connect(str(hub)) as connection:
        connection.execute(OLD_BLOBS)
    return hub


def test_blobs_of_an_older_file_are_read_as_it_is(old):
    with df.open_history(old) as history:
        assert history._journal.of().blob(hash_of(b"one")) == b"one"


def test_blobs_of_an_older_file_are_kept_beside_new_ones_and_purged(opened, old, scribe):
    store = opened(old)
    scribe.start_in(store, "b", input=text_of(b"one", b"two"))
    assert all(is_kept(store, content) for content in (b"one", b"", b"two"))
    store.purge(["b"])
    assert [is_kept(store, content) for content in (b"one", b"", b"two")] == [True, True, False]
    store.purge(["a"])
    assert not is_kept(store, b"one")


# -- files -------------------------------------------------------------------------------------------


@pytest.fixture
def removed(monkeypatch):
    found = []
    monkeypatch.setattr("durablenb.store.tables.remove_files", lambda files: found.extend(files))
    return found


def in_file(hub_id, content=b"one"):
    return f'{{"@type": "x", "@payload": "{hash_of(content)}", "@at": "/payloads/{hub_id}"}}'


@pytest.mark.parametrize("name", ["hub.duckdb", None])
def test_a_purge_removes_the_files_of_its_own_hub_only(opened, name, tmp_path, scribe, removed):
    store = opened(name and tmp_path / name)
    scribe.start("a", input=in_file(store.hub_id))
    scribe.start("b", input=in_file("f" * 32))  # imported from another hub
    store.append(scribe.take())
    store.purge(["a", "b"])
    assert removed == [f"/payloads/{store.hub_id}#{hash_of(b'one')}"]


def test_a_purge_that_failed_removes_no_files(opened, scribe, removed, monkeypatch):
    store = opened(None)
    scribe.start_in(store, "a", input=in_file(store.hub_id))
    monkeypatch.setattr("durablenb.store.statements.FORGET_IMPORTS", "select error('no')")
    with pytest.raises(StoreError):
        store.purge(["a"])
    scribe.start_in(store, "b", input=text_of(b"two"))
    assert removed == []
