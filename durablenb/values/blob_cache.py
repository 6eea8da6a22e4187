"""A cache of large values and their bytes, so that a value that is passed on often is encoded once."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from durablenb.model.errors import StoreError
from durablenb.model.payloads import Blob
from durablenb.values.encode_error import EncodeError, describe_type

if TYPE_CHECKING:
    from durablenb.values.converter_kinds import BlobConverter, CellCodec

CACHE_BYTES = 256 * 1024 * 1024
"""Default capacity of a cache; the newest blob stays even if it is larger."""

BLOB_LIMIT = 2 * 1024 * 1024 * 1024
"""Bytes that one large part of a value may have."""


class CachedBlob:
    """The bytes of one blob, and the value decoded from them, which is never handed out itself."""

    __slots__ = ("content", "lock", "size", "value")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.value: Any = None
        self.size = len(content)
        self.lock = threading.Lock()


class BlobCache:
    """Recently used blobs by hash, with least-recently-used eviction; safe from any thread.

    Parameters
    ----------
    limit
        Capacity in bytes.
    """

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._blobs: OrderedDict[str, CachedBlob] = OrderedDict()
        self._size = 0
        self._hashes: dict[int, tuple[weakref.ref[Any], str]] = {}  # of values in use, by id
        self._lock = threading.RLock()  # reentrant: what is evicted may have a finalizer that comes back here

    def blob_for(self, converter: BlobConverter, value: Any, cells: CellCodec) -> Blob:
        """Return a value's blob: the previous one if the value hasn't changed since it was used last.

        Raises
        ------
        EncodeError
            If the value can't be kept.
        """
        unchanged = self._unchanged(converter, value, cells)
        if unchanged is not None:
            return unchanged
        content = converter.write(value, cells)
        if len(content) > BLOB_LIMIT:
            raise EncodeError(
                f"{describe_type(type(value))} of {len(content):,} bytes, more than {BLOB_LIMIT:,}",
                "Write it to a file and pass its path",
            )
        blob = Blob(hashlib.sha256(content).hexdigest(), converter.name, content)
        self._put(blob.hash, content)
        self._remember(value, blob.hash)
        return blob

    def value_for(
        self, converter: BlobConverter, blob_hash: str, fetch: Callable[[], bytes], cells: CellCodec
    ) -> Any:
        """Return a copy of a blob's value for the caller; `fetch` is called for bytes that aren't cached."""
        cached = self._get(blob_hash) or self._put(blob_hash, fetch())
        value = converter.copy(self._decoded(converter, cached, cells))
        self._remember(value, blob_hash)
        return value

    def _decoded(self, converter: BlobConverter, cached: CachedBlob, cells: CellCodec) -> Any:
        with cached.lock:  # of several threads that need the value, one decodes it
            if cached.value is None:
                cached.value = converter.read(cached.content, cells)
                with self._lock:
                    self._size += converter.size(cached.value)
                    cached.size += converter.size(cached.value)
                    self._evict()
            return cached.value

    def _unchanged(self, converter: BlobConverter, value: Any, cells: CellCodec) -> Blob | None:
        reference, blob_hash = self._hashes.get(id(value), (None, ""))
        if converter.is_same is None or reference is None or reference() is not value:
            return None
        try:
            cached = self._get(blob_hash) or self._put(blob_hash, cells.fetch_blob(blob_hash))
        except StoreError:  # it was purged, or isn't committed yet
            return None
        if not converter.is_same(value, self._decoded(converter, cached, cells)):
            return None
        return Blob(blob_hash, converter.name, cached.content)

    def _remember(self, value: Any, blob_hash: str) -> None:
        # The callback is no Python code: an interrupt that is raised in such code is lost.
        forget = partial(self._hashes.pop, id(value))
        with contextlib.suppress(TypeError):  # a value of its type has no weak references
            self._hashes[id(value)] = (weakref.ref(value, forget), blob_hash)

    def _get(self, blob_hash: str) -> CachedBlob | None:
        with self._lock:
            cached = self._blobs.get(blob_hash)
            if cached is not None:
                self._blobs.move_to_end(blob_hash)
            return cached

    def _put(self, blob_hash: str, content: bytes) -> CachedBlob:
        with self._lock:
            cached = self._blobs.get(blob_hash)
            if cached is None:
                cached = self._blobs[blob_hash] = CachedBlob(content)
                self._size += cached.size
                self._evict()
            return cached

    def _evict(self) -> None:
        while self._size > self._limit and len(self._blobs) > 1:
            _, oldest = self._blobs.popitem(last=False)
            self._size -= oldest.size
