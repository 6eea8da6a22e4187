"""Azure's envelope of an object: its class and module by name, and what its to_json gave.

No module is imported and no name looked up: an envelope is compared with classes that are at hand anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_NAMES = ("__class__", "__module__")
_DATA = "__data__"

MARK = '"__class__"'
"""What stands in every text that has an envelope in it."""

_NOTEBOOK = "__main__"
"""Whose classes are compared by their own names alone: it is another module in each process."""


def is_envelope(value: object) -> bool:
    """Whether this is an object's envelope."""
    return (
        isinstance(value, dict)
        and len(value) == len(_NAMES) + 1
        and _DATA in value
        and all(isinstance(value.get(name), str) for name in _NAMES)
    )


def is_of(envelope: dict[str, Any], kind: type[Any]) -> bool:
    """Whether it is the envelope of an object of this class."""
    name, module = (envelope[one] for one in _NAMES)
    return name == kind.__name__ and (module == kind.__module__ or _NOTEBOOK in (module, kind.__module__))


def kind_of(envelope: dict[str, Any], kinds: Iterable[type[Any]]) -> type[Any] | None:
    """The class among these that it names; that of the same module, if there are several."""
    found = [kind for kind in kinds if is_of(envelope, kind)]
    module = envelope["__module__"]
    return next((kind for kind in found if kind.__module__ == module), found[0] if found else None)


def data_in(envelope: dict[str, Any]) -> Any:
    """What the object's to_json gave."""
    return envelope[_DATA]


def described(envelope: dict[str, Any]) -> str:
    """The class by its name and module."""
    name, module = (envelope[one] for one in _NAMES)
    return f"a {name} of the module {module}"
