"""NumPy: arrays as blobs in its own format, scalars in the text."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from durablenb.values.kinds import NUMPY_SCALARS, Cells, LargeKind, SmallKind
from durablenb.values.refusal import Refusal
from durablenb.values.writer import Encoder, Writer, tagged

_PLAIN = frozenset(
    {"bool", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
)
"""Scalars that are kept as Python's own numbers, which hold the same."""

_LARGEST_HEADER = 1 << 20
"""Characters that may describe an array's type: a table of many columns is long to describe."""


def find(kind: type[Any]) -> LargeKind | Encoder | None:
    """How values of one of NumPy's types are kept; None for what can't be: masked arrays, matrices."""
    if kind in (np.ndarray, np.memmap):
        return ARRAY
    if issubclass(kind, np.generic):
        name = np.dtype(kind).name
        if name in _PLAIN:
            return _plain
        return _scalar(name) if f"numpy.{name}" in READERS else None
    return None


def _write(array: Any, cells: Cells) -> bytes:
    if array.dtype.hasobject:
        raise Refusal(
            "a numpy.ndarray of objects",
            "Make it one of numbers or text (array.astype), or a list (array.tolist())",
        )
    buffer = io.BytesIO()
    try:
        np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
    except (ValueError, TypeError) as error:
        raise Refusal(
            f"a numpy.ndarray of {array.dtype} ({error})", "Make it one of numbers or text"
        ) from None
    return buffer.getvalue()


def _read(content: bytes, cells: Cells) -> Any:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False, max_header_size=_LARGEST_HEADER)


def _is_same(array: Any, kept: Any) -> bool:
    return (
        array.dtype == kept.dtype
        and array.shape == kept.shape
        and array.flags.f_contiguous == kept.flags.f_contiguous
        and array.flags.c_contiguous == kept.flags.c_contiguous
        and np.array_equal(bits(array), bits(kept))
    )


def bits(array: Any) -> Any:
    """The array's memory as numbers, which are equal where all its bits are: also of NaN and -0.0."""
    flat = array.reshape(-1, order="A")
    return flat.view(np.uint64 if flat.nbytes % 8 == 0 else np.uint8)


ARRAY = LargeKind(
    "numpy.ndarray",
    _write,
    _read,
    about=lambda array, content: {"shape": list(array.shape), "dtype": str(array.dtype)},
    handed_out=lambda array: array.copy(order="K"),
    size=lambda array: int(array.nbytes),
    is_same=_is_same,
)


def _plain(writer: Writer, value: Any, depth: int) -> Any:
    """What `mean`, `sum` and `max` give is a number like any other, for SQL as for people."""
    return writer.tree(value.item(), depth)


def _scalar(name: str) -> Encoder:
    def encode(writer: Writer, value: Any, depth: int) -> Any:
        if name in ("datetime64", "timedelta64"):
            unit, count = np.datetime_data(value.dtype)
            return {**tagged(f"numpy.{name}", int(value.view(np.int64))), "unit": f"{count}{unit}"}
        return tagged(f"numpy.{name}", writer.tree(value.item(), depth + 1))

    return encode


def _read_scalar(name: str) -> SmallKind:
    kind = np.dtype(name).type
    return SmallKind(f"numpy.{name}", lambda fields: kind(fields["@value"]))


def _read_moment(name: str) -> SmallKind:
    def read(fields: dict[str, Any]) -> Any:
        unit = fields["unit"]
        dtype = np.dtype(f"{name}[{unit}]" if unit != "1generic" else name)
        return np.int64(fields["@value"]).view(dtype)

    return SmallKind(f"numpy.{name}", read)


READERS: dict[str, LargeKind | SmallKind] = {
    ARRAY.name: ARRAY,
    **{f"numpy.{name}": _read_scalar(name) for name in NUMPY_SCALARS},
    **{f"numpy.{name}": _read_moment(name) for name in ("datetime64", "timedelta64")},
}
