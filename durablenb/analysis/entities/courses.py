"""The numbers in an entity's state, and how operations changed them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from durablenb.analysis.entities.numbers import number_in
from durablenb.model.entities import EntityId

_LARGE = 100_000
"""Characters from which on a state isn't looked into."""

_CHANGES = """
select timestamp, event_type, case when length(payload) <= ? and event_type = 'StateChanged' then payload end
from journal where instance_id = ? and event_type in ('StateChanged', 'OperationCompleted', 'OperationFailed')
order by seq
"""


@dataclass(frozen=True, slots=True)
class Courses:
    """How the numbers in a state went.

    Parameters
    ----------
    entity_id
        Whose.
    ended
        When each operation ended, in their order.
    is_failed
        Whether it failed.
    fields
        For each field the number after each operation, None where there was none. The name is empty if the
        state itself is the number.
    """

    entity_id: EntityId
    ended: tuple[datetime, ...]
    is_failed: tuple[bool, ...]
    fields: dict[str, tuple[float | None, ...]]


def courses_of(connection: duckdb.DuckDBPyConnection, entity_id: EntityId) -> Courses:
    """Return how the numbers in the state of an entity went, from the first operation on.

    Parameters
    ----------
    connection
        A reader's.
    entity_id
        Which one.
    """
    rows = connection.execute(_CHANGES, [_LARGE, str(entity_id)]).fetchall()
    ended: list[datetime] = []
    is_failed: list[bool] = []
    states: list[dict[str, float]] = []
    state: dict[str, float] = {}
    for timestamp, event_type, text in rows:
        if event_type == "StateChanged":  # by the operation that ended before it
            state = states[-1] = _numbers_in(text)
            continue
        ended.append(timestamp.replace(tzinfo=UTC))
        is_failed.append(event_type == "OperationFailed")
        states.append(state)
    names = dict.fromkeys(name for one in states for name in one)
    fields = {name: tuple(one.get(name) for one in states) for name in names}
    return Courses(entity_id, tuple(ended), tuple(is_failed), fields)


def _numbers_in(text: str | None) -> dict[str, float]:
    """Return the numbers of a state by the names of their fields, that of the state itself under no name."""
    state: Any = None if text is None else json.loads(text)
    number = number_in(state)
    if number is not None:
        return {"": number}
    if not isinstance(state, dict):
        return {}
    found = {str(name): number_in(value) for name, value in state.items()}
    return {name: number for name, number in found.items() if number is not None}
