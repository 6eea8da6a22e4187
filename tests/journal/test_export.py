"""The choice of the exported instances, and the files."""

import json

import duckdb
import pytest

import durablenb as df
from durablenb.model.events import TaskScheduled
from tests.journal.orders import COUNTER, fill, register, waiting


@pytest.fixture(scope="module")
def filled():
    """A shop with some histories, to export from."""
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:
        register(hub)
        fill(hub)
        yield hub


def exported(hub, what, tmp_path):
    path = tmp_path / "some.json"
    count = hub.export(what, path)
    ids = {row["instance_id"] for row in json.loads(path.read_text())["events"]}
    assert count == len(ids)
    return ids


CHILD = "select instance_id from instances where parent_instance_id = 'done'"


def test_an_instance_goes_with_its_sub_orchestrations(filled, tmp_path):
    ((child,),) = filled.sql(CHILD).fetchall()
    for what in (
        "done",
        filled.handle("done"),
        filled.handle("done").status(),
        filled.handle("done").history(),
    ):
        assert exported(filled, what, tmp_path) == {"done", child}


@pytest.mark.parametrize(
    "what",
    [
        lambda hub: ["open", "again"],
        lambda hub: (hub.handle(one) for one in ("open", "again")),
        lambda hub: [*hub.instances(name="waiting"), *hub.instances(name="eternal")],
        lambda hub: "select instance_id from instances where name in ('waiting', 'eternal')",
        lambda hub: hub.sql("select name, instance_id from instances where name in ('waiting', 'eternal')"),
        lambda hub: hub.sql("select instance_id from instances where name in ('waiting', 'eternal')").df(),
    ],
    ids=["ids", "handles", "statuses", "a query", "its answer", "a data frame"],
)
def test_several_are_exported_together(filled, tmp_path, what):
    assert exported(filled, what(filled), tmp_path) == {"open", "again"}


@pytest.mark.parametrize("suffix", ["json", "parquet", "duckdb"])
def test_outputs_go_with_their_instance(tmp_path, suffix):
    path, copy = tmp_path / "hub.duckdb", tmp_path / f"some.{suffix}"
    picture = {"image/png": b"\x89PNG" + bytes(20_000), "text/plain": "<Figure>"}

    def main(context):
        from IPython.display import display

        display(picture, metadata={"image/png": {"width": 7}}, raw=True)
        yield context.create_timer(context.current_utc_datetime)

    with df.TaskHub(path) as hub:
        hub.add_orchestrator(main)
        for one in ("a", "b"):
            hub.start(main, instance_id=one).result()
        before = [output.data for output in hub.handle("a").outputs()]
        if suffix != "duckdb":
            hub.export("a", copy)
    with df.TaskHub(tmp_path / "other.duckdb") as other:
        other.import_history(path if suffix == "duckdb" else copy)
        other.import_history(path if suffix == "duckdb" else copy, prefix="again-")
        for one in ("a", "again-a"):
            (output,) = other.handle(one).outputs()
            assert [output.data] == before == [picture]
            assert output.metadata == {"image/png": {"width": 7}}
        count = "select count(*) from payloads"
        assert other.sql(count).fetchall() == [(1,)]
        other.handle("a").purge()
        assert other.handle("again-a").outputs()[0].data == picture
        for one in other.instances():
            other.handle(one.instance_id).purge()
        assert other.sql(count).fetchall() == [(0,)]
        assert other.sql("select count(*) from outputs").fetchall() == [(0,)]


@pytest.mark.parametrize("suffix", ["json", "parquet"])
def test_limits_and_priorities_of_calls_go_with_them(tmp_path, suffix):
    def main(context):
        for timeout, priority in ((None, 0), (30, -3), (0.5, 2**63 - 1)):
            yield context.call_activity("act", 1, timeout=timeout, priority=priority)
        context.call_activity("act", 1).cancel()

    def kept(hub):
        return [
            (event.timeout, event.priority)
            for event in hub.handle("one").history()
            if isinstance(event, TaskScheduled)
        ]

    copy = tmp_path / f"some.{suffix}"
    with df.TaskHub(":memory:") as hub, df.TaskHub(":memory:") as other:
        hub.add_activity(lambda n: n, "act", cache=True)
        hub.add_orchestrator(main)
        hub.start(main, instance_id="one", priority=-7).result()
        hub.export("one", copy)
        other.import_history(copy)
        assert kept(other) == kept(hub) == [(None, 0), (30.0, -3), (0.5, 2**63 - 1), (None, -7)]
        assert [str(event) for event in other.handle("one").history()] == [
            str(event) for event in hub.handle("one").history()
        ]


def test_an_entity_is_exported_by_its_id(filled, tmp_path):
    for what in (COUNTER, "@counter@a", filled.entity("Counter", "a")):
        assert exported(filled, what, tmp_path) == {"@counter@a"}


def test_an_id_that_reads_like_a_query_is_an_id(shop, tmp_path):
    shop.start(waiting, instance_id="select me")
    assert exported(shop, "select me", tmp_path) == {"select me"}


def test_a_query_that_gives_nothing_gives_an_empty_export(filled, other, tmp_path):
    assert exported(filled, "select instance_id from instances where false", tmp_path) == set()
    assert other.import_history(tmp_path / "some.json") == []


REFUSED = [
    ("nobody", df.InstanceNotFoundError, "No instance with ID 'nobody' found. Nothing was exported"),
    (["done", "nobody"], df.InstanceNotFoundError, "'nobody'"),
    ("select name, status from instances", ValueError, "expected one column, or one called instance_id"),
    ("select 5", ValueError, "gives 5 for an id; expected text"),
    ("delete from journal", df.InstanceNotFoundError, "delete from journal"),
    ("with x as (delete from journal returning *) from x", ValueError, "Expected one query"),
    (5, TypeError, "Expected an id, a handle"),
]


@pytest.mark.parametrize(("what", "kind", "said"), REFUSED)
def test_what_can_t_be_exported_is_said(filled, tmp_path, what, kind, said):
    with pytest.raises(kind, match=said):
        filled.export(what, tmp_path / "some.json")
    assert list(tmp_path.iterdir()) == []
    assert filled.sql("select count(*) > 0 from journal").fetchall() == [(True,)]


def test_the_suffix_says_how(filled, tmp_path):
    for name in ("some.csv", "some", "flows.duckdb"):
        with pytest.raises(ValueError, match=r"ends with neither .json nor .parquet"):
            filled.export("done", tmp_path / name)


def test_a_file_that_is_there_is_replaced_whole_or_not_at_all(filled, tmp_path, monkeypatch):
    path = tmp_path / "some.json"
    filled.export("open", path)
    before = path.read_bytes()

    def broken(*_):
        yield "{"
        raise OSError("No room.")

    monkeypatch.setattr("durablenb.journal.bundle.json_export.to_json", broken)
    with pytest.raises(OSError, match="No room"):
        filled.export("done", path)
    assert [one.name for one in tmp_path.iterdir()] == ["some.json"]
    assert path.read_bytes() == before


def test_where_it_can_t_be_written_is_an_error_of_the_file_system(filled, tmp_path):
    for suffix in ("json", "parquet"):
        with pytest.raises(OSError, match="nowhere"):
            filled.export("done", tmp_path / "nowhere" / f"some.{suffix}")


def test_parquet_is_a_table_that_others_can_query(filled, tmp_path):
    path = tmp_path / "some'one.parquet"
    filled.export("done", path)
    reader = duckdb.connect()
    rows = reader.execute(
        "select event_type from read_parquet(?) where part = 'event'", [str(path)]
    ).fetchall()
    assert ("ExecutionCompleted",) in rows
    (kind,) = reader.execute("select typeof(timestamp) from read_parquet(?) limit 1", [str(path)]).fetchall()[
        0
    ]
    assert kind == "TIMESTAMP"


def test_what_was_printed_just_now_is_in_it(shop, tmp_path):
    shop.start(waiting, instance_id="talks")
    shop.step()
    shop.step()
    shop.export("talks", tmp_path / "talks.json")
    lines = json.loads((tmp_path / "talks.json").read_text())["lines"]
    assert [line["message"] for line in lines] == ["reserving 1"]


def test_a_file_is_exported_without_its_functions(tmp_path):
    path = tmp_path / "flows.duckdb"
    with df.TaskHub(path, mode="kernel") as hub:
        hub.add_orchestrator(lambda context: 1, "one")
        hub.run("one", instance_id="a")
    with df.open_history(path) as file:
        assert file.export("a", tmp_path / "a.json") == 1


def test_a_closed_hub_exports_and_imports_nothing(shop, tmp_path):
    shop.close()
    with pytest.raises(df.StoreError, match="closed"):
        shop.export(None, tmp_path / "some.json")
    with pytest.raises(df.StoreError, match="closed"):
        shop.import_history({})
