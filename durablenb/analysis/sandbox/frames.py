"""Messages between the hub's process and the one that answers queries: a letter, a length, JSON."""

from __future__ import annotations

import struct
from typing import BinaryIO

READY = b"R"
"""The process is ready: it has done the last task."""

GREET = b"G"
"""Ask the process whether it is ready."""

LOAD = b"L"
"""Load a part into the copy."""

COMMIT = b"C"
"""Commit the loaded parts: the copy is complete."""

ASK = b"Q"
"""Answer a query."""

ANSWER = b"A"
"""The answer as JSON, as the server sends it."""

REFUSAL = b"E"
"""The error instead of an answer: its type and its text."""

LONGEST = 256 << 20
"""The largest size of a message in bytes."""

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
        If the pipe is closed, or the data is no message.
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
