"""Typed access to the fields of untrusted JSON objects, with an error that says what was expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Fields = Mapping[str, Any]
"""A JSON object."""


def check_object(value: object, what: str) -> Fields:
    """Return the value.

    Raises
    ------
    ValueError
        If it is not an object.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} is {preview(value)}; expected an object")
    return value


def check_list(value: object, what: str) -> list[Any]:
    """Return the value; an empty list for None.

    Raises
    ------
    ValueError
        If it is not a list.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{what} is {preview(value)}; expected a list")
    return value


def get_text(fields: Fields, key: str) -> str:
    """Return the text of a field.

    Raises
    ------
    ValueError
        If it is missing, or not text.
    """
    text = get_optional_text(fields, key)
    if text is None:
        raise ValueError(f"{key} is missing")
    return text


def get_optional_text(fields: Fields, key: str) -> str | None:
    """Return the text of a field; None if it is missing.

    Raises
    ------
    ValueError
        If it is not text, or can't be written in UTF-8.
    """
    text = fields.get(key)
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(f"{key} is {preview(text)}; expected text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{key} has half a surrogate pair in it") from None
    return text


def get_time(fields: Fields, key: str) -> datetime:
    """Return the time of a field, in UTC, truncated to microseconds.

    Raises
    ------
    ValueError
        If it is missing, or not a time.
    """
    text = fields.get(key)
    try:
        if not isinstance(text, str):
            raise ValueError
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is {preview(text)}; expected a time such as 2026-01-31T12:00:00Z") from None


def parse_inner_json(text: str) -> Any:
    """Return the value of a text that is JSON; else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def preview(value: object) -> str:
    """Return the value in a few characters, for error messages."""
    if not isinstance(value, (str, int, float, bool, type(None))):
        return f"a {type(value).__name__}"
    text = repr(value[:60] if isinstance(value, str) else value)
    return text[:60]
