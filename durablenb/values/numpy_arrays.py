"""NumPy's converters: arrays become blobs in NumPy's format, scalars stay in the text."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from durablenb.values.converter_kinds import BlobConverter, CellCodec, InlineConverter
from durablenb.values.converters import NUMPY_SCALARS
from durablenb.values.encode_error import EncodeError
from durablenb.values.writer import Encoder, Writer, tagged

_PLAIN = frozenset(
    {"bool", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)
"""Scalars that are kept as Python's own numbers, without loss."""

_LARGEST_HEADER = 1 << 20
"""Characters that an array's type may take in the header: a structured type of many columns takes many."""


def find(kind: type[Any]) -> BlobConverter | Encoder | None:
    """Return the converter or encoder of one of NumPy's types; None for masked arrays and matrices."""
    if kind in (np.ndarray, np.memmap):
        return ARRAY
    if issubclass(kind, np.generic):
        name = np.dtype(kind).name
        if name in _PLAIN:
            return _plain
        return _scalar(name) if f"numpy.{name}" in READERS else None
    return None


def _write(array: Any, cells: CellCodec) -> bytes:
    if array.dtype.hasobject:
        raise EncodeError(
            "a numpy.ndarray of objects",
            "Make it one of numbers or text (array.astype), or a list (array.tolist())",
        )
    buffer = io.BytesIO()
    try:
        np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    except (ValueError, TypeError) as error:
        raise EncodeError(
            f"a numpy.ndarray of {array.dtype} ({error})", "Make it one of numbers or text"
        ) from None
    return buffer.getvalue()


def _read(content: bytes, cells: CellCodec) -> Any:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False, max_header_size=_LARGEST_HEADER)


def _is_same(array: Any, cached: Any) -> bool:
    return (
        array.dtype == cached.dtype
        and array.shape == cached.shape
        and array.flags.f_contiguous == cached.flags.f_contiguous
        and array.flags.c_contiguous == cached.flags.c_contiguous
        and np.array_equal(bits(array), bits(cached))
    )


def bits(array: Any) -> Any:
    """Return an array's memory as integers, which compare equal bit by bit, for NaN and -0.0 as well."""
    flat = array.reshape(-1, order="A")
    return flat.view(np.uint64 if flat.nbytes % 8 == 0 else np.uint8)


ARRAY = BlobConverter(
    "numpy.ndarray",
    _write,
    _read,
    describe=lambda array, content: {"shape": list(array.shape), "dtype": str(array.dtype)},
    copy=lambda array: array.copy(order="K"),
    size=lambda array: int(array.nbytes),
    is_same=_is_same,
)


def _plain(writer: Writer, value: Any, depth: int) -> Any:
    """Encode the result of a `mean` or `sum` as a plain number, which SQL can read."""
    return writer.tree(value.item(), depth)


def _scalar(name: str) -> Encoder:
    def encode(writer: Writer, value: Any, depth: int) -> Any:
        if name in ("datetime64", "timedelta64"):
            unit, count = np.datetime_data(value.dtype)
            return {**tagged(f"numpy.{name}", int(value.view(np.int64))), "unit": f"{count}{unit}"}
        return tagged(f"numpy.{name}", writer.tree(value.item(), depth + 1))

    return encode


def _scalar_converter(name: str) -> InlineConverter:
    kind = np.dtype(name).type
    return InlineConverter(f"numpy.{name}", lambda fields: kind(fields["@value"]))


def _time_converter(name: str) -> InlineConverter:
    def read(fields: dict[str, Any]) -> Any:
        unit = fields["unit"]
        dtype = np.dtype(f"{name}[{unit}]" if unit != "1generic" else name)
        return np.int64(fields["@value"]).view(dtype)

    return InlineConverter(f"numpy.{name}", read)


READERS: dict[str, BlobConverter | InlineConverter] = {
    ARRAY.name: ARRAY,
    **{f"numpy.{name}": _scalar_converter(name) for name in NUMPY_SCALARS},
    **{f"numpy.{name}": _time_converter(name) for name in ("datetime64", "timedelta64")},
}
