"""SQL over the journal and the data frames of whoever asks."""

import asyncio
import subprocess
import sys
import threading

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import durablenb as df

ROWS = {"instance_id": ["a", "b"], "weight": [7, 8]}
JOIN = "select name, weight from instances join {} using (instance_id)"

instances = pd.DataFrame({"instance_id": ["a variable, not the view"]})
of_the_module = pd.DataFrame(ROWS)


@pytest.fixture(scope="module")
def hub():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(lambda context: {"n": 1}, "one")
        hub.run("one", instance_id="a")
        yield hub


# -- variables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(ROWS),
        pl.DataFrame(ROWS),
        pl.LazyFrame(ROWS),
        pa.table(ROWS),
        duckdb.sql("select 'a' as instance_id, 7 as weight").to_arrow_table(),
    ],
    ids=lambda frame: f"{type(frame).__module__.partition('.')[0]} {type(frame).__name__}",
)
def test_a_query_joins_a_data_frame_of_the_asker(hub, frame):
    assert hub.sql(JOIN.format("frame")).fetchall() == [("one", 7)]


def test_a_query_reads_numpy_arrays(hub):
    numbers = np.array([3, 4])
    columns = {"n": np.array([1, 2]), "text": np.array(["x", "y"])}
    assert hub.sql("from numbers").fetchall() == [(3,), (4,)]
    assert hub.sql("select text from columns where n = 2").fetchall() == [("y",)]


def test_a_query_sees_the_variables_that_its_line_sees(hub):
    frame = pd.DataFrame(ROWS)

    def inside():
        return hub.sql(f"{JOIN.format('frame')} where weight < {len(frame)} + 9").fetchall()

    async def awaited():
        own = frame
        return hub.sql(JOIN.format("own")).fetchall(), own is frame

    assert inside() == [("one", 7)]
    assert (lambda frame: hub.sql("select count(*) from frame"))(frame[:1]).fetchall() == [(1,)]
    assert hub.sql(JOIN.format("of_the_module")).fetchall() == [("one", 7)]
    assert asyncio.run(awaited()) == ([("one", 7)], True)


def test_a_query_sees_no_variable_of_the_callers_caller(hub):
    hidden = pd.DataFrame(ROWS)

    def ask():
        return hub.sql("from hidden")

    with pytest.raises(duckdb.CatalogException):
        ask()
    assert len(hidden) == 2


@pytest.mark.parametrize("name", ["connection", "sql", "parameters", "variables", "self", "query_text"])
def test_a_query_sees_no_variable_of_durablenb(hub, name):
    with pytest.raises(duckdb.CatalogException, match=f'no table or view "{name}"'):
        hub.sql(f"from {name}")


def test_a_view_wins_over_a_variable_of_its_name(hub):
    history = pd.DataFrame({"zork": [1]})
    assert hub.sql("select instance_id from instances").fetchall() == [("a",)]
    assert hub.sql("select count(*) > 2 from history").fetchall() == [(True,)]


def test_the_answer_keeps_the_frame_as_the_variable_was(hub):
    frame = pd.DataFrame(ROWS)
    answer = hub.sql(JOIN.format("frame"))
    frame = None

    def elsewhere(frame):
        return answer.fetchall(), answer.filter("weight = 7").df().weight.tolist()

    assert elsewhere("another") == ([("one", 7)], [7])
    assert frame is None


def test_answers_are_asked_like_tables(hub):
    ids = hub.sql("select instance_id from instances where status = $status", {"status": "Completed"})
    assert hub.sql("select count(*) from ids join history using (instance_id)").fetchall() == [(3,)]


@pytest.mark.parametrize(
    "query",
    [
        "describe frame",
        "summarize frame",
        "explain select * from frame",
        "explain analyze from frame",
        "pivot frame on instance_id using sum(weight)",
        "with few as (from frame) from few",
        "select * from frame f join frame g using (instance_id)",
        "select (select max(weight) from frame)",
    ],
)
def test_every_kind_of_query_sees_frames(hub, query):
    frame = pd.DataFrame(ROWS)
    assert hub.sql(query).fetchall()


def test_an_answer_comes_in_every_form(hub, capsys):
    frame = pd.DataFrame(ROWS)
    for params in ({"least": 8}, [8]):
        mark = "$least" if isinstance(params, dict) else "?"
        answer = hub.sql(f"select instance_id, weight from frame where weight >= {mark}", params)
        assert answer.fetchall() == [("b", 8)]
        assert answer.df().to_dict("list") == {"instance_id": ["b"], "weight": [8]}
        assert answer.pl().rows() == [("b", 8)]
        assert answer.arrow().read_all().to_pylist() == [{"instance_id": "b", "weight": 8}]
    answer.show()
    assert "│ b " in capsys.readouterr().out


def test_an_answer_is_asked_anew_each_time():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_orchestrator(lambda context: 1, "one")
        answer = hub.sql("select count(*) from instances")
        assert answer.fetchall() == [(0,)]
        hub.run("one")
        assert answer.fetchall() == [(1,)]


def test_no_query_writes_through_a_frame(hub):
    frame = pd.DataFrame(ROWS)
    before = hub.sql("from journal").fetchall()
    for query in (
        "insert into journal select * from frame",
        "create table stolen as from frame",
        "with more as (insert into blob_uses select * from frame returning *) from more",
    ):
        with pytest.raises(ValueError, match="Expected one query, not"):
            hub.sql(query)
    assert hub.sql("from journal").fetchall() == before


# -- what is neither table nor frame -----------------------------------------------------------------


def test_a_name_that_is_neither_table_nor_variable_is_said_to_be_neither(hub):
    with pytest.raises(duckdb.CatalogException) as caught:
        hub.sql("select * from zork")
    assert str(caught.value).startswith(
        'There is no table or view "zork" in the hub, and no variable of that name where you ask. '
    )
    assert "The hub has " in str(caught.value)
    assert "instances" in str(caught.value)


def test_the_nearest_table_or_frame_is_suggested(hub):
    orders = pd.DataFrame(ROWS)
    for typo, meant in (("instnces", "instances"), ("ordrs", "orders")):
        with pytest.raises(duckdb.CatalogException, match=f'Did you mean "{meant}"'):
            hub.sql(f"from {typo}")


def test_a_variable_that_is_no_frame_is_told_with_its_type(hub):
    orders = ["a", "b"]
    with pytest.raises(duckdb.InvalidInputException) as caught:
        hub.sql("from orders")
    assert str(caught.value) == (
        '"orders" is no table or view of the hub, and your variable of that name can\'t be queried: it is of '
        "type list. Expected a data frame of pandas or Polars, an Arrow table, NumPy arrays or a relation."
    )


def test_an_answer_of_another_database_is_told_with_what_to_do(hub):
    other = duckdb.connect().sql("select 1 as n")
    with pytest.raises(
        duckdb.InvalidInputException, match=r"another database\. Take its rows, other\.df\(\)"
    ):
        hub.sql("from other")
    rows = other.df()
    assert hub.sql("from rows").fetchall() == [(1,)]


def test_other_mistakes_keep_duckdbs_words(hub):
    for query, words in (
        ("select zork from instances", '"zork" not found'),
        ("select zork(1)", "zork does not exist"),
        ("selec 1", "syntax error"),
    ):
        with pytest.raises(duckdb.Error, match=words):
            hub.sql(query)


# -- other tools -------------------------------------------------------------------------------------


def test_polars_reads_through_a_connection(hub):
    with hub.connection() as connection:
        read = pl.read_database(
            "select name, output->>'n' as n from instances where instance_id = $id",
            connection,
            execute_options={"parameters": {"id": "a"}},
        )
        parts = pl.read_database("from history", connection, iter_batches=True, batch_size=2)
        assert sum(len(part) for part in parts) == 3
    assert read.rows() == [("one", "1")]


def test_polars_reads_whole_views_once_durations_are_seconds(hub):
    query = "select * replace (epoch(duration) as duration) from instances"
    with hub.connection() as connection:
        assert pl.read_database(query, connection)["duration"].to_list() == [0.0]
    assert hub.sql(query).pl()["duration"].to_list() == [0.0]


def test_a_connection_sees_the_variables_of_the_asker(hub):
    frame = pd.DataFrame(ROWS)
    with hub.connection() as connection:
        assert connection.execute(JOIN.format("frame")).fetchall() == [("one", 7)]


def test_a_connection_in_a_transaction_to_read_refuses_to_write(hub):
    with hub.connection() as connection:
        connection.execute("begin transaction read only")
        with pytest.raises(duckdb.Error, match="read-only"):
            connection.execute("delete from journal")
        connection.execute("rollback")
    assert hub.sql("select count(*) from history").fetchall() == [(3,)]


def test_an_answer_of_a_closed_hub_is_told_so(hub):
    with df.TaskHub(":memory:", mode="kernel") as other:
        old = other.sql("from instances")
    with pytest.raises(duckdb.InvalidInputException, match=r"is closed.* or ask its query again"):
        hub.sql("from old")


# -- beside the work ---------------------------------------------------------------------------------

ENDLESS = "select count(*) from signal, range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3"


def chain(hub, length):
    hub.add_activity(lambda n: n, "echo")

    @hub.orchestrator
    def chain(context):
        for n in range(length):
            yield context.call_activity("echo", n)
        return length

    return hub.start(chain)


class Asking(threading.Thread):
    """Asks a query that doesn't end; it has begun once this is made."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection = connection
        self.begun = threading.Event()
        self.error = None
        self.start()
        assert self.begun.wait(30)

    def run(self):
        def batches():
            self.begun.set()
            yield pa.record_batch({"n": [1]})

        signal = pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), batches())
        try:
            self.connection.execute(ENDLESS).fetchall()
        except duckdb.Error as error:
            self.error = error
        signal.close()


def test_a_long_query_does_not_hold_up_the_work(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        asking = Asking(hub.connection())
        assert chain(hub, 50).result(60) == 50
        assert asking.is_alive()
        asking.connection.interrupt()
        asking.join(30)
        assert hub.sql("select count(*) from activities where status = 'Completed'").fetchall() == [(50,)]


def test_a_long_fetch_sees_one_moment_and_does_not_hold_up_the_work(tmp_path):
    with df.TaskHub(tmp_path / "hub.duckdb") as hub:
        chain(hub, 300).result(60)
        ((count,),) = hub.sql("select count(*) from journal").fetchall()
        with hub.connection() as connection:
            rows = connection.execute("select j.seq from journal j, range(200) order by j.seq")
            seen = rows.fetchmany(10)
            assert chain(hub, 50).result(60) == 50
            assert hub.sql("select count(*) from journal").fetchall() > [(count,)]
            while part := rows.fetchmany(10_000):
                seen += part
        assert len(seen) == 200 * count


def test_a_hub_closes_while_a_query_runs_and_lets_go_of_its_file(tmp_path):
    hub = df.TaskHub(tmp_path / "hub.duckdb")
    kept = hub.sql("from instances")
    asking = Asking(hub.connection())
    hub.close()
    asking.join(30)
    assert isinstance(asking.error, duckdb.Error)
    with pytest.raises(duckdb.Error, match="closed"):
        kept.fetchall()
    code = "import durablenb, sys; durablenb.TaskHub(sys.argv[1]).close()"
    subprocess.run([sys.executable, "-c", code, tmp_path / "hub.duckdb"], check=True)
