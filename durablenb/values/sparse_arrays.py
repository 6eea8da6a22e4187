"""SciPy's converter: sparse arrays and matrices become blobs of a header and their parts, as npy."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import scipy.sparse

from durablenb.values.converter_kinds import BlobConverter, CellCodec, InlineConverter
from durablenb.values.numpy_arrays import bits

_PARTS = {
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "coords"),
    "csc": ("data", "indices", "indptr"),
    "csr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
    "dok": (),
    "lil": (),
}
"""The arrays of each format; a format without any is kept as ``coo``."""

_KINDS: dict[str, type[Any]] = {
    f"{form}_{shape}": getattr(scipy.sparse, f"{form}_{shape}")
    for form in _PARTS
    for shape in ("array", "matrix")
}


def find(kind: type[Any]) -> BlobConverter | None:
    """Return the converter of a sparse type; None for SciPy's other types."""
    return SPARSE if _KINDS.get(kind.__name__) is kind else None


def _parts(value: Any) -> list[Any]:
    kept = value if _PARTS[value.format] else value.tocoo()
    return [np.asarray(getattr(kept, name)) for name in _PARTS[kept.format]]


def _write(value: Any, cells: CellCodec) -> bytes:
    header = {"kind": type(value).__name__, "shape": list(map(int, value.shape)), "dtype": value.dtype.str}
    buffer = io.BytesIO()
    for part in (np.frombuffer(json.dumps(header).encode(), np.uint8), *_parts(value)):
        np.lib.format.write_array(buffer, np.ascontiguousarray(part), allow_pickle=False)
    return buffer.getvalue()


def _read(content: bytes, cells: CellCodec) -> Any:
    buffer = io.BytesIO(content)
    header = json.loads(bytes(np.lib.format.read_array(buffer, allow_pickle=False)))
    kind, shape = _KINDS[header["kind"]], tuple(header["shape"])
    form = header["kind"].partition("_")[0]
    count = len(_PARTS[form] or _PARTS["coo"])
    data, *places = (np.lib.format.read_array(buffer, allow_pickle=False) for _ in range(count))
    if form in ("bsr", "csc", "csr"):
        return kind((data, *places), shape=shape)
    if form == "dia":
        return kind((data, places[0]), shape=shape)
    coo = scipy.sparse.coo_array((data, tuple(places[0])), shape=shape, dtype=np.dtype(header["dtype"]))
    return kind(coo)


def _is_same(value: Any, cached: Any) -> bool:
    """Tell whether two values are equal part by part; the formats dok and lil count as changed."""
    return (
        type(value) is type(cached)
        and bool(_PARTS[value.format])
        and value.shape == cached.shape
        and all(
            part.dtype == other.dtype
            and part.shape == other.shape
            and np.array_equal(bits(part), bits(other))
            for part, other in zip(_parts(value), _parts(cached), strict=True)
        )
    )


SPARSE = BlobConverter(
    "scipy.sparse",
    _write,
    _read,
    describe=lambda value, content: {
        "kind": type(value).__name__,
        "shape": list(map(int, value.shape)),
        "dtype": str(value.dtype),
        "stored": int(value.nnz),
    },
    copy=lambda value: value.copy(),
    size=lambda value: sum(part.nbytes for part in _parts(value)),
    is_same=_is_same,
)

READERS: dict[str, BlobConverter | InlineConverter] = {SPARSE.name: SPARSE}
