"""Large values and their bytes, kept at hand for a while: what is handed around often is made once."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durablenb.model.errors import StoreError
from durablenb.model.payloads import Blob
from durablenb.values.refusal import Refusal, a

if TYPE_CHECKING:
    from durablenb.values.kinds import Cells, LargeKind

SHELF_BYTES = 256 * 1024 * 1024
"""What a shelf holds; the newest value stays even if it is larger."""

BLOB_LIMIT = 2 * 1024 * 1024 * 1024
"""Bytes that one large part of a value may have."""


class Book:
    """The bytes of one blob, and the value that was read from them, which nobody else has."""

    __slots__ = ("content", "lock", "size", "value")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.value: Any = None
        self.size = len(content)
        self.lock = threading.Lock()


class Shelf:
    """Blobs that were written or read lately, by hash; from any thread.

    Parameters
    ----------
    limit
        Bytes that it holds.
    """

    def __init__(self, limit: int = SHELF_BYTES) -> None:
        self._limit = limit
        self._books: OrderedDict[str, Book] = OrderedDict()
        self._size = 0
        self._seen: dict[int, tuple[weakref.ref[Any], str]] = {}
        self._lock = threading.RLock()  # reentrant: a collected value's callback may come at any time

    def blob_of(self, kind: LargeKind, value: Any, cells: Cells) -> Blob:
        """The blob of a value; of one that hasn't changed since it was last written or read, the same.

        Raises
        ------
        Refusal
            If it can't be kept.
        """
        known = self._unchanged(kind, value, cells)
        if known is not None:
            return known
        content = kind.write(value, cells)
        if len(content) > BLOB_LIMIT:
            raise Refusal(
                f"{a(type(value))} of {len(content):,} bytes, more than {BLOB_LIMIT:,}",
                "Write it to a file and hand on its path",
            )
        blob = Blob(hashlib.sha256(content).hexdigest(), kind.name, content)
        self._put(blob.hash, content)
        self._note(value, blob.hash)
        return blob

    def value_of(self, kind: LargeKind, blob_hash: str, content: Callable[[], bytes], cells: Cells) -> Any:
        """A value of the caller's own, read from the blob; `content` gives its bytes if they aren't here."""
        book = self._book(blob_hash) or self._put(blob_hash, content())
        value = kind.handed_out(self._read(kind, book, cells))
        self._note(value, blob_hash)
        return value

    def _read(self, kind: LargeKind, book: Book, cells: Cells) -> Any:
        with book.lock:  # of several threads that ask for it, one reads it
            if book.value is None:
                book.value = kind.read(book.content, cells)
                with self._lock:
                    self._size += kind.size(book.value)
                    book.size += kind.size(book.value)
                    self._make_room()
            return book.value

    def _unchanged(self, kind: LargeKind, value: Any, cells: Cells) -> Blob | None:
        reference, blob_hash = self._seen.get(id(value), (None, ""))
        if kind.is_same is None or reference is None or reference() is not value:
            return None
        try:
            book = self._book(blob_hash) or self._put(blob_hash, cells.fetched(blob_hash))
        except StoreError:  # it was purged, or is on its way to the disk
            return None
        if not kind.is_same(value, self._read(kind, book, cells)):
            return None
        return Blob(blob_hash, kind.name, book.content)

    def _note(self, value: Any, blob_hash: str) -> None:
        key = id(value)
        try:
            reference = weakref.ref(value, lambda gone: self._forget(key, gone))
        except TypeError:
            return
        self._seen[key] = (reference, blob_hash)

    def _forget(self, key: int, gone: weakref.ref[Any]) -> None:
        if self._seen.get(key, (None,))[0] is gone:
            del self._seen[key]

    def _book(self, blob_hash: str) -> Book | None:
        with self._lock:
            book = self._books.get(blob_hash)
            if book is not None:
                self._books.move_to_end(blob_hash)
            return book

    def _put(self, blob_hash: str, content: bytes) -> Book:
        with self._lock:
            book = self._books.get(blob_hash)
            if book is None:
                book = self._books[blob_hash] = Book(content)
                self._size += book.size
                self._make_room()
            return book

    def _make_room(self) -> None:
        while self._size > self._limit and len(self._books) > 1:
            _, oldest = self._books.popitem(last=False)
            self._size -= oldest.size
