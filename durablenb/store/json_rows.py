"""Events, log lines and outputs as rows of JSON, for files and for the network, without any loss.

A row is an object of the columns that aren't NULL. Payloads stay the texts that the journal has, so that they
are unchanged to the last digit. Rows that are read aren't trusted: any mistake in them is a `ValueError`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Never

from durablenb.core.ports.store import Record
from durablenb.model.events import Origin, ParentInstance
from durablenb.model.failures import FailureDetails
from durablenb.model.ids import LARGEST_PRIORITY
from durablenb.model.logs import LogLine
from durablenb.model.outputs import OutputPart, OutputState
from durablenb.model.payloads import SIZE_LIMIT, is_too_deep
from durablenb.model.times import LONGEST_TIMEOUT
from durablenb.store.row_codec import COLUMNS, EVENT_TYPES, Row, from_row, to_row

_LARGEST = 2**31 - 1
"""The largest number of an integer column."""

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int": (int,),
    "int | None": (int, type(None)),
    "float | None": (float, int, type(None)),
    "bool": (bool,),
    "datetime": (datetime,),
    "datetime | None": (datetime, type(None)),
    "dict[str, str]": (dict,),
    "tuple[str, ...]": (tuple,),
    "tuple[int, ...]": (tuple,),
    "tuple[Origin, ...]": (tuple,),
    "ParentInstance": (ParentInstance,),
    "ParentInstance | None": (ParentInstance, type(None)),
    "FailureDetails": (FailureDetails,),
    "FailureDetails | None": (FailureDetails, type(None)),
}
"""The types that a field may have, by its annotation."""

_TEXTS = ("instance_id", "execution_id", "event_type")
_OPTIONAL_TEXTS = ("name", "payload", "attributes")


def record_to_json(record: Record) -> dict[str, Any]:
    """Return the JSON row of a record."""
    return _without_nulls(zip(COLUMNS, to_row(record), strict=True))


def record_from_json(row: Mapping[str, Any]) -> Record:
    """Return the record of a JSON row.

    Raises
    ------
    ValueError
        If it isn't a row that this durablenb could have written.
    """
    _check_texts(row, COLUMNS, _TEXTS, _OPTIONAL_TEXTS)
    _check_number("seq", row.get("seq"), 2**63 - 1, 1)
    _check_call(row, "event_id")
    values = {name: row.get(name) for name in COLUMNS}
    values["timestamp"] = _moment("timestamp", row.get("timestamp"))
    if row.get("started_at") is not None:
        values["started_at"] = _moment("started_at", row["started_at"])
    return _read(tuple(values.values()))


def log_line_to_json(line: LogLine) -> dict[str, Any]:
    """Return the JSON row of a log line."""
    return _without_nulls(line._asdict().items())


def log_line_from_json(row: Mapping[str, Any]) -> LogLine:
    """Return the log line of a JSON row.

    Raises
    ------
    ValueError
        If it isn't a log line.
    """
    texts = ("instance_id", "execution_id", "name", "stream", "message")
    _check_texts(row, LogLine._fields, texts, ("level", "logger"))
    _check_call(row, "attempt")
    at = _moment("timestamp", row.get("timestamp")).replace(tzinfo=UTC)
    return LogLine._make({**dict.fromkeys(LogLine._fields), **row, "timestamp": at}.values())


def output_to_json(state: OutputState) -> dict[str, Any]:
    """Return the JSON row of the state of an output."""
    parts = [_without_nulls(part._asdict().items()) for part in state.parts]
    return _without_nulls(state._replace(parts=())._asdict().items()) | {"parts": parts}


def output_from_json(row: Mapping[str, Any]) -> OutputState:
    """Return the state of an output of a JSON row.

    Raises
    ------
    ValueError
        If it isn't one.
    """
    _check_texts(row, OutputState._fields, ("instance_id", "execution_id", "name", "output_id"))
    _check_call(row, "attempt")
    at = _moment("timestamp", row.get("timestamp")).replace(tzinfo=UTC)
    parts = row.get("parts")
    if not isinstance(parts, (list, tuple)) or not parts:
        raise ValueError(f"parts is {_shown(parts)}, not a list with something in it")
    read = {**dict.fromkeys(OutputState._fields), **row, "timestamp": at, "parts": tuple(map(_part, parts))}
    return OutputState._make(read.values())


def _part(row: Any) -> OutputPart:
    if not isinstance(row, Mapping):
        raise ValueError(f"a part is {_shown(row)}, not an object")
    _check_texts(row, OutputPart._fields, ("mime_type",), ("text", "hash", "metadata"))
    _check_number("size", row.get("size"), 2**63 - 1, 0)
    if (row.get("text") is None) is (row.get("hash") is None):
        raise ValueError("a part has either a text or a hash")
    if row.get("metadata") is not None:
        checked_json(row["metadata"])
    return OutputPart._make({**dict.fromkeys(OutputPart._fields), **row}.values())


def checked_json(text: str) -> str:
    """Return the text itself if it is JSON as the journal stores it.

    Raises
    ------
    ValueError
        If it isn't, or is nested too deeply.
    """
    if is_too_deep(text):
        raise ValueError("it is nested too deeply")
    json.loads(text, parse_constant=_no_number, parse_float=_number)
    return text


# -- inside --------------------------------------------------------------------------------------


def _without_nulls(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in pairs if value is not None}


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=None).isoformat() if isinstance(value, datetime) else value


def _read(row: Row) -> Record:
    kind, payload = row[4], row[8]
    if kind not in EVENT_TYPES:
        raise ValueError(f"there is no event {kind!r}; a newer durablenb may have written it")
    try:
        if payload is not None:
            checked_json(payload)
        record = from_row(row)
        _check_fields(record.event)
        to_row(record)  # raises if it can't be written again
        return record
    except KeyError as error:
        raise ValueError(f"{kind} lacks {error}") from None
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{kind} can't be read: {error}") from None
    except ValueError as error:
        raise ValueError(f"{kind} can't be read: {error}") from None


def _check_fields(value: Any) -> None:
    """Raise `ValueError` if a field isn't of its type: users' SQL relies on the types."""
    for field in fields(value):
        found = getattr(value, field.name)
        kinds = _KINDS[str(field.type)]
        if type(found) not in kinds:
            raise ValueError(f"{field.name} is {_shown(found)}")
        if type(found) in (int, float):
            _check_count(field.name, found)
        for inner in found if isinstance(found, tuple) else [found]:
            if isinstance(inner, (ParentInstance, Origin, FailureDetails)):
                _check_fields(inner)
            elif isinstance(found, tuple) and type(inner) is not (int if "int" in str(field.type) else str):
                raise ValueError(f"{field.name} has {_shown(inner)} in it")
        if isinstance(found, dict) and not all(type(one) is str for pair in found.items() for one in pair):
            raise ValueError(f"{field.name} is something else than text by text")


def _check_count(name: str, value: int | float) -> None:
    if name in ("timeout", "heartbeat_timeout"):
        if not 0 < value <= LONGEST_TIMEOUT.total_seconds():  # nor NaN
            raise ValueError(f"{name} is {value}, not a number of seconds above 0")
    elif name == "priority":
        _check_number(name, value, LARGEST_PRIORITY, -LARGEST_PRIORITY)
    else:
        _check_number(name, value, _LARGEST, 0)


def _check_texts(
    row: Mapping[str, Any], columns: Iterable[str], texts: Iterable[str], optional: Iterable[str] = ()
) -> None:
    """Raise `ValueError` if a row has other columns than these, or no text where text belongs."""
    unknown = row.keys() - set(columns)
    if unknown:
        raise ValueError(f"there is no column {min(unknown)!r}")
    for name in (*texts, *(name for name in optional if row.get(name) is not None)):
        _check_text(name, row.get(name))


def _check_call(row: Mapping[str, Any], number: str) -> None:
    """Raise `ValueError` if this number of a row, or the id of its task, is none."""
    _check_number(number, row.get(number), _LARGEST, 1)
    if row.get("task_id") is not None:
        _check_number("task_id", row["task_id"], _LARGEST, 0)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_shown(value)}, not text")
    if len(value) > SIZE_LIMIT:
        raise ValueError(f"{name} has {len(value):,} characters; the journal keeps up to {SIZE_LIMIT:,}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} has half a surrogate pair in it") from None


def _check_number(name: str, value: object, largest: int, least: int) -> None:
    if type(value) is not int or not least <= value <= largest:
        raise ValueError(f"{name} is {_shown(value)}; expected a number from {least} to {largest}")


def _moment(name: str, value: object) -> datetime:
    try:
        if not isinstance(value, str):
            raise ValueError
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{name} is {_shown(value)}; expected a time such as 2026-01-31T12:00:00") from None
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:60]}…"


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is no number of JSON's")


def _number(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)
