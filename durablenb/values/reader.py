"""Decoding: replaces the tags in a JSON tree by the values that they encode."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durablenb.model.errors import DurableError, TypeNotRegisteredError
from durablenb.model.payloads import LEFT_OUT_TAG, carried_blobs
from durablenb.values.azure_envelopes import envelope_data, is_envelope
from durablenb.values.converter_kinds import BlobConverter, InlineConverter
from durablenb.values.converters import library_converter
from durablenb.values.payload_files import PayloadFolder
from durablenb.values.rebuild import UnregisteredValue, build, restore
from durablenb.values.standard_types import STANDARD_TYPES

if TYPE_CHECKING:
    from durablenb.values.codec import ValueCodec


class Reader:
    """Resolves the tags of one text."""

    def __init__(self, codec: ValueCodec, text: str) -> None:
        self._codec = codec
        self._contents = {blob.hash: blob.content for blob in carried_blobs(text)}
        self.unregistered: list[UnregisteredValue] = []

    def resolve(self, fields: dict[str, Any]) -> Any:
        """Return the value of a JSON object, whose inner objects are resolved already."""
        name = fields.get("@type")
        if not isinstance(name, str):
            kind = self._codec.types.named_in(fields) if is_envelope(fields) else None
            return fields if kind is None else build(kind, envelope_data(fields))
        if "@value" not in fields:
            converter = library_converter(name) if isinstance(fields.get("@payload"), str) else None
            if isinstance(converter, BlobConverter):
                return self._blob_value(converter, fields["@payload"], fields.get("@at"))
            return fields
        if name == LEFT_OUT_TAG:
            raise DurableError(
                "This value was left out when the history was saved, with values=False. Save it again with "
                "its values: handle.save('run.html')."
            )
        standard_type = STANDARD_TYPES.get(name)
        if standard_type is not None:
            return _read(name, lambda: standard_type.read(fields["@value"]))
        converter = library_converter(name)
        if isinstance(converter, InlineConverter):
            return _read(name, lambda: converter.read(fields))
        registered = self._codec.types.find(name)
        if registered is not None:
            return restore(registered, fields["@value"])
        missing = UnregisteredValue(name, fields["@value"])
        self.unregistered.append(missing)
        return missing

    def _blob_value(self, converter: BlobConverter, blob_hash: str, folder: object) -> Any:
        codec = self._codec

        def fetch() -> bytes:
            content = self._contents.get(blob_hash)
            if content is None and isinstance(folder, str):
                return PayloadFolder(folder).read(blob_hash)
            return codec.fetch_blob(blob_hash) if content is None else content

        return _read(converter.name, lambda: codec.blob_cache.value_for(converter, blob_hash, fetch, codec))


def _read(name: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (DurableError, ImportError):
        raise
    except Exception as error:
        raise ValueError(
            f"A {name} in the journal can't be read: {type(error).__name__}: {error}."
        ) from error


def not_registered(name: str) -> TypeNotRegisteredError:
    """Return the error for a type's name in the journal that isn't registered."""
    return TypeNotRegisteredError(
        f"The value is of the type {name!r}, which isn't registered. Run the cell that defines it, with "
        "hub.register_type, or pass its class as expected_type where the value is read.",
        name,
    )
