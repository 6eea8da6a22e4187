"""Writes pandas' columns and indexes as files in Arrow's format, and reads them.

A file holds one record batch: the columns, then the levels of the index. The schema's metadata holds
everything that Arrow lacks: under ``durablenb`` the types as JSON, and under ``categories N`` the categories
of a column, as a file of their own. Columns of Python objects are JSON, cell by cell, like other values.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pandas.api.types import pandas_dtype

from durablenb.values.arrow_tables import arrow_file
from durablenb.values.converter_kinds import CellCodec
from durablenb.values.encode_error import EncodeError

_NOTES = b"durablenb"

_WITH_ARROW = {
    *("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64"),
    *("boolean", "datetime64", "period", "interval"),
}
"""Extension types that their name restores equal; parameters in brackets are part of it."""


class ColumnWriter:
    """Gathers the columns of one file."""

    def __init__(self, cells: CellCodec) -> None:
        self._cells = cells
        self._arrays: list[Any] = []
        self._names: list[str] = []
        self._types: list[Any] = []
        self.extras: dict[bytes, bytes] = {}

    def add(self, values: Any, name: str) -> None:
        """Add a column: a series, or a level of an index."""
        self._append(*self._column(values.dtype, values.array), name)

    def _append(self, arrow: Any, note: Any, name: str) -> None:
        self._arrays.append(arrow)
        self._names.append(name)
        self._types.append(note)

    def add_index(self, index: Any) -> dict[str, Any]:
        """Add the levels of an index, unless it is a range; return the notes that restore the index."""
        notes: dict[str, Any] = {"names": self._cells.write(list(index.names))}
        if isinstance(index, pd.RangeIndex):
            return {**notes, "range": [index.start, index.stop, index.step]}
        notes["levels"] = [len(self._arrays), index.nlevels]
        notes["is_multi"] = isinstance(index, pd.MultiIndex)
        if getattr(index, "freq", None) is not None and not isinstance(index, pd.PeriodIndex):
            notes["freq"] = index.freqstr
        try:
            if not notes["is_multi"]:
                self.add(index, "index 0")
            else:
                for level in range(index.nlevels):
                    codes = self._codes(index.codes[level], index.levels[level])
                    self._append(codes, {"ordered": False}, f"index {level}")
        except EncodeError as error:
            error.within(".index")
            raise
        return notes

    def content(self, notes: dict[str, Any]) -> bytes:
        """Return the bytes of the file."""
        import pyarrow

        notes = {**notes, "types": self._types, "rows": len(self._arrays[0]) if self._arrays else 0}
        schema = pyarrow.schema(
            [pyarrow.field(name, array.type) for name, array in zip(self._names, self._arrays, strict=True)],
            metadata={_NOTES: json.dumps(notes), **self.extras},
        )
        return arrow_file([pyarrow.record_batch(self._arrays, schema=schema)], schema)

    def _column(self, dtype: Any, array: Any) -> tuple[Any, Any]:
        """Return an Arrow array, and the note that restores pandas' array from it."""
        import pyarrow

        if is_numpy(dtype) and dtype.hasobject:
            return self._objects(array)
        if isinstance(dtype, pd.CategoricalDtype):
            return self._codes(array.codes, dtype.categories), {"ordered": bool(dtype.ordered)}
        note: Any = str(dtype)
        if isinstance(dtype, pd.ArrowDtype):
            note = "arrow"
        elif isinstance(dtype, pd.StringDtype):
            note = {"storage": dtype.storage, "is_nan": dtype.na_value is not pd.NA}
        elif not is_numpy(dtype) and note.partition("[")[0] not in _WITH_ARROW:
            raise EncodeError(f"a column of {note}", "Make it one of a usual type: column.astype(...)")
        try:
            arrow = pyarrow.array(_native(array.to_numpy()) if is_numpy(dtype) else array)
        except (pyarrow.ArrowException, TypeError, ValueError) as error:
            raise EncodeError(
                f"a column of {note} ({error})", "Make it one of a usual type: column.astype(...)"
            ) from None
        return arrow if isinstance(arrow, pyarrow.Array) else arrow.combine_chunks(), note

    def _codes(self, codes: Any, categories: Any) -> Any:
        """Return category codes as an Arrow array; the categories go into a file of their own."""
        import pyarrow

        file = ColumnWriter(self._cells)
        notes = {"index": file.add_index(categories)}
        self.extras[b"categories %d" % len(self._arrays)] = file.content(notes)
        return pyarrow.array(codes)

    def _objects(self, array: Any) -> tuple[Any, Any]:
        import pyarrow

        items = list(array)
        if {str, type(None)}.issuperset(map(type, items)):
            return pyarrow.array(items, pyarrow.large_string()), "text"
        texts = []
        try:
            for item in items:
                texts.append(self._cells.write(item))
        except EncodeError as error:
            error.within(f"[{len(texts)}]")
            raise
        return pyarrow.array(texts, pyarrow.large_string()), "object"


class ColumnReader:
    """Reads a file that a `ColumnWriter` made."""

    def __init__(self, content: bytes, cells: CellCodec) -> None:
        import pyarrow

        file = pyarrow.ipc.open_file(pyarrow.BufferReader(content))
        self._batch = file.get_batch(0)
        self._cells = cells
        self.extras: dict[bytes, bytes] = file.schema.metadata
        self.notes: dict[str, Any] = json.loads(self.extras[_NOTES])
        self.width: int = self.notes["index"].get("levels", [len(self.notes["types"])])[0]

    def array(self, number: int) -> Any:
        """Return a column as pandas' array."""
        arrow, note = self._batch.column(number), self.notes["types"][number]
        if note == "text":
            return _objects(arrow.to_pylist())
        if note == "object":
            return _objects([self._cells.read(text) for text in arrow.to_pylist()])
        if isinstance(note, dict) and "ordered" in note:
            dtype = pd.CategoricalDtype(self._categories(number), note["ordered"])
            return pd.Categorical.from_codes(arrow.to_numpy(zero_copy_only=False), dtype=dtype)
        if note == "arrow":
            return pd.ArrowDtype(arrow.type).__from_arrow__(arrow)
        if isinstance(note, dict):
            options = {"na_value": float("nan")} if note["is_nan"] else {}
            return pd.StringDtype(note["storage"], **options).__from_arrow__(arrow)
        dtype = pandas_dtype(note)
        if is_numpy(dtype):
            return arrow.to_numpy(zero_copy_only=False).astype(dtype, copy=False)
        return dtype.__from_arrow__(arrow)

    def index(self) -> Any:
        """Return the index."""
        notes = self.notes["index"]
        names = self._cells.read(notes["names"])
        if "range" in notes:
            return pd.RangeIndex(*notes["range"], name=names[0])
        first, count = notes["levels"]
        if notes["is_multi"]:
            numbers = range(first, first + count)
            codes = [self._batch.column(number).to_numpy() for number in numbers]
            return pd.MultiIndex([self._categories(number) for number in numbers], codes, names=names)
        array = self.array(first)
        index = pd.Index(array, dtype=array.dtype, tupleize_cols=False)
        index.names = names
        if "freq" in notes:
            index.freq = notes["freq"]
        return index

    def _categories(self, number: int) -> Any:
        return ColumnReader(self.extras[b"categories %d" % number], self._cells).index()


def is_numpy(dtype: Any) -> bool:
    """Tell whether a column's type is one of NumPy's own."""
    return hasattr(dtype, "byteorder")


def _native(array: Any) -> Any:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _objects(items: list[Any]) -> Any:
    import numpy

    array = numpy.empty(len(items), dtype=object)
    for number, item in enumerate(items):  # assigned as a whole, a list of lists would become a table
        array[number] = item

    return array
