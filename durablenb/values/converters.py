"""Converters of libraries' types, such as pandas' and NumPy's: a closed set, loaded when needed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from itertools import islice
from typing import Any

from durablenb.values.converter_kinds import BlobConverter, InlineConverter
from durablenb.values.encode_error import EncodeError, describe_type
from durablenb.values.writer import Encoder, Writer, refusing_encoder

_MOST_COLUMNS = 12
_LONGEST_COLUMN = 40


def named_columns(labels: Iterable[Any]) -> dict[str, list[str]]:
    """Return the entry of a table's text with the names of its first columns, for display."""
    names = [str(label)[:_LONGEST_COLUMN] for label in islice(labels, _MOST_COLUMNS)]
    return {"columns": names} if names else {}


_MODULES = {
    "numpy": "durablenb.values.numpy_arrays",
    "pandas": "durablenb.values.pandas_frames",
    "polars": "durablenb.values.arrow_tables",
    "pyarrow": "durablenb.values.arrow_tables",
    "scipy": "durablenb.values.sparse_arrays",
    "matplotlib": "durablenb.values.pictures",
    "PIL": "durablenb.values.pictures",
    "picture": "durablenb.values.pictures",
    "pickle": "durablenb.values.pickles",
}
"""The module with the converters of each library, and of durablenb's own types.

Each has a function `find`, which gives the converter or the encoder of a type, and a table `READERS`.
"""

NUMPY_SCALARS = ("float16", "float32", "complex64", "complex128", "str", "bytes")
"""NumPy's scalar types that are decoded by their type's name alone."""

LIBRARY_TAGS = frozenset(
    {
        *("numpy.ndarray", "numpy.datetime64", "numpy.timedelta64"),
        *(f"numpy.{name}" for name in NUMPY_SCALARS),
        *(
            "pandas.DataFrame",
            "pandas.Series",
            "pandas.Index",
            "pandas.Timestamp",
            "pandas.Timedelta",
            "pandas.Period",
        ),
        *("pandas.Interval", "pandas.NaT", "pandas.NA", "polars.DataFrame", "polars.Series"),
        *("pyarrow.Table", "pyarrow.RecordBatch", "scipy.sparse", "PIL.Image", "picture", "pickle"),
    }
)
"""All tags of libraries; no other tag makes durablenb import anything."""

_OWN = {"durablenb.values.pictures": "picture", "durablenb.values.pickles": "pickle"}


def library_encoder(kind: type[Any]) -> Encoder | None:
    """Return the encoder of a library's type, or None if the type is of none of these libraries."""
    for base in kind.__mro__:
        library = _OWN.get(base.__module__) or base.__module__.partition(".")[0]
        if library in _MODULES and (library in sys.modules or base.__module__ in _OWN):
            converter = import_module(_MODULES[library]).find(kind)
            if isinstance(converter, BlobConverter):
                return _blob_encoder(converter)
            return converter or refusing_encoder(kind)
    return None


def is_library_tag(name: str) -> bool:
    """Tell whether a name is reserved for a library's tags."""
    return name.partition(".")[0] in _MODULES


def library_converter(name: str) -> BlobConverter | InlineConverter | None:
    """Return the converter for a tag, or None if the tag isn't one of the set."""
    if name not in LIBRARY_TAGS:
        return None
    module = import_module(_MODULES[name.partition(".")[0]])
    converter: BlobConverter | InlineConverter = module.READERS[name]
    return converter


def _blob_encoder(converter: BlobConverter) -> Encoder:
    def encode(writer: Writer, value: Any, depth: int) -> Any:
        if writer.blob_cache is None:
            raise EncodeError(f"{describe_type(type(value))} inside a data frame", "Keep it beside the frame")
        blob = writer.blob_cache.blob_for(converter, value, writer.cells)
        writer.blobs[blob.hash] = blob
        return {
            "@type": converter.name,
            "@payload": blob.hash,
            **converter.describe(value, blob.content),
            "bytes": len(blob.content),
        }

    return encode
