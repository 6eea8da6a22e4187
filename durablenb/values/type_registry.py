"""The registry of users' types, which also chooses the encoder of every type."""

from __future__ import annotations

from typing import Any

from durablenb.model.payloads import LEFT_OUT_TAG
from durablenb.values.azure_envelopes import named_class
from durablenb.values.converters import is_library_tag, library_encoder
from durablenb.values.encode_error import EncodeError, describe_type
from durablenb.values.raw_value import RawValue, encode_raw_value
from durablenb.values.standard_types import STANDARD_TYPES
from durablenb.values.user_classes import DATACLASS, Converter, converter_for, unknown_parameters
from durablenb.values.writer import Encoder, Writer, refusing_encoder, standard_encoder, tagged

_KNOWN_ENCODERS = 2_000
"""Types whose encoders are cached; a notebook makes new types whenever a cell is rerun."""


class TypeRegistry:
    """Users' types by registered name. Registering again replaces, so that a cell can be rerun."""

    def __init__(self) -> None:
        self._types: dict[str, type[Any]] = {}
        self._names: dict[type[Any], str] = {}
        self._encoders: dict[type[Any], Encoder] = {}

    def register(self, kind: type[Any], name: str | None = None) -> str:
        """Register a class, in place of one of the same name, and return the name.

        Raises
        ------
        TypeError
            If values of the class can't be kept.
        ValueError
            If the name is taken by a type that needs no registration.
        """
        if not isinstance(kind, type):
            raise TypeError(f"Expected a class, not {kind!r}.")
        if converter_for(kind) is None:
            raise TypeError(
                f"{kind.__name__} can't be kept: it is no dataclass, enum, named tuple or pydantic model. "
                "Make it one, or give it the methods to_json and from_json."
            )
        unknown = unknown_parameters(kind) if converter_for(kind) is DATACLASS else []
        if unknown:
            raise TypeError(
                f"{kind.__name__} can't be built again: its constructor needs {', '.join(unknown)}, which is "
                "no field. Give it the methods to_json and from_json."
            )
        chosen = kind.__name__ if name is None else name
        if not isinstance(chosen, str) or not chosen:
            raise ValueError(f"A type's name is text, not {chosen!r}.")
        if chosen in STANDARD_TYPES or chosen == LEFT_OUT_TAG or is_library_tag(chosen):
            raise ValueError(f"The name {chosen!r} is taken; give another one: name='...'.")
        self._types[chosen] = kind
        self._names[kind] = chosen
        self._encoders.clear()
        return chosen

    def find(self, name: str) -> type[Any] | None:
        """Return the class that was registered last under a name, or None."""
        return self._types.get(name)

    def named_in(self, envelope: dict[str, Any]) -> type[Any] | None:
        """Return the registered class that an Azure envelope names, or None."""
        return named_class(envelope, self._types.values())

    @property
    def registered(self) -> dict[str, type[Any]]:
        """A copy of the classes by name."""
        return dict(self._types)

    def encoder(self, kind: type[Any]) -> Encoder:
        """Return the encoder of a type."""
        encoder = self._encoders.get(kind)
        if encoder is None:
            if len(self._encoders) >= _KNOWN_ENCODERS:
                self._encoders.clear()
            encoder = self._encoders[kind] = self._choose_encoder(kind)
        return encoder

    def _choose_encoder(self, kind: type[Any]) -> Encoder:
        if kind is RawValue:
            return encode_raw_value
        converter = converter_for(kind)
        name = self._names.get(kind)
        if name is not None and converter is not None:
            return _named_encoder(name, converter)
        if converter is not None and not issubclass(kind, tuple):
            return _plain_encoder(converter)
        return library_encoder(kind) or standard_encoder(kind) or refusing_encoder(kind)


def _named_encoder(name: str, converter: Converter) -> Encoder:
    def encode(writer: Writer, value: Any, depth: int) -> Any:
        return tagged(name, writer.tree(_simplified(converter, value), depth + 1))

    return encode


def _plain_encoder(converter: Converter) -> Encoder:
    """Encode objects of a class that isn't registered as plain JSON, for an annotation to rebuild."""

    def encode(writer: Writer, value: Any, depth: int) -> Any:
        return writer.tree(_simplified(converter, value), depth)

    return encode


def _simplified(converter: Converter, value: Any) -> Any:
    try:
        return converter.simplify(value)
    except Exception as error:
        encode_error = EncodeError(
            f"{describe_type(type(value))} that can't be written down ({type(error).__name__}: {error})",
            "Fix its to_json, or leave out the part that fails",
        )
        # In a value that contains itself, the stack may overflow in the user's method as in the writer.
        encode_error.is_too_deep = isinstance(error, RecursionError)
        raise encode_error from error
