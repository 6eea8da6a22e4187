"""Values on the wire of durabletask: the codec's JSON, and an envelope where JSON alone doesn't do.

durabletask carries one JSON document for each value, and no blobs. Most values are their own JSON, so that
clients in any language can send and read them. An envelope has a value's blobs, or what a new execution takes
over from the one before it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from durabletask.serialization import DataConverter

from durablenb.model.errors import DurableError, NotSerializableError, StoreError
from durablenb.model.payloads import Blob, Payload, carried_blobs
from durablenb.values.codec import ValueCodec

MARK = "@durablenb"
"""The key that marks an envelope; its value is the envelope's version."""


def codec_for_wire(codec: ValueCodec) -> ValueCodec:
    """Return a codec of the same types and settings, for values that bring their blobs with them."""
    return codec.for_journal(_no_journal)


def _no_journal(blob_hash: str) -> bytes:
    raise StoreError(f"The payload {blob_hash[:12]} is in the hub's journal, which this worker doesn't read.")


class Packer:
    """Makes JSON trees of encoded values.

    Parameters
    ----------
    limit
        The largest payload, in bytes of its JSON; None for no limit.

    Raises
    ------
    TypeError, ValueError
        If the limit isn't a whole number of at least 1, or None.
    """

    def __init__(self, limit: int | None) -> None:
        if limit is not None and type(limit) is not int:
            raise TypeError(f"payload_limit is {limit!r}; expected a whole number of bytes, or None.")
        if limit is not None and limit < 1:
            raise ValueError(f"payload_limit is {limit}; expected at least 1, or None.")
        self._limit = limit

    def __call__(self, text: str, **carried: Any) -> Any:
        """Return the JSON tree of an encoded value, in an envelope if it has blobs or carries something.

        Raises
        ------
        NotSerializableError
            If the value is larger than the limit.
        """
        blobs = carried_blobs(text)
        self._check_size(len(text) + sum(len(blob.content) for blob in blobs) * 4 // 3)
        tree = json.loads(text)
        if not blobs and not carried and not is_envelope(tree):
            return tree
        envelope: dict[str, Any] = {MARK: 1, "value": tree, **carried}
        if blobs:
            envelope["blobs"] = {
                blob.hash: [blob.kind, base64.b64encode(blob.content).decode("ascii")] for blob in blobs
            }
        return envelope

    def _check_size(self, size: int) -> None:
        if self._limit is not None and size > self._limit:
            raise NotSerializableError(
                f"The value takes {size:,} bytes in a message of durabletask; payload_limit is "
                f"{self._limit:,}. Write it to a file and pass its path, or pass a higher payload_limit to "
                "to_durabletask if the backend takes larger messages."
            )


def unpack(tree: Any) -> str:
    """Return the text of a value, with its blobs, from a tree that a `Packer` or a client made.

    Raises
    ------
    DurableError
        If the worker has converted the JSON into something else.
    """
    blobs: tuple[Blob, ...] = ()
    if is_envelope(tree):
        packed = tree.get("blobs", {})
        blobs = tuple(Blob(key, kind, base64.b64decode(data)) for key, (kind, data) in packed.items())
        tree = tree["value"]
    try:
        text = json.dumps(tree)
    except TypeError:
        raise DurableError(
            f"The worker's data_converter made a {type(tree).__name__} of a value; expected plain JSON. "
            "Leave the worker its default converter, and give the hub's converter to clients only."
        ) from None
    return Payload(text, blobs) if blobs else text


def is_envelope(tree: object) -> bool:
    """Tell whether a tree is an envelope."""
    return isinstance(tree, dict) and MARK in tree


class HubConverter(DataConverter):
    """Converts values as a hub does, for clients of durabletask: ``TaskHubGrpcClient(data_converter=...)``.

    Data frames, arrays, dataclasses and registered types then travel as inputs, results, events and states.
    A client without it can send and read whatever is plain JSON.

    Parameters
    ----------
    codec
        The hub's codec.
    pack
        Makes JSON trees of encoded values.
    """

    def __init__(self, codec: ValueCodec, pack: Packer) -> None:
        self._codec = codec_for_wire(codec)
        self._pack = pack

    def serialize(self, value: Any) -> str | None:
        """Return a value as JSON text; None for None."""
        return None if value is None else json.dumps(self._pack(self._codec.encode(value)))

    def deserialize(self, data: str | None, target_type: Any = None) -> Any:
        """Return the value of JSON text, rebuilt as a type if one is given."""
        return self._codec.decode(unpack(json.loads(data)), target_type) if data else None

    def coerce(self, value: Any, target_type: Any = None) -> Any:
        """Return a value, rebuilt as a type if one is given."""
        return value if target_type is None else self._codec.decode(self._codec.encode(value), target_type)
