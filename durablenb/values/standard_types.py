"""The types of the standard library that JSON lacks: a closed set, each with a tag."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, NamedTuple
from uuid import UUID

from durablenb.model.arguments import TAG, Arguments

_SHORT_OFFSET = re.compile(r"([+-])00:00:00\.(\d{6})$")


class StandardType(NamedTuple):
    """Converts values of one type to the JSON under ``"@value"``, and back."""

    kind: type
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _moment_text(moment: datetime) -> str:
    return datetime.isoformat(moment) + _suffixes(moment)


def _time_text(moment: time) -> str:
    return time.isoformat(moment) + _suffixes(moment)


def _suffixes(moment: datetime | time) -> str:
    """Return the zone's name in brackets, as in RFC 9557, and ``[fold]`` after a clock was set back."""
    zone: Any = moment.tzinfo
    zoneinfo = sys.modules.get("zoneinfo")
    is_named = zoneinfo is not None and isinstance(zone, zoneinfo.ZoneInfo) and zone.key
    name = f"[{zone.key}]" if is_named else ""
    return f"{name}[fold]" if moment.fold else name


def _moment(text: str) -> datetime:
    plain, zone, fold = _parts(text)
    moment = datetime.fromisoformat(plain)
    return moment.replace(tzinfo=zone or moment.tzinfo, fold=fold)


def _time(text: str) -> time:
    plain, zone, fold = _parts(text)
    moment = time.fromisoformat(plain)
    return moment.replace(tzinfo=zone or moment.tzinfo, fold=fold)


def _parts(text: str) -> tuple[str, tzinfo | None, int]:
    plain, *suffixes = text.replace("]", "").split("[")
    names = [suffix for suffix in suffixes if suffix != "fold"]
    return plain, _zone(names[0]) if names else _short_offset(plain), int("fold" in suffixes)


def _short_offset(text: str) -> tzinfo | None:
    """Return the zone of an offset of less than a second, which Python's `fromisoformat` takes for UTC."""
    offset = _SHORT_OFFSET.search(text)
    return timezone(timedelta(microseconds=int(offset[1] + offset[2]))) if offset else None


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # takes its time to import

    return ZoneInfo(name)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def _bytes_text(content: bytes | bytearray) -> str:
    return base64.b64encode(content).decode("ascii")


def _complex(parts: list[str]) -> complex:
    return complex(*map(float, parts))


def _same(value: Any) -> Any:
    return value


STANDARD_TYPES: dict[str, StandardType] = {
    "datetime": StandardType(datetime, _moment_text, _moment),
    "date": StandardType(date, date.isoformat, date.fromisoformat),
    "time": StandardType(time, _time_text, _time),
    "timedelta": StandardType(timedelta, _microseconds, lambda number: timedelta(microseconds=number)),
    "uuid": StandardType(UUID, str, UUID),
    "decimal": StandardType(Decimal, str, Decimal),
    "bytes": StandardType(bytes, _bytes_text, base64.b64decode),
    "bytearray": StandardType(bytearray, _bytes_text, lambda text: bytearray(base64.b64decode(text))),
    "path": StandardType(PurePath, str, Path),
    "float": StandardType(float, repr, float),
    "complex": StandardType(complex, lambda number: [repr(number.real), repr(number.imag)], _complex),
    "tuple": StandardType(tuple, list, tuple),
    "set": StandardType(set, list, set),
    "frozenset": StandardType(frozenset, list, frozenset),
    "dict": StandardType(dict, _same, dict),
    TAG: StandardType(Arguments, _same, lambda parts: Arguments(tuple(parts[0]), parts[1])),
}
"""The types by tag. `durablenb.values.writer` encodes containers and numbers that aren't finite itself."""
