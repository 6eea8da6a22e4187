"""Numbers in an entity's state, and how operations changed them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb

from durablenb.analysis.entities import EntityOperation
from durablenb.model.entities import EntityId


@dataclass(frozen=True, slots=True)
class NumberSeries:
    """A number in an entity's state after each operation; None where there was no number.

    `name` is the name of its field, empty if the state itself is the number.
    """

    name: str
    values: tuple[float | None, ...]


def number_series(done: Iterable[EntityOperation]) -> NumberSeries | None:
    """Return the number in the states after these operations; None if there is none, or several."""
    states = [_parsed(operation.state) for operation in done]
    last = next((state for state in reversed(states) if state is not None), None)
    name = _number_field(last)
    if name is None:
        return None
    return NumberSeries(name, tuple(as_number(_field(state, name)) for state in states))


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _number_field(state: object) -> str | None:
    """Return the name of the only field that has a number, empty for the state itself."""
    if as_number(state) is not None:
        return ""
    if not isinstance(state, dict):
        return None
    names = [str(name) for name, value in state.items() if as_number(value) is not None]
    return names[0] if len(names) == 1 else None


def _field(state: object, name: str) -> object:
    if not name:
        return state
    return state.get(name) if isinstance(state, dict) else None


def as_number(value: object) -> float | None:
    """Return a value of a state as a number; None if it isn't a number."""
    try:
        if isinstance(value, dict) and value.get("@type") == "decimal":
            value = Decimal(str(value.get("@value")))
        if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
            return None
        number = float(value)
    except (ArithmeticError, ValueError):
        return None
    return number if math.isfinite(number) else None


_LARGE = 100_000
"""The longest state, in characters, that is searched for numbers."""

_CHANGES = """
select timestamp, event_type, case when length(payload) <= ? and event_type = 'StateChanged' then payload end
from journal where instance_id = ? and event_type in ('StateChanged', 'OperationCompleted', 'OperationFailed')
order by seq
"""


@dataclass(frozen=True, slots=True)
class StateNumbers:
    """The numbers in an entity's state after each operation.

    Parameters
    ----------
    entity_id
        The entity.
    ended
        The end of each operation, in order.
    is_failed
        Whether each operation failed.
    fields
        For each field, the number after each operation, None where there was none. The name is empty if the
        state itself is the number.
    """

    entity_id: EntityId
    ended: tuple[datetime, ...]
    is_failed: tuple[bool, ...]
    fields: dict[str, tuple[float | None, ...]]


def read_state_numbers(connection: duckdb.DuckDBPyConnection, entity_id: EntityId) -> StateNumbers:
    """Return the numbers in the state of an entity after each operation.

    Parameters
    ----------
    connection
        A connection that reads the journal.
    entity_id
        The entity.
    """
    rows = connection.execute(_CHANGES, [_LARGE, str(entity_id)]).fetchall()
    ended: list[datetime] = []
    is_failed: list[bool] = []
    states: list[dict[str, float]] = []
    state: dict[str, float] = {}
    for timestamp, event_type, text in rows:
        if event_type == "StateChanged":  # the state after the operation that has just ended
            state = states[-1] = _state_numbers(text)
            continue
        ended.append(timestamp.replace(tzinfo=UTC))
        is_failed.append(event_type == "OperationFailed")
        states.append(state)
    names = dict.fromkeys(name for numbers in states for name in numbers)
    fields = {name: tuple(numbers.get(name) for numbers in states) for name in names}
    return StateNumbers(entity_id, tuple(ended), tuple(is_failed), fields)


def _state_numbers(text: str | None) -> dict[str, float]:
    """Return the numbers of a state by field. The name is empty if the state itself is the number."""
    state: Any = None if text is None else json.loads(text)
    number = as_number(state)
    if number is not None:
        return {"": number}
    if not isinstance(state, dict):
        return {}
    numbers = {str(name): as_number(value) for name, value in state.items()}
    return {name: number for name, number in numbers.items() if number is not None}
