"""Schedules of timer triggers: NCRONTAB, with seconds, and spans of time.

NCRONTAB is not cron: seconds come first, and where both a day of the month and a day of the week are given,
a day has to be both. (`Azure's page <https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer>`_,
and the NCrontab library that its host uses.)
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple, Protocol


class Schedule(Protocol):
    """When a timer is due."""

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after that moment, UTC."""
        ...


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, tuple(calendar.month_name)),
    _Field("day of the week", 0, 6, (calendar.day_name[6], *calendar.day_name[:6])),
)

_LONGEST_GAP = timedelta(days=366 * 41)
"""Between two times of a schedule that has any: 29 February falls on each weekday within 40 years."""

_SPAN = re.compile(r"(?:(\d+)\.)?(\d\d?):(\d\d):(\d\d)")


@dataclass(frozen=True)
class Crontab:
    """Six sets of numbers, all of which a time has to be in."""

    seconds: Sequence[int]
    minutes: Sequence[int]
    hours: Sequence[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after that moment, UTC."""
        first = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day, earliest = first.date(), first.time()
        while day - first.date() <= _LONGEST_GAP:
            found = self._time_from(earliest) if self._has(day) else None
            if found is not None:
                return datetime.combine(day, found, UTC)
            day, earliest = day + timedelta(days=1), time()
        raise ValueError("There is no such day.")

    def _has(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _time_from(self, earliest: time) -> time | None:
        """The first time of a day that isn't before this one."""
        for hour in self.hours:
            if hour < earliest.hour:
                continue
            is_first_hour = hour == earliest.hour
            for minute in self.minutes:
                if is_first_hour and minute < earliest.minute:
                    continue
                is_first_minute = is_first_hour and minute == earliest.minute
                for second in self.seconds:
                    if not (is_first_minute and second < earliest.second):
                        return time(hour, minute, second)
        return None


@dataclass(frozen=True)
class Span:
    """Again and again after the same time."""

    length: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """Return the time that much later."""
        return moment.astimezone(UTC) + self.length


def parsed(text: str) -> Schedule:
    """Return what a timer trigger's schedule says.

    Parameters
    ----------
    text
        Six fields, ``{second} {minute} {hour} {day} {month} {day of the week}``, or five, without the
        seconds; or a span, ``hh:mm:ss``.

    Raises
    ------
    ValueError
        If it says nothing, or names a day that never comes.
    """
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if length == timedelta():
            raise ValueError(f"The schedule {text!r} is no time at all.")
        return Span(length)
    words = text.split()
    if len(words) == 5:
        words.insert(0, "0")
    if len(words) != 6:
        raise ValueError(
            f"The schedule {text!r} has {len(words)} fields; expected six: second, minute, hour, day, month, "
            "day of the week, such as '0 */5 * * * *' for every five minutes."
        )
    sets = [_numbers(word, field, text) for word, field in zip(words, _FIELDS, strict=True)]
    seconds_, minutes_, hours_ = map(sorted, sets[:3])
    found = Crontab(seconds_, minutes_, hours_, *map(frozenset, sets[3:]))
    try:
        found.next_after(datetime(2026, 1, 1, tzinfo=UTC))
    except ValueError:
        raise ValueError(f"The schedule {text!r} names a day that never comes.") from None
    return found


def _numbers(word: str, field: _Field, text: str) -> set[int]:
    """What a field lists: ``*``, numbers and names, ranges, steps."""
    found: set[int] = set()
    for part in word.split(","):
        extent, slash, step = part.partition("/")
        first, dash, last = extent.partition("-")
        if extent == "*":
            least, most = field.least, field.most
        else:
            least = _number(first, field, text)
            most = _number(last, field, text) if dash else field.most if slash else least
        if least > most or (slash and not (step.isascii() and step.isdigit() and int(step))):
            raise _wrong(part, field, text)
        found.update(range(least, most + 1, int(step) if slash else 1))
    return found


def _number(word: str, field: _Field, text: str) -> int:
    if word.isascii() and word.isdigit() and field.least <= int(word) <= field.most:
        return int(word)
    if len(word) >= 3:
        for number, name in enumerate(field.words):
            if name.lower().startswith(word.lower()):
                return number
    raise _wrong(word, field, text)


def _wrong(word: str, field: _Field, text: str) -> ValueError:
    return ValueError(
        f"{word!r} in the schedule {text!r} is no {field.name}; expected {field.least} to {field.most}, *, "
        "a range such as 1-5, a list such as 1,5 or a step such as */5."
    )
