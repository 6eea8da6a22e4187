"""The blocks of a DuckDB file: those with a wrong checksum, and those that a power cut can tear.

A checkpoint writes new blocks where nothing was, syncs, and then points the file's header at them. Only
the blocks of metadata are written in place: they are 64 slots each, and new metadata goes into free ones of
the same block. The power cut in that write leaves some sectors of the new block and some of the old one. All
that the header points at is the same in both; only the block's one checksum fits neither.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from itertools import repeat
from operator import mul, xor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import duckdb

_KNOWS_LAYOUT = duckdb.__version__.startswith("2.0.")  # a later layout may differ

_HEADERS = (4096, 8192)
_BLOCKS_START = 12288
_SLOTS = 64
_NOWHERE = (1 << 64) - 1
_SIZES = frozenset(1 << power for power in range(14, 19))


class _Header(NamedTuple):
    iteration: int
    metadata: int
    free_list: int
    block_count: int
    block_size: int


def bad_blocks(path: Path) -> list[int]:
    """Return the blocks with a wrong checksum; call it only while no connection is open."""
    with path.open("rb") as file:
        header = _header(file)
        if header is None:
            return []
        count = (file.seek(0, os.SEEK_END) - _BLOCKS_START) // header.block_size
        return _bad(file, header, range(count))  # unused blocks as well


def torn_blocks(path: Path) -> list[int]:
    """Return the blocks of metadata with a wrong checksum; call it only while no connection is open."""
    with path.open("rb") as file:
        header = _header(file)
        return [] if header is None else _bad(file, header, _metadata_blocks(file, header))


def metadata_blocks(path: Path) -> list[int]:
    """Return the blocks that hold metadata; none if the layout isn't known."""
    with path.open("rb") as file:
        header = _header(file)
        return [] if header is None else _metadata_blocks(file, header)


def seal(path: Path, blocks: Iterable[int]) -> dict[int, bytes]:
    """Give each block the checksum of its content; return the old checksums."""
    with path.open("rb") as file:
        header = _header(file)
        assert header is not None
        found = {block: _read(file, header, block) for block in blocks}
    write_checksums(path, {block: _checksum(content) for block, content in found.items()})
    return {block: content[:8] for block, content in found.items()}


def write_checksums(path: Path, checksums: Mapping[int, bytes]) -> None:
    """Write the checksums of these blocks, and wait until they are on disk."""
    with path.open("rb+") as file:
        header = _header(file)
        assert header is not None
        for block, checksum in checksums.items():
            file.seek(_BLOCKS_START + block * header.block_size)
            file.write(checksum)
        file.flush()
        os.fsync(file.fileno())


def _header(file: BinaryIO) -> _Header | None:
    """Return the newer of the two headers; None if neither is sound, or the layout isn't known here."""
    found = []
    for offset in _HEADERS:
        file.seek(offset)
        content = file.read(4096)
        if len(content) == 4096 and content[:8] == _checksum(content):
            found.append(_Header(*struct.unpack_from("<5Q", content, 8)))
    header = max(found, default=None)
    return header if header is not None and header.block_size in _SIZES else None


def _bad(file: BinaryIO, header: _Header, blocks: Iterable[int]) -> list[int]:
    contents = ((block, _read(file, header, block)) for block in blocks)
    return [
        block
        for block, content in contents
        if len(content) == header.block_size and content[:8] != _checksum(content)
    ]


def _read(file: BinaryIO, header: _Header, block: int) -> bytes:
    file.seek(_BLOCKS_START + block * header.block_size)
    return file.read(header.block_size)


def _checksum(block: bytes) -> bytes:
    words = array("Q", block)
    products = map(mul, words[1:], repeat(0xBF58476D1CE4E5B9))
    return (reduce(xor, products, 5381) & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")


def _metadata_blocks(file: BinaryIO, header: _Header) -> list[int]:
    if not _KNOWS_LAYOUT:
        return []
    try:
        found = _listed(b"".join(_slots(file, header)))
    except (struct.error, ValueError):
        return []
    return found if all(block < header.block_count for block in found) else []


def _listed(content: bytes) -> list[int]:
    """Return the blocks of metadata from what the header calls its free list."""
    (free,) = struct.unpack_from("<Q", content)
    offset = 8 + 8 * free
    (shared,) = struct.unpack_from("<Q", content, offset)
    offset += 8 + 12 * shared
    (count,) = struct.unpack_from("<Q", content, offset)
    return [
        struct.unpack_from("<Q", content, offset + 8 + 16 * n)[0] for n in range(min(count, len(content)))
    ]


def _slots(file: BinaryIO, header: _Header) -> Iterator[bytes]:
    """Yield the contents of a chain of slots, each of which points to the next."""
    size = (header.block_size - 8) // _SLOTS & ~7
    following = header.free_list
    for _ in range(_SLOTS * header.block_count):
        if following == _NOWHERE:
            return
        block, slot = following & (1 << 56) - 1, following >> 56
        if block >= header.block_count or slot >= _SLOTS:
            break
        content = _read(file, header, block)[8 + slot * size :][:size]
        (following,) = struct.unpack_from("<Q", content)
        yield content[8:]
    raise ValueError("no end of the chain")
