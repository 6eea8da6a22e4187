"""Messages between the hub's process and the one that answers queries: a letter, a length, JSON."""

from __future__ import annotations

import struct
from typing import BinaryIO

READY = b"R"
"""The process is ready; it has done what it was told."""

GREET = b"G"
"""Answer that the process is ready."""

LOAD = b"L"
"""Take a piece into the copy."""

COMMIT = b"C"
"""The copy is whole."""

ASK = b"Q"
"""Answer a query."""

ANSWER = b"A"
"""The answer, as the server sends it."""

REFUSAL = b"E"
"""Why there is none: the error's type and its text."""

LONGEST = 256 << 20
"""Bytes that a message may have."""

_HEAD = struct.Struct(">cQ")


def send(pipe: BinaryIO, kind: bytes, body: bytes = b"") -> None:
    """Send a message."""
    pipe.write(_HEAD.pack(kind, len(body)) + body)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[bytes, bytes]:
    """Return the next message.

    Raises
    ------
    EOFError
        If there is none any more, or it is none.
    """
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError("The other process has ended.")
    kind, size = _HEAD.unpack(head)
    if size > LONGEST:
        raise EOFError(f"The other process sends {size:,} bytes.")
    body = pipe.read(size)
    if len(body) < size:
        raise EOFError("The other process has ended.")
    return kind, body
