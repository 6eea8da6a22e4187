"""pandas' converters: frames, series and indexes become blobs in Arrow's format, scalars stay in the text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from durablenb.values.converter_kinds import BlobConverter, CellCodec, InlineConverter
from durablenb.values.converters import named_columns
from durablenb.values.encode_error import EncodeError
from durablenb.values.numpy_arrays import bits
from durablenb.values.pandas_columns import ColumnReader, ColumnWriter, is_numpy
from durablenb.values.writer import Encoder, Writer, tagged

_COLUMNS = b"columns"


def find(kind: type[Any]) -> BlobConverter | Encoder | None:
    """Return the converter or encoder of one of pandas' types; None for others, such as group-bys."""
    if kind is pd.DataFrame:
        return FRAME
    if kind is pd.Series:
        return SERIES
    if issubclass(kind, pd.Index) and kind.__module__.partition(".")[0] == "pandas":
        return INDEX
    return _SCALARS.get(kind)


# -- frames ----------------------------------------------------------------------------------------


def _write_frame(frame: Any, cells: CellCodec) -> bytes:
    file = ColumnWriter(cells)
    for number, (label, column) in enumerate(frame.items()):
        try:
            file.add(column, label if isinstance(label, str) else str(number))
        except EncodeError as error:
            error.within(f"[{label!r}]")
            raise
    notes: dict[str, Any] = {"index": file.add_index(frame.index)}
    try:
        notes["attrs"] = cells.write(frame.attrs)
    except EncodeError as error:
        error.within(".attrs")
        raise
    notes["allows_duplicate_labels"] = frame.flags.allows_duplicate_labels
    labels = ColumnWriter(cells)
    try:
        column_notes = labels.add_index(frame.columns)
    except EncodeError as error:
        error.within(".columns")
        raise
    file.extras[_COLUMNS] = labels.content({"index": column_notes})
    return file.content(notes)


def _read_frame(content: bytes, cells: CellCodec) -> Any:
    file = ColumnReader(content, cells)
    columns = ColumnReader(file.extras[_COLUMNS], cells)
    index = file.index()
    arrays = {number: file.array(number) for number in range(file.width)}
    for number, array in arrays.items():
        if is_numpy(array.dtype) and array.dtype.hasobject:  # pandas would infer text
            arrays[number] = pd.Series(array, index=index, dtype=object)
    frame = pd.DataFrame(arrays, index=index)
    frame.columns = columns.index()
    frame.attrs = cells.read(file.notes["attrs"])
    if not file.notes["allows_duplicate_labels"]:
        frame.flags.allows_duplicate_labels = False
    return frame


def _is_same(frame: Any, cached: Any) -> bool:
    """Tell whether two frames are equal bit by bit; frames with Python objects count as changed."""
    return (
        frame.shape == cached.shape
        and _is_same_index(frame.index, cached.index)
        and _is_same_index(frame.columns, cached.columns)
        and frame.attrs == cached.attrs == {}
        and frame.flags == cached.flags
        and all(
            _is_same_column(column, cached_column)
            for (_, column), (_, cached_column) in zip(frame.items(), cached.items(), strict=True)
        )
    )


def _is_same_index(index: Any, cached: Any) -> bool:
    return (
        type(index) is type(cached)
        and list(index.names) == list(cached.names)
        and getattr(index, "freq", None) == getattr(cached, "freq", None)
        and all(
            _is_same_column(index.get_level_values(level), cached.get_level_values(level))
            for level in range(index.nlevels)
        )
    )


def _is_same_column(column: Any, cached: Any) -> bool:
    if column.dtype != cached.dtype:
        return False
    if is_numpy(column.dtype) and column.dtype.hasobject:
        return all(type(cell) is str for cell in column) and list(column) == list(cached)

    if is_numpy(column.dtype):
        return bool(np.array_equal(bits(column.to_numpy()), bits(cached.to_numpy())))
    return bool(column.array.equals(cached.array))


def _size(frame: Any) -> int:
    return int(frame.memory_usage(index=True).sum())


FRAME = BlobConverter(
    "pandas.DataFrame",
    _write_frame,
    _read_frame,
    describe=lambda frame, content: {"shape": list(frame.shape), **named_columns(frame.columns)},
    copy=lambda frame: frame.copy(),
    size=_size,
    is_same=_is_same,
)


def _as_frame(series: Any) -> Any:
    frame = series.to_frame(0)
    frame.attrs = {"name": series.name, "attrs": series.attrs}
    frame.flags.allows_duplicate_labels = series.flags.allows_duplicate_labels
    return frame


def _as_series(frame: Any) -> Any:
    series = frame.iloc[:, 0].rename(frame.attrs["name"])
    series.attrs = frame.attrs["attrs"]
    return series


SERIES = FRAME._replace(
    name="pandas.Series",
    describe=lambda series, content: {"shape": list(series.shape)},
    write=lambda series, cells: _write_frame(_as_frame(series), cells),
    read=lambda content, cells: _as_series(_read_frame(content, cells)),
    copy=lambda series: series.copy(),
    size=lambda series: int(series.memory_usage()),
    is_same=lambda series, cached: (
        series.name == cached.name
        and series.attrs == cached.attrs == {}
        and _is_same(series.to_frame(0), cached.to_frame(0))
    ),
)


def _write_index(index: Any, cells: CellCodec) -> bytes:
    file = ColumnWriter(cells)
    return file.content({"index": file.add_index(index)})


INDEX = BlobConverter(
    "pandas.Index",
    _write_index,
    lambda content, cells: ColumnReader(content, cells).index(),
    describe=lambda index, content: {"shape": list(index.shape)},
    copy=lambda index: index.copy(deep=True),
    size=lambda index: int(index.memory_usage()),
    is_same=_is_same_index,
)

# -- scalars ---------------------------------------------------------------------------------------


def _timestamp(writer: Writer, value: Any, depth: int) -> Any:
    zone = getattr(value.tzinfo, "key", None)
    plain = value.isoformat()
    return {**tagged("pandas.Timestamp", plain), "unit": value.unit, **({"zone": zone} if zone else {})}


def _read_timestamp(fields: dict[str, Any]) -> Any:
    moment = pd.Timestamp(fields["@value"]).as_unit(fields["unit"])
    return moment.tz_convert(fields["zone"]) if "zone" in fields else moment


def _timedelta(writer: Writer, value: Any, depth: int) -> Any:
    return {**tagged("pandas.Timedelta", int(value.asm8.view("int64"))), "unit": value.unit}


def _read_timedelta(fields: dict[str, Any]) -> Any:
    unit = fields["unit"]
    return pd.Timedelta(fields["@value"], unit=unit).as_unit(unit)


def _interval(writer: Writer, value: Any, depth: int) -> Any:
    ends = writer.tree([value.left, value.right], depth + 1)
    return {**tagged("pandas.Interval", ends), "closed": value.closed}


def _period(writer: Writer, value: Any, depth: int) -> Any:
    return {**tagged("pandas.Period", value.ordinal), "freq": value.freqstr}


_SCALARS: dict[type[Any], Encoder] = {
    pd.Interval: _interval,
    pd.Period: _period,
    pd.Timestamp: _timestamp,
    pd.Timedelta: _timedelta,
    type(pd.NaT): lambda writer, value, depth: tagged("pandas.NaT", None),
    type(pd.NA): lambda writer, value, depth: tagged("pandas.NA", None),
}

READERS: dict[str, BlobConverter | InlineConverter] = {
    FRAME.name: FRAME,
    SERIES.name: SERIES,
    INDEX.name: INDEX,
    "pandas.Timestamp": InlineConverter("pandas.Timestamp", _read_timestamp),
    "pandas.Timedelta": InlineConverter("pandas.Timedelta", _read_timedelta),
    "pandas.Interval": InlineConverter(
        "pandas.Interval", lambda fields: pd.Interval(*fields["@value"], closed=fields["closed"])
    ),
    "pandas.Period": InlineConverter(
        "pandas.Period", lambda fields: pd.Period(ordinal=fields["@value"], freq=fields["freq"])
    ),
    "pandas.NaT": InlineConverter("pandas.NaT", lambda fields: pd.NaT),
    "pandas.NA": InlineConverter("pandas.NA", lambda fields: pd.NA),
}
