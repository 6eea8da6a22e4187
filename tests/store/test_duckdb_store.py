"""The journal in DuckDB: opening and closing, interrupts, and writing all or nothing."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from durablenb.core.ports.store import InstanceQuery, Record
from durablenb.model.errors import StoreError
from durablenb.model.events import EventRaised, OrchestratorStarted
from durablenb.store import duckdb_store
from durablenb.store.connections import Connections, close_connections
from durablenb.store.duckdb_store import DuckStore
from tests.store.files import contents
from tests.store.scribe import BEGINNING


@pytest.fixture
def store(hub):
    store = DuckStore(hub)
    yield store
    store.close()


@pytest.fixture(params=["in memory", "in a file"])
def any_store(request, hub):
    store = DuckStore(hub if request.param == "in a file" else None)
    yield store
    store.close()


# -- closing ---------------------------------------------------------------------------------------


def test_a_closed_hub_says_so_whatever_it_is_asked(any_store):
    any_store.close()
    for use in (
        any_store.last_seq,
        any_store.cursor,
        lambda: any_store.append([]),
        lambda: any_store.purge([]),
    ):
        with pytest.raises(StoreError, match=r"The hub is closed\. Open it again"):
            use()


def test_closing_closes_the_connections_of_all_threads(any_store):
    cursors = [any_store.cursor()]
    thread = threading.Thread(target=lambda: cursors.append(any_store.cursor()))
    thread.start()
    thread.join()
    any_store.close()
    for cursor in cursors:
        with pytest.raises(duckdb.ConnectionException, match="closed"):
            cursor.execute("select 1")


def test_what_a_thread_read_with_is_closed_once_it_has_ended_and_another_reads(any_store):
    cursors = []
    thread = threading.Thread(target=lambda: cursors.append(any_store.cursor()))
    thread.start()
    thread.join()
    any_store.cursor()
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        cursors[0].execute("select 1")


def test_closing_does_not_wait_for_a_query_under_way_in_another_thread(any_store):
    cursor, ended = any_store.cursor(), []
    for setting, value in (("", "true"), ("_print", "false")):
        cursor.execute(f"set enable_progress_bar{setting} = {value}")
    cursor.execute("set progress_bar_time = 0")

    def read():
        try:
            cursor.execute("select max(hash(a.range + b.range)) from range(1000000) a, range(1000000) b")
        except duckdb.Error as error:
            ended.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    while cursor.query_progress() < 0:  # No query is under way; another one might wait for this one's end.
        time.sleep(0.001)
    any_store.close()
    thread.join()
    assert isinstance(ended[0], duckdb.InterruptException | duckdb.ConnectionException)


class Beginning:
    """A connection on which a query begins while it is closed: `close` waits until it ends."""

    def __init__(self):
        self._has_ended = threading.Event()
        self.was_interrupted = False

    def interrupt(self):
        self._has_ended.set()

    def close(self):
        self.was_interrupted = self._has_ended.wait(20)


def test_closing_interrupts_a_query_that_begins_just_then():
    beginning, idle, threads = Beginning(), duckdb.connect(), set(threading.enumerate())
    close_connections([beginning, idle])
    assert beginning.was_interrupted
    assert set(threading.enumerate()) <= threads  # one that is inside DuckDB when the process ends aborts it
    with pytest.raises(duckdb.ConnectionException, match="closed"):
        idle.execute("select 1")


def test_after_closing_anybody_may_open_the_file_and_finds_all_of_it(store, scribe, hub):
    scribe.start_in(store, "a")
    kept = store.cursor()
    store.close()
    with duckdb.connect(str(hub), config={"threads": 1}) as connection:
        rows = connection.execute("select instance_id, status from instances").fetchall()
    assert rows == [("a", "Pending")]
    assert sorted(contents(hub.parent)) == [hub.name]
    del kept


def test_opened_again_a_hub_knows_all_it_knew(opened, store, scribe, hub):
    scribe.start("a")
    scribe.run("a", OrchestratorStarted)
    store.append(scribe.take())
    store.close()
    again = opened(hub)
    assert again.load(["a"]) == scribe.history
    assert again.last_seq() == 2


# -- all or nothing --------------------------------------------------------------------------------


def test_a_batch_bigger_than_any_buffer_is_written_as_a_whole_or_not_at_all(store):
    event = EventRaised(1, BEGINNING, "e", "1")
    records = [Record(number, "a", "e", event) for number in range(1, 210_001)]
    bad = Record(210_001, "a", "e", EventRaised(1, BEGINNING, "\ud800 is no text for a table", "1"))
    with pytest.raises(StoreError, match="Could not write"):
        store.append([*records, bad])
    assert store.last_seq() == 0
    store.append(records[:3])
    assert store.query("select count(*), max(seq) from journal") == [(3, 3)]


def interrupted(*_):
    raise KeyboardInterrupt


def test_an_interrupted_batch_is_not_written_until_it_is_given_again(any_store, scribe, monkeypatch):
    scribe.start_in(any_store, "a")
    scribe.run("a", *[OrchestratorStarted] * 10)
    records = scribe.take()
    to_row = duckdb_store.to_row
    monkeypatch.setattr(
        duckdb_store, "to_row", lambda record: interrupted() if record is records[5] else to_row(record)
    )
    with pytest.raises(KeyboardInterrupt):
        any_store.append(records)
    assert any_store.last_seq() == 1
    monkeypatch.undo()
    any_store.append(records)
    assert [record.seq for record in any_store.records("a")] == list(range(1, 12))


class Interrupted:
    """An appender whose flush is interrupted, in Python's way or in DuckDB's."""

    def __init__(self, appender, error, is_written):
        self.append_rows, self.clear = appender.append_rows, appender.clear
        self._appender, self._error, self._is_written = appender, error, is_written

    def flush(self):
        if self._is_written:
            self._appender.flush()
        raise self._error


@pytest.mark.parametrize("is_written", [True, False])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")], ids=repr)
def test_a_batch_is_written_once_whenever_the_interrupt_came(opened, scribe, monkeypatch, error, is_written):
    store = opened(None)
    appender = Connections.appender
    monkeypatch.setattr(Connections, "appender", lambda self: Interrupted(appender(self), error, is_written))
    scribe.start("a")
    records = scribe.take()
    with pytest.raises(KeyboardInterrupt):
        store.append(records)
    monkeypatch.undo()
    scribe.start("b")
    store.append([*records, *scribe.take()])
    assert store.query("select seq from journal order by seq") == [(1,), (2,)]


def test_the_interrupt_of_a_query_is_one_to_the_caller_too(any_store, monkeypatch):
    class Reader:
        def execute(self, *_):
            raise RuntimeError("Query interrupted")  # DuckDB's word for it.

    monkeypatch.setattr(Connections, "reader", lambda self: Reader())
    with pytest.raises(KeyboardInterrupt):
        any_store.last_seq()
    monkeypatch.undo()
    assert any_store.last_seq() == 0


# -- threads ---------------------------------------------------------------------------------------


def test_each_thread_reads_through_a_connection_of_its_own(store):
    seen = [store.cursor(), store.cursor()]
    thread = threading.Thread(target=lambda: seen.append(store.cursor()))
    thread.start()
    thread.join()
    assert seen[0] is seen[1] is not seen[2]


def test_reading_goes_on_while_the_writer_writes(store, scribe):
    counts, is_over = [], threading.Event()

    def read():
        while not is_over.is_set():
            counts.append(store.last_seq())

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(50):
        scribe.start_in(store, str(number))
    is_over.set()
    thread.join()
    assert counts == sorted(counts)
    assert store.last_seq() == 50


def test_views_of_a_journal_in_memory_are_there_for_whoever_asks_first(scribe):
    store, found = DuckStore(None), []
    scribe.start_in(store, "a")
    asked = (
        lambda: store.states(InstanceQuery())[0].instance_id,
        lambda: store.cursor().execute("select instance_id from instances").fetchall()[0][0],
        lambda: store.query("select instance_id from history")[0][0],
    )
    threads = [threading.Thread(target=lambda ask=ask: found.append(ask())) for ask in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["a"] * 3
    store.close()


def test_a_query_wakes_no_threads_unless_a_user_wants_more(store):
    threads = "select current_setting('threads')"
    memory = DuckStore(None)
    assert store.query(threads) == memory.query(threads) == [(1,)]
    memory.close()
    with store.connection() as connection:
        connection.execute("set threads = 4")
    assert store.query(threads) == [(4,)]


def test_threads_of_several_hubs_ask_at_the_same_time_and_each_gets_its_own_answer(tmp_path):
    stores = [DuckStore(None), DuckStore(tmp_path / "hub.duckdb")]
    for number, store in enumerate(stores):
        names = [f"{number} {place}" for place in range(20)]
        event = OrchestratorStarted(1, BEGINNING)
        store.append([Record(seq, name, name, event) for seq, name in enumerate(names, start=1)])

    def ask(number):
        for place in [*range(20)] * 4:
            name = f"{number % 2} {place}"
            (record,) = stores[number % 2].records(name)
            assert (record.seq, record.instance_id) == (place + 1, name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(4)))
    for store in stores:
        store.close()
