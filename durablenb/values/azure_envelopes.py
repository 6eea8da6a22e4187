"""Azure's envelope of an object: its class and module by name, and the result of its ``to_json``.

Nothing is imported or looked up by such a name: an envelope is compared with classes that are at hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_DATA = "__data__"

MARK = '"__class__"'
"""A part of every JSON text that contains an envelope."""

_NOTEBOOK = "__main__"
"""Classes of this module are compared by their own names alone: it is another module in each process."""


def is_envelope(value: object) -> bool:
    """Tell whether a value from JSON is an object's envelope."""
    return (
        isinstance(value, dict)
        and len(value) == 3
        and _DATA in value
        and isinstance(value.get("__class__"), str)
        and isinstance(value.get("__module__"), str)
    )


def names_class(envelope: dict[str, Any], kind: type[Any]) -> bool:
    """Tell whether an envelope names this class."""
    module = envelope["__module__"]
    return envelope["__class__"] == kind.__name__ and (
        module == kind.__module__ or _NOTEBOOK in (module, kind.__module__)
    )


def named_class(envelope: dict[str, Any], classes: Iterable[type[Any]]) -> type[Any] | None:
    """Return the class that the envelope names, preferring one of the same module, or None."""
    matching = [kind for kind in classes if names_class(envelope, kind)]
    module = envelope["__module__"]
    same_module = [kind for kind in matching if kind.__module__ == module]
    return next(iter(same_module or matching), None)


def envelope_data(envelope: dict[str, Any]) -> Any:
    """Return the JSON inside an envelope, which the object's ``to_json`` produced."""
    return envelope[_DATA]


def describe_envelope(envelope: dict[str, Any]) -> str:
    """Return the name and module of an envelope's class, as messages show them."""
    return f"a {envelope['__class__']} of the module {envelope['__module__']}"
