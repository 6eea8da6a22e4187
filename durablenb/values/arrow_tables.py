"""Polars' and Arrow's converters: tables become blobs in Arrow's file format."""

from __future__ import annotations

import io
import sys
from typing import Any

from durablenb.values.converter_kinds import BlobConverter, CellCodec, InlineConverter
from durablenb.values.converters import named_columns
from durablenb.values.encode_error import EncodeError
from durablenb.values.writer import Encoder

COMPRESSION = "lz4"
"""Fast in both directions; it saves space twice, in memory and on disk."""


def find(kind: type[Any]) -> BlobConverter | Encoder | None:
    """Return the converter of a type of Polars' or Arrow's; None for others, such as lazy frames."""
    for library, names in (("polars", ("DataFrame", "Series")), ("pyarrow", ("Table", "RecordBatch"))):
        module = sys.modules.get(library)
        for name in names:
            if module is not None and kind is getattr(module, name, None):
                converter = READERS[f"{library}.{name}"]
                return converter if isinstance(converter, BlobConverter) else None
    return None


# -- Polars ----------------------------------------------------------------------------------------


def _write_polars(frame: Any, cells: CellCodec) -> bytes:
    import polars

    for name, dtype in frame.schema.items():
        if dtype.base_type() is polars.Object:
            raise EncodeError("a column of Python objects", "Give it a type of Polars', or drop it").within(
                f"[{name!r}]"
            )
    buffer = io.BytesIO()
    try:
        frame.write_ipc(buffer, compression=COMPRESSION)
    except polars.exceptions.PolarsError as error:
        raise EncodeError(
            f"a polars.DataFrame that Arrow can't hold ({error})", "Change that column"
        ) from None
    return buffer.getvalue()


def _read_polars(content: bytes, cells: CellCodec) -> Any:
    import polars

    return polars.read_ipc(io.BytesIO(content))


def _is_same_polars(frame: Any, cached: Any) -> bool:
    return frame is cached or (frame.schema == cached.schema and frame.equals(cached))


# -- Arrow -----------------------------------------------------------------------------------------


def arrow_file(batches: Any, schema: Any) -> bytes:
    """Return record batches as a file in Arrow's format."""
    import pyarrow

    buffer = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression=COMPRESSION, unify_dictionaries=True)
    with pyarrow.ipc.new_file(buffer, schema, options=options) as file:
        for batch in batches:
            file.write(batch)
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def _write_arrow(table: Any, cells: CellCodec) -> bytes:
    import pyarrow

    try:
        return arrow_file([table], table.schema)
    except pyarrow.ArrowException as error:
        raise EncodeError(
            f"a {type(table).__name__} that can't be written ({error})", "Change that column"
        ) from None


def _read_arrow(content: bytes, cells: CellCodec) -> Any:
    import pyarrow

    return pyarrow.ipc.open_file(pyarrow.BufferReader(content)).read_all()


def _read_batch(content: bytes, cells: CellCodec) -> Any:
    import pyarrow

    return pyarrow.ipc.open_file(pyarrow.BufferReader(content)).get_batch(0)


def _is_same_arrow(table: Any, cached: Any) -> bool:
    return table is cached or bool(table.equals(cached, check_metadata=True))


def _itself(table: Any) -> Any:
    return table


def _shape(table: Any, content: bytes) -> dict[str, Any]:
    return {"shape": list(table.shape), **named_columns(table.columns)}


def _arrow_shape(table: Any, content: bytes) -> dict[str, Any]:
    return {"shape": [table.num_rows, table.num_columns], **named_columns(table.schema.names)}


_POLARS = BlobConverter(
    "polars.DataFrame",
    _write_polars,
    _read_polars,
    describe=_shape,
    copy=lambda frame: frame.clone(),  # shares the columns, which nothing changes in place
    size=lambda frame: int(frame.estimated_size()),
    is_same=_is_same_polars,
)

_ARROW = BlobConverter(
    "pyarrow.Table",
    _write_arrow,
    _read_arrow,
    describe=_arrow_shape,
    copy=_itself,  # immutable
    size=lambda table: int(table.nbytes),
    is_same=_is_same_arrow,
)

READERS: dict[str, BlobConverter | InlineConverter] = {
    _POLARS.name: _POLARS,
    "polars.Series": _POLARS._replace(
        name="polars.Series",
        describe=lambda series, content: {"shape": list(series.shape)},
        write=lambda series, cells: _write_polars(series.to_frame(), cells),
        read=lambda content, cells: _read_polars(content, cells).to_series(0),
        is_same=lambda series, cached: _is_same_polars(series.to_frame(), cached.to_frame()),
    ),
    _ARROW.name: _ARROW,
    "pyarrow.RecordBatch": _ARROW._replace(name="pyarrow.RecordBatch", read=_read_batch),
}
