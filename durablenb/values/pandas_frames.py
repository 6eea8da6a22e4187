"""pandas: frames and series as blobs in Arrow's file format, to be equal again; scalars in the text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from durablenb.values.arrays import bits
from durablenb.values.kinds import Cells, LargeKind, SmallKind
from durablenb.values.pandas_columns import Batch, File, is_numpy
from durablenb.values.refusal import Refusal
from durablenb.values.writer import Encoder, Writer, tagged

_COLUMNS = b"columns"


def find(kind: type[Any]) -> LargeKind | Encoder | None:
    """How values of one of pandas' types are kept; None for what can't be: subclasses of frames, groups."""
    if kind is pd.DataFrame:
        return FRAME
    if kind is pd.Series:
        return SERIES
    return _SCALARS.get(kind)


# -- frames ----------------------------------------------------------------------------------------


def _write_frame(frame: Any, cells: Cells) -> bytes:
    batch = Batch(cells)
    for number, (label, column) in enumerate(frame.items()):
        try:
            batch.add(column, label if isinstance(label, str) else str(number))
        except Refusal as refusal:
            refusal.within(f"[{label!r}]")
            raise
    notes: dict[str, Any] = {"index": batch.add_index(frame.index)}
    try:
        notes["attrs"] = cells.write(frame.attrs)
    except Refusal as refusal:
        refusal.within(".attrs")
        raise
    notes["allows_duplicate_labels"] = frame.flags.allows_duplicate_labels
    labels = Batch(cells)
    try:
        column_notes = labels.add_index(frame.columns)
    except Refusal as refusal:
        refusal.within(".columns")
        raise
    batch.extras[_COLUMNS] = labels.content({"index": column_notes})
    return batch.content(notes)


def _read_frame(content: bytes, cells: Cells) -> Any:
    batch = File(content, cells)
    columns = File(batch.extras[_COLUMNS], cells)
    index = batch.index()
    arrays = {number: batch.array(number) for number in range(batch.width)}
    for number, array in arrays.items():
        if is_numpy(array.dtype) and array.dtype.hasobject:  # else pandas would make text of it
            arrays[number] = pd.Series(array, index=index, dtype=object)
    frame = pd.DataFrame(arrays, index=index)
    frame.columns = columns.index()
    frame.attrs = cells.read(batch.notes["attrs"])
    if not batch.notes["allows_duplicate_labels"]:
        frame.flags.allows_duplicate_labels = False
    return frame


def _is_same(frame: Any, kept: Any) -> bool:
    """Whether two frames are equal to the bit; one with Python objects is written anew instead."""
    return (
        frame.shape == kept.shape
        and _is_same_index(frame.index, kept.index)
        and _is_same_index(frame.columns, kept.columns)
        and frame.attrs == kept.attrs == {}
        and frame.flags == kept.flags
        and all(
            _is_same_column(column, kept_column)
            for (_, column), (_, kept_column) in zip(frame.items(), kept.items(), strict=True)
        )
    )


def _is_same_index(index: Any, kept: Any) -> bool:
    return (
        type(index) is type(kept)
        and list(index.names) == list(kept.names)
        and getattr(index, "freq", None) == getattr(kept, "freq", None)
        and all(
            _is_same_column(index.get_level_values(level), kept.get_level_values(level))
            for level in range(index.nlevels)
        )
    )


def _is_same_column(column: Any, kept: Any) -> bool:
    if column.dtype != kept.dtype:
        return False
    if is_numpy(column.dtype) and column.dtype.hasobject:
        return all(type(one) is str for one in column) and list(column) == list(kept)
    if is_numpy(column.dtype):
        return bool(np.array_equal(bits(column.to_numpy()), bits(kept.to_numpy())))
    return bool(column.array.equals(kept.array))


def _size(frame: Any) -> int:
    return int(frame.memory_usage(index=True).sum())


FRAME = LargeKind(
    "pandas.DataFrame",
    _write_frame,
    _read_frame,
    about=lambda frame, content: {"shape": list(frame.shape)},
    handed_out=lambda frame: frame.copy(),
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
    write=lambda series, cells: _write_frame(_as_frame(series), cells),
    read=lambda content, cells: _as_series(_read_frame(content, cells)),
    handed_out=lambda series: series.copy(),
    size=lambda series: int(series.memory_usage()),
    is_same=lambda series, kept: (
        series.name == kept.name
        and series.attrs == kept.attrs == {}
        and _is_same(series.to_frame(0), kept.to_frame(0))
    ),
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

READERS: dict[str, LargeKind | SmallKind] = {
    FRAME.name: FRAME,
    SERIES.name: SERIES,
    "pandas.Timestamp": SmallKind("pandas.Timestamp", _read_timestamp),
    "pandas.Timedelta": SmallKind("pandas.Timedelta", _read_timedelta),
    "pandas.Interval": SmallKind(
        "pandas.Interval", lambda fields: pd.Interval(*fields["@value"], closed=fields["closed"])
    ),
    "pandas.Period": SmallKind(
        "pandas.Period", lambda fields: pd.Period(ordinal=fields["@value"], freq=fields["freq"])
    ),
    "pandas.NaT": SmallKind("pandas.NaT", lambda fields: pd.NaT),
    "pandas.NA": SmallKind("pandas.NA", lambda fields: pd.NA),
}
