"""The number in an entity's state, as operations changed it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from durablenb.analysis.entities.picture import Operation


@dataclass(frozen=True, slots=True)
class Course:
    """A number in an entity's state, as operations changed it; None where there was none.

    `name` is that of the field that it stands in, empty if the state is the number.
    """

    name: str
    values: tuple[float | None, ...]


def course_of(done: Iterable[Operation]) -> Course | None:
    """Return how the number in the states went; None if they have none, or several."""
    states = [_parsed(operation.state) for operation in done]
    last = next((state for state in reversed(states) if state is not None), None)
    name = _field_of(last)
    if name is None:
        return None
    return Course(name, tuple(number_in(_field(state, name)) for state in states))


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _field_of(state: object) -> str | None:
    """Return the one field that has a number, empty for the state itself."""
    if number_in(state) is not None:
        return ""
    if not isinstance(state, dict):
        return None
    names = [str(name) for name, value in state.items() if number_in(value) is not None]
    return names[0] if len(names) == 1 else None


def _field(state: object, name: str) -> object:
    if not name:
        return state
    return state.get(name) if isinstance(state, dict) else None


def number_in(value: object) -> float | None:
    """Return a value of a state as a number; None if it isn't one."""
    try:
        if isinstance(value, dict) and value.get("@type") == "decimal":
            value = Decimal(str(value.get("@value")))
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            return None
        found = float(value)
    except (ArithmeticError, ValueError):
        return None
    return found if math.isfinite(found) else None
