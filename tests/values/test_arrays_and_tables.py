"""NumPy's arrays and scalars, Polars' frames and Arrow's tables come back as they were."""

import datetime as dt
import warnings

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from durablenb.model.errors import NotSerializableError
from durablenb.model.payloads import carried_blobs
from durablenb.values.codec import ValueCodec

# -- NumPy -----------------------------------------------------------------------------------------


def assert_same_array(one, other):
    assert type(one) is type(other)
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.flags.f_contiguous == other.flags.f_contiguous
    assert one.tobytes() == other.tobytes()


dtypes = (
    hnp.scalar_dtypes()
    | hnp.byte_string_dtypes()
    | hnp.unicode_string_dtypes()
    | hnp.array_dtypes(hnp.scalar_dtypes())
)


@given(hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4)))
@settings(max_examples=60)
def test_any_array_comes_back_to_the_bit(array):
    codec = ValueCodec()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # NumPy's, of field names beyond Latin-1
        assert_same_array(codec.decode(codec.encode(array)), np.ascontiguousarray(array).reshape(array.shape))


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([np.nan, -0.0, np.inf]),
        np.array(5),
        np.zeros((0, 3), "u1"),
        np.array([1, 2], ">i4"),
        np.array(["2026", "NaT"], "M8[D]"),
        np.array([("a", 1)], [("name", "U3"), ("size", "i4")]),
        np.array([("é", 1)], [("größe", "U3"), ("x", "i4")]),
        np.zeros(3, [(f"column {number}", "f8") for number in range(2_000)]),
        np.ones(3, np.longdouble),
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_arrays_keep_type_shape_and_order(round_trip, array):
    assert_same_array(round_trip({"a": array})["a"], array)


def test_a_part_of_an_array_goes_without_the_rest(codec):
    array = np.arange(1_000_000)[::2_000]
    text = codec.encode(array)
    assert len(carried_blobs(text)[0].content) < 10_000
    assert codec.decode(text).tolist() == array.tolist()


def test_an_array_in_a_file_of_its_own_comes_back_as_an_array(round_trip, tmp_path):
    array = np.memmap(tmp_path / "x", np.int16, "w+", shape=(3,))
    array[:] = [1, 2, 3]
    back = round_trip(array)
    assert type(back) is np.ndarray
    assert back.tolist() == [1, 2, 3]


def test_each_receiver_gets_an_array_of_its_own_to_write_to(codec):
    text = codec.encode(np.zeros(3))
    codec.decode(text)[0] = 5
    assert codec.decode(text).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([object()]), "value is a numpy.ndarray of objects"),
        (np.array([{}, "a"], object), "value is a numpy.ndarray of objects"),
        (np.zeros(2, [("x", object)]), "value is a numpy.ndarray of objects"),
        (np.array(["a"], np.dtypes.StringDType()), r"value is a numpy.ndarray of"),
        (np.ma.array([1], mask=[True]), "value is a numpy.ma.MaskedArray"),
        (np.rec.array([(1, 2)]), "value is a numpy.*recarray"),
        (np.zeros(1, "i4,i4")[0], "value is a numpy.void"),
        (np.longdouble(1), "value is a numpy.longdouble"),
        (np.random.default_rng(0), "value is a numpy.random"),
        (np.dtype("i4"), "value is a numpy.dtype"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_numpy_can_not_keep_is_refused_with_its_place(codec, array, message):
    with pytest.raises(NotSerializableError, match=message):
        codec.encode(array)
    with pytest.raises(NotSerializableError, match=message.replace("value", r"value\['a'\]\[1\]", 1)):
        codec.encode({"a": [1, array]})


@pytest.mark.parametrize(
    "value",
    [
        *(np.array([1.5], name)[0] for name in ("f2", "f4", "c8", "c16")),
        np.float32("-inf"),
        np.str_("x"),
        np.bytes_(b"x"),
        np.datetime64("2026-01-01T00:00:00.000000001"),
        np.datetime64("2026", "Y"),
        np.datetime64("NaT", "ns"),
        np.datetime64("2026-01-01", "25s"),
        np.timedelta64(-5, "ms"),
    ],
    ids=repr,
)
def test_scalars_come_back_as_scalars(round_trip, value):
    back = round_trip([value])[0]
    assert back.dtype == value.dtype
    assert repr(back) == repr(value)


@pytest.mark.filterwarnings("ignore:The 'generic' unit for NumPy:DeprecationWarning")
def test_moments_without_a_unit_come_back_without_one(round_trip):
    """NumPy has them until it takes them away."""
    for value in (np.datetime64("NaT"), np.timedelta64(5)):
        back = round_trip([value])[0]
        assert back.dtype == value.dtype
        assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "value",
    [
        *(np.array([1], name)[0] for name in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")),
        np.float64(1.5),
        np.float64("-inf"),
        np.longlong(5),
        np.uint64(2**64 - 1),
    ],
    ids=repr,
)
def test_plain_numbers_of_numpy_are_pythons_own(codec, round_trip, value):
    back = round_trip([value])[0]
    assert (type(back), back) == (type(value.item()), value)
    assert "numpy" not in codec.encode([value])


# -- Polars ----------------------------------------------------------------------------------------

POLARS = pl.DataFrame(
    {
        "enum": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a", "z"])),
        "category": pl.Series(["a", None], dtype=pl.Categorical),
        "decimal": pl.Series(["1.5", "2"]).cast(pl.Decimal(10, 2)),
        "nothing": [None, None],
        "list": [[1], []],
        "struct": [{"x": 1, "y": "a"}, {"x": 2, "y": None}],
        "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
        "time": pl.Series([dt.time(1), dt.time(2)]),
        "span": pl.Series([1, None], dtype=pl.Duration("ms")),
        "moment": pl.Series([1, 2], dtype=pl.Datetime("ns", "Europe/Berlin")),
        "day": [dt.date(2026, 1, 1), None],
        "bytes": [b"x", b""],
        "text": ["é😀\0", ""],
        "float": [float("nan"), None],
        "large": pl.Series([2**100, None], dtype=pl.Int128),
        "truth": [True, None],
    }
)


@pytest.mark.parametrize(
    "frame",
    [
        POLARS,
        POLARS[:0],
        pl.DataFrame(),
        pl.concat([POLARS, POLARS], rechunk=False),
        pl.DataFrame({"a": range(1_000)}).filter(pl.col("a") % 7 == 0),
    ],
    ids=["all types", "no rows", "nothing", "two chunks", "filtered"],
)
def test_a_polars_frame_comes_back_equal(round_trip, frame):
    back = round_trip([frame])[0]
    assert back.schema == frame.schema
    assert back.equals(frame)


def test_a_polars_column_comes_back_equal(round_trip):
    for series in POLARS:
        back = round_trip(series)
        assert (back.name, back.dtype) == (series.name, series.dtype)
        assert back.equals(series)


def test_each_receiver_gets_a_polars_frame_of_its_own(codec):
    text = codec.encode(pl.DataFrame({"a": [1, 2]}))
    first = codec.decode(text)
    first[0, "a"] = 99
    first.insert_column(0, pl.Series("new", [1, 2]))
    assert codec.decode(text).equals(pl.DataFrame({"a": [1, 2]}))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"a": [1], "o": [object()]}), r"value\['o'\] is a column of Python objects"),
        (pl.Series("o", [object()], dtype=pl.Object), r"value\['o'\] is a column of Python objects"),
        (pl.LazyFrame({"a": [1]}), "value is a polars.*LazyFrame"),
        (pl.col("a"), "value is a polars.*Expr"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_polars_can_not_keep_is_refused_with_its_place(codec, frame, message):
    with pytest.raises(NotSerializableError, match=message):
        codec.encode(frame)


# -- Arrow -----------------------------------------------------------------------------------------

ARROW = pa.table(
    {
        "category": pa.array(["a", None, "b"]).dictionary_encode(),
        "small category": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), ["x", "y"]),
        "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int32())),
        "union": pa.UnionArray.from_dense(
            pa.array([0, 1, 0], pa.int8()),
            pa.array([0, 0, 1], pa.int32()),
            [pa.array([1, 2]), pa.array(["a"])],
        ),
        "span": pa.array([(1, 2, 3), None, (4, 5, 6)], pa.month_day_nano_interval()),
        "moment": pa.array([1, 2, None], pa.timestamp("ns", "Europe/Berlin")),
        "half": pa.array([1.5, None, 2], pa.float16()),
        "view": pa.array(["a", None, "x" * 100], pa.string_view()),
        "runs": pa.RunEndEncodedArray.from_arrays([2, 3], [1.5, 2.5]),
    },
    metadata={"made": "by hand"},
)


@pytest.mark.parametrize(
    "table",
    [
        ARROW,
        ARROW.slice(1, 1),
        ARROW.slice(0, 0),
        pa.concat_tables([ARROW, ARROW]),
        pa.table({}),
        pa.concat_tables([pa.table({"c": pa.array([text]).dictionary_encode()}) for text in ("a", "b")]),
        ARROW.to_batches()[0],
        pa.RecordBatch.from_pylist([], pa.schema([("a", pa.int8())])),
    ],
    ids=[
        "all types",
        "a slice",
        "no rows",
        "two chunks",
        "nothing",
        "two dictionaries",
        "a batch",
        "an empty batch",
    ],
)
def test_an_arrow_table_comes_back_equal(round_trip, table):
    back = round_trip((table,))[0]
    assert type(back) is type(table)
    assert back.schema.equals(table.schema, check_metadata=True)
    if isinstance(table, pa.Table):
        table = table.unify_dictionaries()  # chunks come back with one dictionary for all
    assert back.equals(table)


def test_what_arrow_has_beside_tables_is_refused(codec):
    with pytest.raises(NotSerializableError, match=r"value is a pyarrow.*Int64Array"):
        codec.encode(pa.array([1]))
