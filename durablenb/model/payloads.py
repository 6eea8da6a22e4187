"""Values as text: what may be kept in the journal, and how."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, NamedTuple, Protocol

from durablenb.model.errors import NotSerializableError
from durablenb.model.failures import FailureDetails

SIZE_LIMIT = 256 * 1024 * 1024
"""Characters that a value may have as JSON."""

DEPTH_LIMIT = 500
"""Levels of nesting that a value may have as JSON."""

REFERENCE = '"@payload"'
"""Stands in every text that refers to a blob."""

_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)

_REFERENCES = re.compile(r'"@payload": "([0-9a-f]{64})"')

Kind = Literal["input", "result", "event", "status", "state", "failure", "value", "log"]
"""What a value is to the journal."""


class Blob(NamedTuple):
    """A large part of a value: its SHA-256, what it is, and its bytes."""

    hash: str
    kind: str
    content: bytes


class Payload(str):
    """A text that refers to blobs, with those of them that the journal may not have yet."""

    __slots__ = ("blobs",)

    blobs: tuple[Blob, ...]

    def __new__(cls, text: str, blobs: tuple[Blob, ...]) -> Payload:
        """The text, with these blobs."""
        payload = super().__new__(cls, text)
        payload.blobs = blobs
        return payload

    def __reduce__(self) -> tuple[Any, ...]:
        return Payload, (str(self), self.blobs)


def blobs_of(text: str) -> tuple[Blob, ...]:
    """The blobs that travel with a text."""
    return text.blobs if type(text) is Payload else ()


def references(text: str) -> list[str]:
    """The hashes of the blobs that a text refers to, each once."""
    return list(dict.fromkeys(_REFERENCES.findall(text))) if REFERENCE in text else []


class Codec(Protocol):
    """How values become text and text becomes values; `decode(encode(x))` is what everybody gets."""

    def encode(self, value: object, kind: Kind = "value") -> str:
        """The value as text; raises `NotSerializableError`."""
        ...

    def decode(self, text: str, expected_type: Any = None) -> Any:
        """The value that the text stands for, rebuilt as that type where the text doesn't say its own."""
        ...

    def shown(self, text: str) -> Any:
        """The value for a status; never raises: what can't be rebuilt now is shown as JSON has it."""
        ...

    def failure(self, error: BaseException) -> FailureDetails:
        """What is kept of an exception."""
        ...

    def redact_log(self, message: str) -> str:
        """What is kept of a line of a log."""
        ...

    def with_blobs(self, text: str) -> str:
        """The text with all blobs that it refers to, ready to go to another process."""
        ...


def is_too_deep(text: str, levels: int = DEPTH_LIMIT) -> bool:
    """Whether JSON has more levels of nesting than a value may have, found without going into them."""
    if text.count("[") + text.count("{") <= levels:
        return False
    level = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in "[{":
            level += 1
            if level > levels:
                return True
        elif mark[0] in "]}":
            level -= 1
    return False


def plain_json(value: object) -> str:
    """A value as JSON for other services: no tags, no NaN.

    Raises
    ------
    NotSerializableError
        If JSON can't hold it.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializableError(f"The value can't be sent as JSON: {error}.") from None
