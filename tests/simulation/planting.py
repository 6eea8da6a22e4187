"""How bugs are planted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

Planted = AbstractContextManager[Any]

MUTANTS: dict[str, Callable[[], Planted]] = {}
"""What plants each bug, by its name; the bug lasts as long as the context."""


def planted(owner: Any, attribute: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Puts the decorated function in place of that attribute, given the original first."""

    def decorate(mutant: Callable[..., Any]) -> Callable[..., Any]:
        original = vars(owner)[attribute]
        if isinstance(original, property):
            new: Any = property(lambda self: mutant(original.fget, self))
        else:
            new = lambda *args, **kwargs: mutant(original, *args, **kwargs)  # noqa: E731
        MUTANTS[mutant.__name__] = lambda: patch.object(owner, attribute, new)
        return mutant

    return decorate
