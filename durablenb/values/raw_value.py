"""A value that is passed on without being decoded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from durablenb.model.payloads import DEPTH_LIMIT, carried_blobs, is_too_deep

if TYPE_CHECKING:
    from durablenb.values.codec import ValueCodec
    from durablenb.values.writer import Writer


class RawValue:
    """A value that is passed on undecoded; request one with ``expected_type=RawValue``.

    An orchestrator that only passes a data frame on need not load it, nor does its replay. An activity that
    gets a raw value as its input gets the value itself.

    Examples
    --------
    >>> import durablenb as df
    >>> with df.TaskHub(":memory:", mode="kernel") as hub:
    ...     @hub.activity
    ...     def load():
    ...         return {"large": [1, 2, 3]}
    ...     @hub.activity
    ...     def count(value):
    ...         return len(value["large"])
    ...     @hub.orchestrator
    ...     def relay(context):
    ...         loaded = yield context.call_activity(load, expected_type=df.RawValue)
    ...         return (yield context.call_activity(count, loaded))
    ...     hub.run(relay)
    3
    """

    __slots__ = ("__weakref__", "_codec", "_text")

    def __init__(self, codec: ValueCodec, text: str) -> None:
        self._codec = codec
        self._text = text

    @property
    def value(self) -> Any:
        """The value; each access decodes it again."""
        return self._codec.decode(self._text)

    def __repr__(self) -> str:
        return f"<RawValue, {len(self._text):,} characters>"


def encode_raw_value(writer: Writer, value: RawValue, depth: int) -> Any:
    """Return the tree that the value was kept as."""
    from durablenb.values.writer import too_deep

    text = value._text if value._codec is writer.cells else value._codec.with_blobs(value._text)
    if depth and is_too_deep(text, DEPTH_LIMIT - depth):
        raise too_deep()
    writer.blobs.update((blob.hash, blob) for blob in carried_blobs(text))
    return json.loads(text)
