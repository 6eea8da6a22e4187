"""The registry of users' types, and how every type is written."""

from __future__ import annotations

from typing import Any

from durablenb.values.envelopes import kind_of
from durablenb.values.forms import DATACLASS, Form, form_of, unknown_parameters
from durablenb.values.kinds import encoder_of_library, is_library
from durablenb.values.refusal import Refusal, a
from durablenb.values.sealed import Sealed, write_sealed
from durablenb.values.tags import TAGS
from durablenb.values.writer import Encoder, Writer, encoder_of, refused, tagged

_KNOWN_ENCODERS = 2_000
"""Types whose encoders are remembered; a notebook whose cells are run again makes new ones all the time."""


class Types:
    """Users' types by registered name. Registering again replaces, so that a cell can be run again."""

    def __init__(self) -> None:
        self._types: dict[str, type[Any]] = {}
        self._names: dict[type[Any], str] = {}
        self._encoders: dict[type[Any], Encoder] = {}

    def register(self, kind: type[Any], name: str | None = None) -> str:
        """Registers a class, in place of one of the same name, and gives the name.

        Raises
        ------
        TypeError
            If values of the class can't be kept.
        ValueError
            If the name is taken by a type that needs no registration.
        """
        if not isinstance(kind, type):
            raise TypeError(f"Expected a class, not {kind!r}.")
        if form_of(kind) is None:
            raise TypeError(
                f"{kind.__name__} can't be kept: it is no dataclass, enum, named tuple or pydantic model. "
                "Make it one, or give it the methods to_json and from_json."
            )
        unknown = unknown_parameters(kind) if form_of(kind) is DATACLASS else []
        if unknown:
            raise TypeError(
                f"{kind.__name__} can't be built again: its constructor needs {', '.join(unknown)}, which is "
                "no field. Give it the methods to_json and from_json."
            )
        chosen = kind.__name__ if name is None else name
        if not isinstance(chosen, str) or not chosen:
            raise ValueError(f"A type's name is text, not {chosen!r}.")
        if chosen in TAGS or is_library(chosen):
            raise ValueError(f"The name {chosen!r} is taken; give another one: name='...'.")
        self._types[chosen] = kind
        self._names[kind] = chosen
        self._encoders.clear()
        return chosen

    def find(self, name: str) -> type[Any] | None:
        """The class that was last registered under the name."""
        return self._types.get(name)

    def named_in(self, envelope: dict[str, Any]) -> type[Any] | None:
        """The registered class that Azure's envelope names, or None."""
        return kind_of(envelope, self._types.values())

    @property
    def registered(self) -> dict[str, type[Any]]:
        """The classes by name, to be taken elsewhere."""
        return dict(self._types)

    def encoder(self, kind: type[Any]) -> Encoder:
        """How values of a type are written."""
        found = self._encoders.get(kind)
        if found is None:
            if len(self._encoders) >= _KNOWN_ENCODERS:
                self._encoders.clear()
            found = self._encoders[kind] = self._encoder(kind)
        return found

    def _encoder(self, kind: type[Any]) -> Encoder:
        if kind is Sealed:
            return write_sealed
        form = form_of(kind)
        name = self._names.get(kind)
        if name is not None and form is not None:
            return _under_name(name, form)
        if form is not None and not issubclass(kind, tuple):
            return _as_plain(form)
        return encoder_of_library(kind) or encoder_of(kind) or refused(kind)


def _under_name(name: str, form: Form) -> Encoder:
    def encode(writer: Writer, value: Any, depth: int) -> Any:
        return tagged(name, writer.tree(_simplified(form, value), depth + 1))

    return encode


def _as_plain(form: Form) -> Encoder:
    """What isn't registered is kept as what it is made of; who knows the type builds it again."""

    def encode(writer: Writer, value: Any, depth: int) -> Any:
        return writer.tree(_simplified(form, value), depth)

    return encode


def _simplified(form: Form, value: Any) -> Any:
    try:
        return form.simplified(value)
    except Exception as error:
        refusal = Refusal(
            f"{a(type(value))} that can't be written down ({type(error).__name__}: {error})",
            "Mend its to_json, or leave out what fails",
        )
        # Where a value holds itself, the stack may end in the user's method as well as in the writer's.
        refusal.is_too_deep = isinstance(error, RecursionError)
        raise refusal from error
