"""The format of the durable log: a header, then frames, each with one entry of the journal.

    0      the header, in turns in one of two slots of 4,096 bytes; the one with the higher generation counts
    8,192  the frames of the current generation; after the last one come zeros, frames of an older generation,
           or a frame that was cut off

All numbers are little-endian. A header has a magic number, the version of the format, the id of the hub,
the generation, the number and the checksum of the last frame before this generation, and its own CRC-32. A
frame has a magic number, the generation, its number, the length of its content, the checksum of the previous
frame, its own CRC-32, and the content. Numbers count all frames of a hub. The content is the length of a JSON
text (4 bytes), the text, and the bytes of blobs: see `durablenb.store.entries`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from mmap import mmap
from typing import NamedTuple
from uuid import UUID
from zlib import crc32

VERSION = 1
"""Version of the format; a log of a newer version is refused."""

SLOT_BYTES = 4_096
FRAMES_AT = 2 * SLOT_BYTES
"""Where the first frame is."""

_MAGIC = b"durablenb log\n\0\0"
_HEADER = struct.Struct("<16sI16sQQI")
_FRAME_MAGIC = b"\xd7FRM"
_FRAME = struct.Struct("<4sIQQI")
_CHECKSUM = struct.Struct("<I")
FRAME_BYTES = _FRAME.size + _CHECKSUM.size
"""Bytes of a frame before its content."""


class Position(NamedTuple):
    """A place between two frames: the number and the checksum of the last frame before it."""

    number: int = 0
    checksum: int = 0


class Header(NamedTuple):
    """The header of a log: whose it is, and after which frame its generation begins."""

    hub: UUID
    generation: int
    start: Position
    version: int = VERSION

    def slot(self) -> int:
        """Return where this header is written: not over the one before."""
        return self.generation % 2 * SLOT_BYTES

    def encoded(self) -> bytes:
        """Return the bytes of the header."""
        content = _HEADER.pack(_MAGIC, self.version, self.hub.bytes, self.generation, *self.start)
        return (content + _CHECKSUM.pack(crc32(content))).ljust(SLOT_BYTES, b"\0")


class Frame(NamedTuple):
    """A frame: its number and checksum, where it ends, and its content."""

    position: Position
    end: int
    content: bytes


class Damage(NamedTuple):
    """A frame that can't be read, before one that can: `lost` frames at least."""

    offset: int
    lost: int


def read_header(content: mmap) -> Header | None:
    """Return the header that counts; None if there is none."""
    found = [_read_slot(content[at : at + SLOT_BYTES]) for at in (0, SLOT_BYTES)]
    return max(filter(None, found), key=lambda header: header.generation, default=None)


def _read_slot(content: bytes) -> Header | None:
    if not content.startswith(_MAGIC) or len(content) < _HEADER.size + _CHECKSUM.size:
        return None
    (checksum,) = _CHECKSUM.unpack_from(content, _HEADER.size)
    if crc32(content[: _HEADER.size]) != checksum:
        return None
    _, version, hub, generation, number, last = _HEADER.unpack_from(content)
    return Header(UUID(bytes=hub), generation, Position(number, last), version)


def encode_frame(generation: int, after: Position, parts: Sequence[bytes]) -> tuple[Position, list[bytes]]:
    """Return the position after a frame with this content, and the parts of its bytes."""
    number = after.number + 1
    head = _FRAME.pack(_FRAME_MAGIC, generation, number, sum(map(len, parts)), after.checksum)
    checksum = crc32(head)
    for part in parts:
        checksum = crc32(part, checksum)
    return Position(number, checksum), [head, _CHECKSUM.pack(checksum), *parts]


def read_frames(content: mmap, header: Header) -> Iterator[Frame | Damage]:
    """Yield the frames in order; last a `Damage` if a whole frame follows one that can't be read."""
    offset, position = FRAMES_AT, header.start
    while True:
        frame = _read_frame(content, offset, header.generation)
        if frame is None or not _follows(content, offset, frame.position, position):
            damage = _damage(content, offset, header.generation, position.number)
            if damage is not None:
                yield damage
            return
        yield frame
        offset, position = frame.end, frame.position


def _follows(content: mmap, offset: int, position: Position, previous: Position) -> bool:
    checksum = _FRAME.unpack_from(content, offset)[4]
    return position.number == previous.number + 1 and checksum == previous.checksum


def _read_frame(content: mmap, offset: int, generation: int) -> Frame | None:
    """Return the frame at this place if it is whole and of the generation."""
    start = offset + FRAME_BYTES
    if start > len(content):
        return None
    magic, found, number, length, _ = _FRAME.unpack_from(content, offset)
    end = start + length
    if magic != _FRAME_MAGIC or found != generation or end > len(content):
        return None
    (checksum,) = _CHECKSUM.unpack_from(content, offset + _FRAME.size)
    inside = content[start:end]
    if crc32(inside, crc32(content[offset : offset + _FRAME.size])) != checksum:
        return None
    return Frame(Position(number, checksum), end, inside)


def _damage(content: mmap, offset: int, generation: int, last: int) -> Damage | None:
    """Return the damage at this place; None if no later frame is whole, so that the log ends here."""
    mark = _FRAME_MAGIC + generation.to_bytes(4, "little")
    at = content.find(mark, offset + 1)
    while at >= 0:
        frame = _read_frame(content, at, generation)
        if frame is not None and frame.position.number > last + 1:
            return Damage(offset, frame.position.number - last - 1)
        at = content.find(mark, at + 1)
    return None
