"""Rich outputs: what activities and orchestrators display, by MIME type."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from durablenb.model.payloads import Blob

TEXT_CHARACTERS = 10_000
"""Characters up to which a text is kept in its row; longer ones are blobs, as pictures are."""

WIDGET = "application/vnd.jupyter.widget-view+json"
"""The MIME type of a widget, which is nothing without its kernel."""

_BINARY = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")

Content = str | bytes


class Shown(NamedTuple):
    """An output, or its new state, as it left the user's code. Without contents, it was cleared.

    Parameters
    ----------
    output_id
        Tells it from the other outputs of its execution.
    contents
        Its representations: a MIME type, the content, and metadata as JSON, or None.
    """

    output_id: str
    contents: tuple[tuple[str, Content, str | None], ...] = ()

    @property
    def size(self) -> int:
        """The number of bytes of all contents."""
        return sum(byte_count(content) for _, content, _ in self.contents)


class OutputPart(NamedTuple):
    """One representation of an output: its text, or the hash of its content.

    Parameters
    ----------
    mime_type
        The MIME type.
    size
        Bytes.
    text
        The content, if it is a text of up to 10,000 characters.
    hash
        The hash of the blob that has the content, otherwise.
    metadata
        JSON, or None.
    """

    mime_type: str
    size: int
    text: str | None = None
    hash: str | None = None
    metadata: str | None = None


class OutputState(NamedTuple):
    """The last state of an output, as the journal has it.

    Parameters
    ----------
    instance_id, execution_id, task_id, name, attempt
        The call that displayed it, as in a `LogLine`.
    timestamp
        When this state was displayed, aware, UTC, by the hub's clock.
    output_id
        Tells it from the other outputs of its execution.
    parts
        Its representations. Without any, it was cleared.
    """

    instance_id: str
    execution_id: str
    task_id: int | None
    name: str
    attempt: int
    timestamp: datetime
    output_id: str
    parts: tuple[OutputPart, ...]

    @property
    def key(self) -> tuple[str, str]:
        """The execution and the output: a later state with the same key replaces this one."""
        return self.execution_id, self.output_id

    @property
    def author(self) -> str:
        """The author: ``fetch #3`` for an activity's call, the bare name for an orchestrator."""
        return self.name if self.task_id is None else f"{self.name} #{self.task_id}"


def is_json(mime_type: str) -> bool:
    """Return True if a MIME type's content is a JSON value."""
    return mime_type == "application/json" or mime_type.endswith("+json")


def byte_count(content: Content) -> int:
    """Return the number of bytes of a content, in UTF-8."""
    return len(content) if isinstance(content, bytes) else len(content.encode("utf-8", "replace"))


def bundle_contents(
    data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None
) -> tuple[tuple[str, Content, str | None], ...]:
    """Return a MIME bundle, as a display publisher gets it, as contents of a `Shown`."""
    contents = []
    for mime_type, value in data.items():
        content = _content(str(mime_type), value)
        if content is not None:
            about = (metadata or {}).get(mime_type)
            contents.append((str(mime_type), content, _json(about) if about else None))
    return tuple(contents)


def display_value(mime_type: str, content: Content) -> Any:
    """Return a content as a display function takes it: JSON as a value, pictures as bytes, other as text."""
    if not is_json(mime_type):
        return content
    try:
        return json.loads(content)
    except ValueError:
        return content


def decoded(mime_type: str, content: bytes) -> Content:
    """Return the content of a blob."""
    return content if mime_type in _BINARY else content.decode("utf-8", "replace")


def stored_part(mime_type: str, content: Content, metadata: str | None) -> tuple[OutputPart, Blob | None]:
    """Return a content as a part, and as the blob that it refers to, if it is long."""
    if isinstance(content, str) and len(content) <= TEXT_CHARACTERS:
        return OutputPart(mime_type, byte_count(content), content, None, metadata), None
    raw = content if isinstance(content, bytes) else content.encode()
    blob = Blob(sha256(raw).hexdigest(), mime_type, raw)
    return OutputPart(mime_type, len(raw), None, blob.hash, metadata), blob


def _content(mime_type: str, value: Any) -> Content | None:
    if is_json(mime_type) and not isinstance(value, (str, bytes)):
        return _json(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return decoded(mime_type, bytes(value))
    if not isinstance(value, str):
        return None if value is None else str(value)
    if mime_type in _BINARY:
        try:
            return base64.b64decode(value)
        except (binascii.Error, ValueError):
            return None
    return value


def _json(value: Any) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return None
