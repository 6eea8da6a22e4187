"""Payloads: values as text with blobs beside it, as the journal keeps them, and their limits."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from typing import Any, Literal, NamedTuple, Protocol

from durablenb.model.errors import NotSerializableError
from durablenb.model.failures import FailureDetails

SIZE_LIMIT = 256 * 1024 * 1024
"""The maximal length of a value's JSON, in characters."""

DEPTH_LIMIT = 500
"""The maximal depth of a value's JSON."""

REFERENCE = '"@payload"'
"""A part of every text that refers to a blob."""

_ENCLOSING = " "
"""The first character of a text with blobs in it: no text of a codec begins with it."""

_MARKS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)

LEFT_OUT_TAG = "left out"
LEFT_OUT = f'{{"@type": "{LEFT_OUT_TAG}", "@value": null}}'
"""The text in place of a value that a saved page doesn't have; decoding it raises an error that says so."""

_REFERENCES = re.compile(r'"@payload": "([0-9a-f]{64})"(?!, "@at": )')

_FILE_REFERENCES = re.compile(r'"@payload": "([0-9a-f]{64})", "@at": ("(?:[^"\\]|\\.)*")')

Kind = Literal["input", "result", "event", "status", "state", "failure", "value", "log", "checkpoint"]
"""The role of a value in the journal."""


class Blob(NamedTuple):
    """A large part of a value: its SHA-256, its type's tag, and its bytes."""

    hash: str
    kind: str
    content: bytes


class Payload(str):
    """A text that refers to blobs, together with the blobs that the journal may not have yet."""

    __slots__ = ("blobs",)

    blobs: tuple[Blob, ...]

    def __new__(cls, text: str, blobs: tuple[Blob, ...]) -> Payload:
        """Return the text, with these blobs."""
        payload = super().__new__(cls, text)
        payload.blobs = blobs
        return payload

    def __reduce__(self) -> tuple[Any, ...]:
        return Payload, (str(self), self.blobs)


def carried_blobs(text: str) -> tuple[Blob, ...]:
    """Return the blobs that a text carries."""
    return text.blobs if type(text) is Payload else ()


def enclosed(text: str) -> str:
    """Return a text that has in it the blobs that it carries, as base64; without blobs, the text itself."""
    blobs = carried_blobs(text)
    if not blobs:
        return str(text)
    contents = [[blob.hash, blob.kind, b64encode(blob.content).decode()] for blob in blobs]
    return _ENCLOSING + json.dumps({"text": str(text), "blobs": contents})


def disclosed(text: str) -> str:
    """Return the text that was given to `enclosed`, carrying the same blobs."""
    if not text.startswith(_ENCLOSING):
        return text
    fields = json.loads(text)
    blobs = [Blob(blob_hash, kind, b64decode(content)) for blob_hash, kind, content in fields["blobs"]]
    return Payload(fields["text"], tuple(blobs))


def references(text: str) -> list[str]:
    """Return the hashes of the blobs of the journal that a text refers to, each once."""
    return list(dict.fromkeys(_REFERENCES.findall(text))) if REFERENCE in text else []


def file_references(text: str) -> list[str]:
    """Return the files to which a text refers, as folder, ``#`` and hash, each once."""
    if REFERENCE not in text:
        return []
    found = _FILE_REFERENCES.findall(text)
    return list(dict.fromkeys(f"{json.loads(folder)}#{blob_hash}" for blob_hash, folder in found))


class Codec(Protocol):
    """Encodes values as text and decodes them; receivers always get `decode(encode(x))`."""

    def encode(self, value: object, kind: Kind = "value") -> str:
        """Return a value as text; raises `NotSerializableError`."""
        ...

    def decode(self, text: str, expected_type: Any = None) -> Any:
        """Return the value of a text, rebuilt as a type if the text has no type of its own."""
        ...

    def shown(self, text: str) -> Any:
        """Return the value for display in a status, or its plain JSON if it can't be decoded now."""
        ...

    def failure(self, error: BaseException) -> FailureDetails:
        """Return the details of an exception, redacted."""
        ...

    def redact_log(self, message: str) -> str:
        """Return the redacted text of a log line."""
        ...

    def with_blobs(self, text: str) -> str:
        """Return a text together with all blobs that it refers to, for another process."""
        ...

    def fetch_blob(self, blob_hash: str) -> bytes:
        """Return the bytes of a blob; raises `StoreError`."""
        ...


def is_too_deep(text: str, levels: int = DEPTH_LIMIT) -> bool:
    """Tell whether JSON text exceeds a depth, without parsing it."""
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
    """Return a value as JSON for other services: without tags and NaN.

    Raises
    ------
    NotSerializableError
        If JSON can't represent the value.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSerializableError(f"The value can't be sent as JSON: {error}.") from None
