"""Values as JSON that is the same in each process: sets are sorted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_jsonable_python


def stable_json(value: Any) -> Any:
    """Return a value as JSON, with sets in an order that doesn't differ between processes.

    Raises
    ------
    pydantic_core.PydanticSerializationError
        If a part of it can't become JSON.
    """
    if isinstance(value, (set, frozenset)):
        return sorted(map(stable_json, value), key=json.dumps)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): stable_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [stable_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _has_sets(value):
        return {field.name: stable_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return to_jsonable_python(value)


def _has_sets(value: Any) -> bool:
    return any(
        isinstance(getattr(value, field.name, None), (set, frozenset)) for field in dataclasses.fields(value)
    )
