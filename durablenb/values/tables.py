"""Polars and Arrow: tables as blobs in Arrow's file format."""

from __future__ import annotations

import io
import sys
from typing import Any

from durablenb.values.kinds import Cells, LargeKind, SmallKind
from durablenb.values.refusal import Refusal
from durablenb.values.writer import Encoder

COMPRESSION = "lz4"
"""Fast both ways; what it saves is saved once more on the way to the disk."""


def find(kind: type[Any]) -> LargeKind | Encoder | None:
    """How values of one of these libraries' types are kept; None for what can't be: lazy frames."""
    for library, names in (("polars", ("DataFrame", "Series")), ("pyarrow", ("Table", "RecordBatch"))):
        module = sys.modules.get(library)
        for name in names:
            if module is not None and kind is getattr(module, name, None):
                found = READERS[f"{library}.{name}"]
                return found if isinstance(found, LargeKind) else None
    return None


# -- Polars ----------------------------------------------------------------------------------------


def _write_polars(frame: Any, cells: Cells) -> bytes:
    import polars

    for name, dtype in frame.schema.items():
        if dtype.base_type() is polars.Object:
            raise Refusal("a column of Python objects", "Give it a type of Polars', or drop it").within(
                f"[{name!r}]"
            )
    buffer = io.BytesIO()
    try:
        frame.write_ipc(buffer, compression=COMPRESSION)
    except polars.exceptions.PolarsError as error:
        raise Refusal(f"a polars.DataFrame that Arrow can't hold ({error})", "Change that column") from None
    return buffer.getvalue()


def _read_polars(content: bytes, cells: Cells) -> Any:
    import polars

    return polars.read_ipc(io.BytesIO(content))


def _is_same_polars(frame: Any, kept: Any) -> bool:
    return frame is kept or (frame.schema == kept.schema and frame.equals(kept))


# -- Arrow -----------------------------------------------------------------------------------------


def arrow_file(batches: Any, schema: Any) -> bytes:
    """Record batches in Arrow's file format."""
    import pyarrow

    buffer = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression=COMPRESSION, unify_dictionaries=True)
    with pyarrow.ipc.new_file(buffer, schema, options=options) as file:
        for batch in batches:
            file.write(batch)
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def _write_arrow(table: Any, cells: Cells) -> bytes:
    import pyarrow

    try:
        return arrow_file([table], table.schema)
    except pyarrow.ArrowException as error:
        raise Refusal(
            f"a {type(table).__name__} that can't be written ({error})", "Change that column"
        ) from None


def _read_arrow(content: bytes, cells: Cells) -> Any:
    import pyarrow

    return pyarrow.ipc.open_file(pyarrow.BufferReader(content)).read_all()


def _read_batch(content: bytes, cells: Cells) -> Any:
    import pyarrow

    return pyarrow.ipc.open_file(pyarrow.BufferReader(content)).get_batch(0)


def _is_same_arrow(table: Any, kept: Any) -> bool:
    return table is kept or bool(table.equals(kept, check_metadata=True))


def _itself(table: Any) -> Any:
    return table


def _shape(table: Any, content: bytes) -> dict[str, Any]:
    return {"shape": list(table.shape)}


def _arrow_shape(table: Any, content: bytes) -> dict[str, Any]:
    return {"shape": [table.num_rows, table.num_columns]}


_POLARS = LargeKind(
    "polars.DataFrame",
    _write_polars,
    _read_polars,
    about=_shape,
    handed_out=lambda frame: frame.clone(),  # it shares the columns, which nothing changes in place
    size=lambda frame: int(frame.estimated_size()),
    is_same=_is_same_polars,
)

_ARROW = LargeKind(
    "pyarrow.Table",
    _write_arrow,
    _read_arrow,
    about=_arrow_shape,
    handed_out=_itself,  # it can't be changed
    size=lambda table: int(table.nbytes),
    is_same=_is_same_arrow,
)

READERS: dict[str, LargeKind | SmallKind] = {
    _POLARS.name: _POLARS,
    "polars.Series": _POLARS._replace(
        name="polars.Series",
        write=lambda series, cells: _write_polars(series.to_frame(), cells),
        read=lambda content, cells: _read_polars(content, cells).to_series(0),
        is_same=lambda series, kept: _is_same_polars(series.to_frame(), kept.to_frame()),
    ),
    _ARROW.name: _ARROW,
    "pyarrow.RecordBatch": _ARROW._replace(name="pyarrow.RecordBatch", read=_read_batch),
}
