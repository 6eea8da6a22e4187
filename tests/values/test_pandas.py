"""pandas: frames and series come back equal in everything that pandas compares."""

import datetime as dt
import decimal
import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.extra import pandas as hpd

from durablenb.model.errors import NotSerializableError
from durablenb.model.payloads import carried_blobs
from durablenb.values.codec import ValueCodec


def assert_same(one, other):
    check = pd.testing.assert_frame_equal if isinstance(one, pd.DataFrame) else pd.testing.assert_series_equal
    options = {"check_column_type": "exact"} if isinstance(one, pd.DataFrame) else {}
    check(
        one, other, check_exact=True, check_freq=True, check_index_type="exact", check_flags=True, **options
    )
    assert one.attrs == other.attrs
    assert type(one) is type(other)


def category(values, categories, **options):
    return pd.DataFrame({"c": pd.Categorical(values, categories=categories, **options)})


def attrs(frame, **found):
    frame.attrs = found
    return frame


DAYS = pd.date_range("2026-03-28", periods=4, freq="D", tz="Europe/Berlin")

FRAMES = {
    "numbers, text and missing values": pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "s": ["x", None]}),
    "all of NumPy's numbers": pd.DataFrame(
        {
            name: np.array([0, 1], name)
            for name in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "bool")
        }
    ),
    "extremes": pd.DataFrame(
        {"i": np.array([2**63 - 1, -(2**63)]), "u": np.array([2**64 - 1, 0], "u8"), "f": [-0.0, np.inf]}
    ),
    "big-endian numbers": pd.DataFrame({"a": np.array([1, 2], ">i4"), "f": np.array([1.5, 2], ">f8")}),
    "categories that don't occur": category(["a", "b"], ["z", "b", "a"]),
    "ordered categories": category(["a", None], ["z", "b", "a"], ordered=True),
    "categories of numbers": category([3, 1], [5, 3, 1]),
    "categories of moments": category([DAYS[0]], DAYS),
    "categories of intervals": pd.DataFrame({"c": pd.cut([1, 2, 3], 3)}),
    "categories without rows": category([], ["z", "a"]),
    "categories of many types": category([1, "a"], [1, "a", (2, 3)]),
    "no categories at all": category([None], []),
    "zones": pd.DataFrame({"t": DAYS, "u": DAYS.tz_convert("UTC"), "n": DAYS.tz_localize(None)}),
    "a fixed offset": pd.DataFrame(
        {"t": pd.date_range("2026", periods=2, tz=dt.timezone(dt.timedelta(hours=5, minutes=30)))}
    ),
    "an index of moments with its frequency": pd.DataFrame({"v": range(4)}, index=DAYS.rename("when")),
    "units of time": pd.DataFrame(
        {
            f"{kind}{unit}": np.array([1, 2], f"{kind}8[{unit}]")
            for kind in "Mm"
            for unit in ("s", "ms", "us", "ns")
        }
    ),
    "moments of long ago": pd.DataFrame({"t": np.array(["0001-01-01", "NaT"], "M8[s]")}),
    "periods": pd.DataFrame({"p": pd.period_range("2026", periods=2, freq="M")}),
    "an index of periods": pd.DataFrame(
        {"v": [1, 2]}, index=pd.period_range("2026", periods=2, freq="W-MON")
    ),
    "intervals": pd.DataFrame({"p": pd.interval_range(0, 3, closed="both")}),
    "nullable types": pd.DataFrame(
        {
            "i": pd.array([1, None], "Int8"),
            "u": pd.array([1, None], "UInt64"),
            "f": pd.array([1.5, None], "Float32"),
            "b": pd.array([True, None], "boolean"),
            "s": pd.array(["a", None], "string"),
            "p": pd.array(["a", None], pd.StringDtype("python")),
        }
    ),
    "Arrow's types": pd.DataFrame(
        {
            "i": pd.array([1, None], "int64[pyarrow]"),
            "l": pd.array([[1], [2, 3]], pd.ArrowDtype(pa.list_(pa.int64()))),
            "d": pd.array([decimal.Decimal("1.50"), None], pd.ArrowDtype(pa.decimal128(10, 2))),
        }
    ),
    "an index of several levels": pd.DataFrame(
        {"v": [1, 2, 3]}, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", None])
    ),
    "an index of several levels with categories": pd.DataFrame(
        {"v": [1, 2]},
        index=pd.MultiIndex.from_arrays([pd.Categorical(["a", "b"], ["c", "b", "a"]), DAYS[:2]]),
    ),
    "columns of several levels": pd.DataFrame(
        [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)], names=["x", "y"])
    ),
    "columns by number": pd.DataFrame([[1, 2]], columns=[0, 1]),
    "columns by range": pd.DataFrame([[1, 2]]),
    "columns of many types": pd.DataFrame([[1, 2, 3]], columns=[0, "b", (1, 2)]),
    "columns by day": pd.DataFrame([[1, 2]], columns=pd.date_range("2026", periods=2)),
    "columns by interval": pd.DataFrame([[1, 2]], columns=pd.interval_range(0, 2)),
    "columns by truth": pd.DataFrame([[1, 2]], columns=[True, False]),
    "columns without a name": pd.DataFrame([[1, 2]], columns=[None, "a"]),
    "columns with a name": pd.DataFrame([[1, 2]], columns=pd.Index(["a", "b"], name="cols")),
    "columns of one name": pd.DataFrame([[1, "x"]], columns=["a", "a"]),
    "columns called like the index": pd.DataFrame({"index": [1], "index 0": [2]}, index=["k"]),
    "an index by text": pd.DataFrame({"a": [1, 2]}, index=["x", "y"]),
    "an index by text of objects": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], dtype=object)),
    "an index that repeats": pd.DataFrame({"a": [1, 2]}, index=[1, 1]),
    "an index by range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(5, 9, 2, name="r")),
    "an index of categories": pd.DataFrame(
        {"a": [1, 2]}, index=pd.CategoricalIndex(["a", "b"], categories=["c", "b", "a"])
    ),
    "an index named by a number": pd.DataFrame({"a": [1]}, index=pd.Index([5], name=0)),
    "an index named by a tuple": pd.DataFrame({"a": [1]}, index=pd.Index([5], name=("x", 1))),
    "an index of many types": pd.DataFrame({"a": [1, 2]}, index=pd.Index([(1, 2), "x"], tupleize_cols=False)),
    "nothing": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": np.array([], "int8"), "s": pd.array([], "str"), "t": DAYS[:0]}),
    "no columns": pd.DataFrame(index=pd.Index(["a", "b"])),
    "text as objects": pd.DataFrame({"a": pd.Series(["x", None], dtype=object)}),
    "text and NaN as objects": pd.DataFrame({"a": pd.Series(["x", np.nan], dtype=object)}),
    "objects": pd.DataFrame(
        {
            "list": [[1], [2, 3]],
            "dict": [{"x": 1}, {"y": (2,)}],
            "number": pd.Series([1, None], dtype=object),
            "decimal": [decimal.Decimal("1.50"), decimal.Decimal("2")],
            "date": [dt.date(2026, 1, 1), dt.datetime(2026, 1, 1)],
            "mixed": [1, "x"],
            "bytes": [b"x", b"\0"],
            "missing": pd.Series([pd.NA, pd.NaT], dtype=object),
            "numpy": pd.Series([np.float32(1.5), np.int8(1)], dtype=object),
        }
    ),
    "attributes": attrs(pd.DataFrame({"a": [1]}), source="x", at=dt.date(2026, 1, 1)),
    "unique labels": pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False),
    "many columns": pd.DataFrame(np.arange(600.0).reshape(2, 300)),
    "odd text": pd.DataFrame({"é😀\0": ["\0", "é😀"], "@type": ["@type", ""]}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back_equal_and_has_the_same_bytes_whoever_writes_it(codec, name):
    frame = FRAMES[name]
    text = codec.encode(frame)
    assert_same(codec.decode(text), frame)
    assert ValueCodec().encode(frame.copy()) == text
    assert ValueCodec().encode(codec.decode(text)) == text


@pytest.mark.parametrize("name", FRAMES)
def test_a_column_and_an_index_come_back_equal(round_trip, name):
    frame = FRAMES[name]
    if frame.shape[1]:
        assert_same(round_trip(frame.iloc[:, 0]), frame.iloc[:, 0])
    for index in (frame.index, frame.columns):
        back, again = round_trip([index, {"same": index}])
        for came in (back, again["same"]):
            assert type(came) is type(index)
            pd.testing.assert_index_equal(came, index, exact=True)
            assert list(came.names) == list(index.names)
            assert getattr(came, "freq", None) == getattr(index, "freq", None)


@given(
    hpd.data_frames(
        [
            hpd.column("i", dtype=np.int16),
            hpd.column("f", dtype=np.float64),
            hpd.column("t", dtype=np.dtype("M8[ns]")),
            hpd.column("b", dtype=np.bool_),
            hpd.column("s", elements=st.text(st.characters(codec="utf-8"), max_size=5), dtype=object),
            hpd.column("o", elements=st.none() | st.integers() | st.text(max_size=3), dtype=object),
        ],
        index=hpd.indexes(dtype=np.int64) | hpd.range_indexes(),
    )
)
@settings(max_examples=20)
def test_any_frame_comes_back_equal(frame):
    codec = ValueCodec()
    assert_same(codec.decode(codec.encode(frame)), frame)


numpy_types = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes()
    | hnp.complex_number_dtypes()
    | hnp.datetime64_dtypes(max_period="s", min_period="ns")
    | hnp.timedelta64_dtypes(max_period="s", min_period="ns")
)


@given(numpy_types.flatmap(lambda dtype: hpd.series(dtype=dtype)))
@settings(max_examples=20)
def test_any_series_comes_back_equal(series):
    codec = ValueCodec()
    if series.dtype.kind == "c":
        with pytest.raises(NotSerializableError):
            codec.encode(series)
    else:
        assert_same(codec.decode(codec.encode(series)), series)


def test_a_frame_stands_beside_the_text_which_says_what_it_is(codec):
    frame = pd.DataFrame({"a": [1, 2], "b": 3})
    text = codec.encode({"frame": frame})
    (blob,) = carried_blobs(text)
    assert text == (
        f'{{"frame": {{"@type": "pandas.DataFrame", "@payload": "{blob.hash}", "shape": [2, 2], '
        f'"columns": ["a", "b"], "bytes": {len(blob.content)}}}}}'
    )
    assert blob.kind == "pandas.DataFrame"


def test_the_blob_is_a_file_that_arrow_reads(codec):
    (blob,) = carried_blobs(codec.encode(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["k", "l"])))
    table = pa.ipc.open_file(blob.content).read_all()
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", "y"], "index 0": ["k", "l"]}


def test_each_receiver_gets_a_frame_of_its_own(codec):
    text = codec.encode(pd.DataFrame({"a": [1, 2], "s": ["x", "y"], "c": pd.Categorical(["u", "v"])}))
    first = codec.decode(text)
    first.loc[0, "a"] = 99
    first["c"].array[0] = "v"
    first["new"] = 1
    first.attrs["x"] = 1
    first.columns.name = first.index.name = "changed"
    assert_same(
        codec.decode(text), pd.DataFrame({"a": [1, 2], "s": ["x", "y"], "c": pd.Categorical(["u", "v"])})
    )


def test_the_senders_frame_stays_as_it_was(codec):
    frame = pd.DataFrame({"a": [1, 2]})
    frame.attrs["x"] = [1]
    before = frame.copy()
    received = codec.decode(codec.encode([frame, frame["a"]]))
    received[0].loc[0, "a"] = 99
    received[0].attrs["x"].append(2)
    assert_same(frame, before)


@dataclass
class Thing:
    size: int


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1, object()]}), r"value\['a'\]\[1\] is a builtins.object"),
        (pd.DataFrame({"a": [[{"x": object()}]]}), r"value\['a'\]\[0\]\[0\]\['x'\] is a builtins.object"),
        (
            pd.DataFrame({"a": [pd.DataFrame()]}),
            r"value\['a'\]\[0\] is a pandas.*DataFrame inside a data frame",
        ),
        (pd.DataFrame({"a": np.array([1j])}), r"value\['a'\] is a column of complex128"),
        (pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), r"value\['a'\] is a column of Sparse"),
        (pd.DataFrame([[1]], columns=[object()]), r"value\.columns\.index\[0\] is a builtins.object"),
        (pd.DataFrame([[1]], index=[object()]), r"value\.index\[0\] is a builtins.object"),
        (attrs(pd.DataFrame(), x=object()), r"value\.attrs\['x'\] is a builtins.object"),
        (category([], [object()]), r"value\['c'\]\.index\[0\] is a builtins.object"),
        (type("MyFrame", (pd.DataFrame,), {})({"a": [1]}), "value is a .*MyFrame"),
        (pd.Index([object()]), r"value\.index\[0\] is a builtins.object"),
        (pd.DataFrame({"a": [1]}).groupby("a"), "value is a pandas.*DataFrameGroupBy"),
    ],
)
def test_what_a_frame_can_not_keep_is_refused_with_its_place(codec, frame, message):
    with pytest.raises(NotSerializableError, match=message):
        codec.encode(frame)
    with pytest.raises(NotSerializableError, match=message.replace("value", r"value\['f'\]\[0\]", 1)):
        codec.encode({"f": [frame]})


def test_registered_types_in_cells_come_back(codec):
    codec.register(Thing)
    frame = pd.DataFrame({"a": [Thing(1), Thing(2)]})
    assert_same(codec.decode(codec.encode(frame)), frame)


SCALARS = [
    pd.Timestamp("2026-01-01T12:00:00.123456789"),
    pd.Timestamp("2026-10-25 00:30", tz="UTC").tz_convert("Europe/Berlin"),
    pd.Timestamp("2026-10-25 01:30", tz="UTC").tz_convert("Europe/Berlin"),
    pd.Timestamp("2026-01-01", tz="UTC").as_unit("s"),
    pd.Timedelta(3, "ns"),
    pd.Timedelta("5 days").as_unit("s"),
    pd.Interval(pd.Timestamp("2026"), pd.Timestamp("2027"), closed="both"),
    pd.Period("2026-01", freq="M"),
    pd.Period("2026-01-05", freq="W-MON"),
    pd.NaT,
    pd.NA,
]


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_pandas_scalars_come_back(round_trip, value):
    back = round_trip([value, {"a": value}])[0]
    assert type(back) is type(value)
    assert repr(back) == repr(value)
    assert getattr(back, "unit", None) == getattr(value, "unit", None)


def test_a_text_about_frames_is_read_in_a_process_that_has_not_loaded_pandas():
    text = ValueCodec().encode(pd.DataFrame({"a": [1, 2]}))
    program = (
        "import pickle, sys\n"
        "from durablenb.values.codec import ValueCodec\n"
        "text = pickle.load(sys.stdin.buffer)\n"
        "assert 'pandas' not in sys.modules and 'numpy' not in sys.modules\n"
        "print(ValueCodec().decode(text)['a'].tolist())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(text), capture_output=True, check=True
    )
    assert answer.stdout.strip() == b"[1, 2]"
