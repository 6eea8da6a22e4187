"""Fields of objects that came from anybody: what they should be, or a clear error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Fields = Mapping[str, Any]
"""An object of JSON."""


def fields_in(value: object, what: str) -> Fields:
    """The object itself.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is {shown(value)}; expected an object")
    return value


def items_in(value: object, what: str) -> list[Any]:
    """The list itself; None stands for an empty one.

    Raises
    ------
    ValueError
        If it is none.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{what} is {shown(value)}; expected a list")
    return value


def text_in(fields: Fields, key: str) -> str:
    """The text there.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = optional_text_in(fields, key)
    if found is None:
        raise ValueError(f"{key} is missing")
    return found


def optional_text_in(fields: Fields, key: str) -> str | None:
    """The text there, or None.

    Raises
    ------
    ValueError
        If it is something else, or can't be written in UTF-8.
    """
    found = fields.get(key)
    if found is None:
        return None
    if not isinstance(found, str):
        raise ValueError(f"{key} is {shown(found)}; expected text")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{key} has half a surrogate pair in it") from None
    return found


def moment_in(fields: Fields, key: str) -> datetime:
    """The time there, in UTC, cut to microseconds.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = fields.get(key)
    try:
        if not isinstance(found, str):
            raise ValueError
        moment = datetime.fromisoformat(found)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is {shown(found)}; expected a time such as 2026-01-31T12:00:00Z") from None


def inner_json(text: str) -> Any:
    """The value of a text that is JSON; the text itself where it isn't."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def shown(value: object) -> str:
    """The value in a few characters, for messages."""
    if not isinstance(value, (str, int, float, bool, type(None))):
        return f"a {type(value).__name__}"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text[:60]
