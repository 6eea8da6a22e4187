"""Tags become the values that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durablenb.model.errors import DurableError, TypeNotRegisteredError
from durablenb.model.payloads import blobs_of
from durablenb.values.envelopes import data_in, is_envelope
from durablenb.values.kinds import LargeKind, SmallKind, reader_of
from durablenb.values.rebuild import Unregistered, built_again, built_anew
from durablenb.values.tags import TAGS

if TYPE_CHECKING:
    from durablenb.values.codec import ValueCodec


class Reader:
    """Resolves the tags of one text."""

    def __init__(self, codec: ValueCodec, text: str) -> None:
        self._codec = codec
        self._contents = {blob.hash: blob.content for blob in blobs_of(text)}
        self.unregistered: list[Unregistered] = []

    def resolved(self, fields: dict[str, Any]) -> Any:
        """What an object of JSON's stands for; the inner ones are resolved already."""
        name = fields.get("@type")
        if not isinstance(name, str):
            named = self._codec.types.named_in(fields) if is_envelope(fields) else None
            return fields if named is None else built_anew(named, data_in(fields))
        if "@value" not in fields:
            kind = reader_of(name) if isinstance(fields.get("@payload"), str) else None
            return self._large(kind, fields["@payload"]) if isinstance(kind, LargeKind) else fields
        tag = TAGS.get(name)
        if tag is not None:
            return _readable(name, lambda: tag.read(fields["@value"]))
        kind = reader_of(name)
        if isinstance(kind, SmallKind):
            return _readable(name, lambda: kind.read(fields))
        found = self._codec.types.find(name)
        if found is not None:
            return built_again(found, fields["@value"])
        missing = Unregistered(name, fields["@value"])
        self.unregistered.append(missing)
        return missing

    def _large(self, kind: LargeKind, blob_hash: str) -> Any:
        codec = self._codec

        def content() -> bytes:
            found = self._contents.get(blob_hash)
            return codec.fetched(blob_hash) if found is None else found

        return _readable(kind.name, lambda: codec.shelf.value_of(kind, blob_hash, content, codec))


def _readable(name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (DurableError, ImportError):
        raise
    except Exception as error:
        raise ValueError(
            f"A {name} in the journal can't be read: {type(error).__name__}: {error}."
        ) from error


def not_registered(name: str) -> TypeNotRegisteredError:
    """The error for a name that stands in the journal, and that nobody registered."""
    return TypeNotRegisteredError(
        f"The value is of the type {name!r}, which isn't registered. Run the cell that defines it, with "
        "hub.register_type, or say the type where the value is taken.",
        name,
    )
