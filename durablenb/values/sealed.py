"""A value that is handed on without being looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from durablenb.model.payloads import DEPTH_LIMIT, blobs_of, is_too_deep

if TYPE_CHECKING:
    from durablenb.values.codec import ValueCodec
    from durablenb.values.writer import Writer


class Sealed:
    """A value that is handed on as it is, unopened; ask for one with ``expected_type=Sealed``.

    An orchestrator that only passes a data frame on need not load it, nor does its replay: whoever gets
    the sealed value as an input gets the value itself.

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
    ...         loaded = yield context.call_activity(load, expected_type=df.Sealed)
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
        """The value, read anew each time."""
        return self._codec.decode(self._text)

    def __repr__(self) -> str:
        return f"<Sealed, {len(self._text):,} characters>"


def write_sealed(writer: Writer, value: Sealed, depth: int) -> Any:
    """The tree that the value was kept as."""
    from durablenb.values.writer import too_deep

    text = value._text if value._codec is writer.cells else value._codec.gathered(value._text)
    if depth and is_too_deep(text, DEPTH_LIMIT - depth):
        raise too_deep()
    writer.blobs.update((blob.hash, blob) for blob in blobs_of(text))
    return json.loads(text)
