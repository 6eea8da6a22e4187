"""Data frames that instances and calls returned, as tables of Arrow's and in SQL."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import durablenb as df

PAIRS = pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["shop", None])
MIXED = pd.DataFrame(
    {
        "number": [1.5, None, 3.0],
        "text": ["a", None, "c"],
        "category": pd.Categorical(["x", None, "x"], categories=["x", "y"]),
        "of a range": pd.Categorical.from_codes([2, -1, 0], categories=pd.RangeIndex(3)),
        "moment": pd.date_range("2026-01-01", periods=3, tz="Europe/Berlin"),
        "month": pd.period_range("1970-01", periods=3, freq="M"),
        "object": [{"q": 1}, [1], None],
    }
)
FRAMES = {
    "plain": (pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}), {"a": [1, 2], "b": ["u", "v"]}),
    "levels": (
        pd.DataFrame({"v": range(4)}, index=PAIRS),
        {"shop": ["x", "x", "y", "y"], "level_1": [1, 2, 1, 2], "v": [0, 1, 2, 3]},
    ),
    "index": (pd.DataFrame({"v": [1]}, index=["p"]), {"index": ["p"], "v": [1]}),
    "named range": (pd.DataFrame({"v": [1]}, index=pd.RangeIndex(5, 6, name="n")), {"n": [5], "v": [1]}),
    "equal names": (pd.DataFrame([[1, 2, 3]], columns=["a", "A", "a"]), {"a": [1], "A_1": [2], "a_2": [3]}),
    "numbers as names": (pd.DataFrame([[1, 2]]), {"0": [1], "1": [2]}),
    "series": (pd.Series([1.5], name="price"), {"price": [1.5]}),
    "series without a name": (pd.Series([1], index=["a"]), {"index": ["a"], "value": [1]}),
    "no rows": (pd.DataFrame({"a": np.zeros(0)}), {"a": []}),
    "polars": (pl.DataFrame({"a": [1], "s": ["x"]}), {"a": [1], "s": ["x"]}),
    "polars series": (pl.Series("z", [1]), {"z": [1]}),
    "arrow": (pa.table({"a": [1]}), {"a": [1]}),
    "batch": (pa.record_batch({"a": [1]}), {"a": [1]}),
    "inside": ({"frame": pd.DataFrame({"z": [9]}), "array": np.arange(3)}, {"z": [9]}),
}
"""Values with one frame, and its columns as a table."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "hub.duckdb"
    with df.TaskHub(path, mode="kernel", clock=df.VirtualClock()) as hub:
        hub.add_activity(lambda n: pd.DataFrame({"n": [n] * n}), "repeat")

        @hub.orchestrator
        def give(context):
            return context.get_input()

        @hub.orchestrator
        def work(context):
            frames = yield context.task_all([context.call_activity("repeat", n) for n in (2, 3)])
            return sum(map(len, frames))

        for name, (value, _) in FRAMES.items():
            hub.run(give, value, instance_id=name)
        hub.run(give, MIXED, instance_id="mixed")
        hub.run(work, instance_id="work")
        hub.run(give, [MIXED, pa.table({"a": [1]})], instance_id="two")
        yield hub


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_a_table(hub, name):
    assert hub.table(name).to_pydict() == FRAMES[name][1]
    assert hub.sql(f'from "{name}"').fetchall() == list(zip(*FRAMES[name][1].values(), strict=True))


def test_columns_have_their_types(hub):
    assert hub.sql('from "mixed" limit 1').fetchall()[0][:5] == (
        *(1.5, "a", "x", 2),
        MIXED["moment"][0].to_pydatetime(),
    )
    assert hub.table("mixed").to_pydict() | {"moment": None} == {
        "number": [1.5, None, 3.0],
        "text": ["a", None, "c"],
        "category": ["x", None, "x"],
        "of a range": [2, None, 0],
        "moment": None,
        "month": [0, 1, 2],
        "object": ['{"q": 1}', "[1]", "null"],
    }


def test_calls_of_an_instance_are_joined_by_their_ids(hub):
    query = 'select count(*) from "work#0" join "work#1" on true join instances i on instance_id = ?'
    assert hub.sql(query, ["work"]).fetchall() == [(6,)]
    assert hub.table(hub.handle("work"), "#1").num_rows == 3


def test_a_variable_comes_first(hub):
    plain = pl.DataFrame({"mine": [1]})
    assert hub.sql("from plain").columns == plain.columns


def test_what_is_no_frame_is_refused(hub):
    with pytest.raises(ValueError, match=r"The result of work has no data frame\. Expected a value"):
        hub.table("work")
    with pytest.raises(ValueError, match=r"two has 2 data frames \(pandas.DataFrame, pyarrow.Table\)"):
        hub.sql("from two")
    with pytest.raises(ValueError, match="No call #7 of work has returned"):
        hub.table("work", 7)
    with pytest.raises(df.InstanceNotFoundError):
        hub.table("nobody")
    with pytest.raises(Exception, match='There is no table or view "nobody#1" in the hub, and no variable'):
        hub.sql('from "nobody#1"')


def test_a_damaged_frame_is_no_value_without_one(hub, monkeypatch):
    monkeypatch.setattr(type(hub._codec), "fetch_blob", lambda codec, blob_hash: b"damaged")
    with pytest.raises(pa.ArrowInvalid, match="too small"):
        hub.table("plain")


def test_a_file_answers_without_pandas(hub, monkeypatch):
    hub.close()
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.delitem(sys.modules, "pyarrow.compute")  # which pandas imports
    monkeypatch.delattr(pa, "compute")
    with df.open_history(hub.path) as file:
        assert file.table("series")["price"].to_pylist() == [1.5]
        assert file.table("levels").to_pydict() == FRAMES["levels"][1]
        assert file.sql('select sum(v)::int from "levels"').fetchall() == [(6,)]
