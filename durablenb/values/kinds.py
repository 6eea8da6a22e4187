"""The types of libraries that can be kept: a closed set. What is large is kept as a blob beside the text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from durablenb.values.refusal import Refusal, a
from durablenb.values.writer import Encoder, Writer, refused


class Cells(Protocol):
    """How the Python objects inside a data frame become text and come back, and what is allowed."""

    allows_pickle: bool

    def fetched(self, blob_hash: str) -> bytes:
        """The bytes of a blob; raises `StoreError`."""
        ...

    def write(self, value: Any) -> str:
        """An object as text; raises `Refusal`."""
        ...

    def read(self, text: str) -> Any:
        """The object."""
        ...


class LargeKind(NamedTuple):
    """A type whose values are kept as blobs.

    Parameters
    ----------
    name
        Its tag.
    write, read
        Its bytes, and back.
    about
        What the text says of a value and its bytes, such as its shape.
    handed_out
        A value of the receiver's own, made of the one that is kept at hand.
    size
        Bytes that a value takes in memory.
    is_same
        Whether a value that may have been changed still equals the one that is kept at hand; None where
        that takes as long as writing it anew.
    """

    name: str
    write: Callable[[Any, Cells], bytes]
    read: Callable[[bytes, Cells], Any]
    about: Callable[[Any, bytes], dict[str, Any]]
    handed_out: Callable[[Any], Any]
    size: Callable[[Any], int]
    is_same: Callable[[Any, Any], bool] | None = None


class SmallKind(NamedTuple):
    """A type whose values are kept in the text; `read` gets all that stands under the tag."""

    name: str
    read: Callable[[dict[str, Any]], Any]


Finder = Callable[[type[Any]], "LargeKind | Encoder | None"]

_MODULES = {
    "numpy": "durablenb.values.arrays",
    "pandas": "durablenb.values.pandas_frames",
    "polars": "durablenb.values.tables",
    "pyarrow": "durablenb.values.tables",
    "matplotlib": "durablenb.values.pictures",
    "PIL": "durablenb.values.pictures",
    "picture": "durablenb.values.pictures",
    "pickle": "durablenb.values.pickles",
}
"""Where the types of each library are handled, and what durablenb puts in their place.

Each of these modules has a function `find` and a table `READERS`.
"""

NUMPY_SCALARS = ("float16", "float32", "complex64", "complex128", "str", "bytes")
"""NumPy's names of the scalar types that are read by their type's name alone."""

LIBRARY_TAGS = frozenset(
    {
        *("numpy.ndarray", "numpy.datetime64", "numpy.timedelta64"),
        *(f"numpy.{name}" for name in NUMPY_SCALARS),
        *("pandas.DataFrame", "pandas.Series", "pandas.Timestamp", "pandas.Timedelta", "pandas.Period"),
        *("pandas.Interval", "pandas.NaT", "pandas.NA", "polars.DataFrame", "polars.Series"),
        *("pyarrow.Table", "pyarrow.RecordBatch", "PIL.Image", "picture", "pickle"),
    }
)
"""All tags of libraries; nothing is imported for the sake of another one."""

_OWN = {"durablenb.values.pictures": "picture", "durablenb.values.pickles": "pickle"}


def encoder_of_library(kind: type[Any]) -> Encoder | None:
    """How values of a library's type are written, or None if it is of none of these libraries."""
    for base in kind.__mro__:
        library = _OWN.get(base.__module__) or base.__module__.partition(".")[0]
        if library in _MODULES and (library in sys.modules or base.__module__ in _OWN):
            found = import_module(_MODULES[library]).find(kind)
            return _as_blob(found) if isinstance(found, LargeKind) else found or refused(kind)
    return None


def is_library(name: str) -> bool:
    """Whether a tag is one of a library."""
    return name.partition(".")[0] in _MODULES


def reader_of(name: str) -> LargeKind | SmallKind | None:
    """What reads values with this tag, or None if it isn't one of the set."""
    if name not in LIBRARY_TAGS:
        return None
    module = import_module(_MODULES[name.partition(".")[0]])
    reader: LargeKind | SmallKind = module.READERS[name]
    return reader


def _as_blob(kind: LargeKind) -> Encoder:
    def encode(writer: Writer, value: Any, depth: int) -> Any:
        if writer.shelf is None:
            raise Refusal(f"{a(type(value))} inside a data frame", "Keep it beside the frame")
        blob = writer.shelf.blob_of(kind, value, writer.cells)
        writer.blobs[blob.hash] = blob
        return {
            "@type": kind.name,
            "@payload": blob.hash,
            **kind.about(value, blob.content),
            "bytes": len(blob.content),
        }

    return encode
