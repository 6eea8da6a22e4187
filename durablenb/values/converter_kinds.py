"""The kinds of converters: into blobs, or in the text itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class CellCodec(Protocol):
    """Encodes and decodes the Python objects in the cells of a data frame, and says if pickle is allowed."""

    allows_pickle: bool

    def fetch_blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob; raises `StoreError`."""
        ...

    def write(self, value: Any) -> str:
        """Return an object as text; raises `EncodeError`."""
        ...

    def read(self, text: str) -> Any:
        """Return the object that a text encodes."""
        ...


class BlobConverter(NamedTuple):
    """Converts values of one type into blobs, and back.

    Parameters
    ----------
    name
        The type's tag.
    write, read
        Encode a value as bytes; decode it.
    describe
        Gives entries for the text beside the blob, such as the shape, from a value and its bytes.
    copy
        Makes the receiver's own value from the cached one.
    size
        Gives the bytes that a value takes in memory.
    is_same
        Tells whether a value that may have been changed still equals the cached one; None where that
        takes as long as encoding the value again.
    """

    name: str
    write: Callable[[Any, CellCodec], bytes]
    read: Callable[[bytes, CellCodec], Any]
    describe: Callable[[Any, bytes], dict[str, Any]]
    copy: Callable[[Any], Any]
    size: Callable[[Any], int]
    is_same: Callable[[Any, Any], bool] | None = None


class InlineConverter(NamedTuple):
    """Decodes values that are kept in the text itself; `read` gets all fields beside the tag."""

    name: str
    read: Callable[[dict[str, Any]], Any]
