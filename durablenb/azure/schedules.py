"""Schedules of timer triggers: parses NCRONTAB expressions and intervals, and computes due times.

NCRONTAB is not cron: seconds come first, and if both a day of the month and a day of the week are given,
a day has to match both. (`Azure's page <https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer>`_,
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
    """Determines when a timer is due."""

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
"""The longest time between two due times: 29 February falls on each weekday within 40 years."""

_SPAN = re.compile(r"(?:(\d+)\.)?(\d\d?):(\d\d):(\d\d)")


@dataclass(frozen=True)
class Crontab:
    """An NCRONTAB schedule: a time is due if it matches all six sets of numbers."""

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
            due_time = self._time_from(earliest) if self._includes(day) else None
            if due_time is not None:
                return datetime.combine(day, due_time, UTC)
            day, earliest = day + timedelta(days=1), time()
        raise ValueError("There is no such day.")

    def _includes(self, day: date) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _time_from(self, earliest: time) -> time | None:
        """Return the first due time of a day that isn't before this one, or None."""
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
    """A schedule with a fixed interval."""

    length: timedelta

    def next_after(self, moment: datetime) -> datetime:
        """Return the moment plus the interval."""
        return moment.astimezone(UTC) + self.length


def parse_schedule(text: str) -> Schedule:
    """Return the schedule of a timer trigger.

    Parameters
    ----------
    text
        Six fields, ``{second} {minute} {hour} {day} {month} {day of the week}``, or five, without the
        seconds; or an interval, ``hh:mm:ss``.

    Raises
    ------
    ValueError
        If the text is invalid, or names a day that never comes.
    """
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if length == timedelta():
            raise ValueError(f"The schedule {text!r} is a span of zero; expected more, such as 00:05:00.")
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
    crontab = Crontab(seconds_, minutes_, hours_, *map(frozenset, sets[3:]))
    try:
        crontab.next_after(datetime(2026, 1, 1, tzinfo=UTC))
    except ValueError:
        raise ValueError(f"The schedule {text!r} names a day that never comes.") from None
    return crontab


def _numbers(word: str, field: _Field, text: str) -> set[int]:
    """Return the numbers of a field: ``*``, numbers and names, ranges, steps."""
    numbers: set[int] = set()
    for part in word.split(","):
        extent, slash, step = part.partition("/")
        first, dash, last = extent.partition("-")
        if extent == "*":
            least, most = field.least, field.most
        else:
            least = _number(first, field, text)
            most = _number(last, field, text) if dash else field.most if slash else least
        if least > most or (slash and not (step.isascii() and step.isdigit() and int(step))):
            raise _invalid(part, field, text)
        numbers.update(range(least, most + 1, int(step) if slash else 1))
    return numbers


def _number(word: str, field: _Field, text: str) -> int:
    if word.isascii() and word.isdigit() and field.least <= int(word) <= field.most:
        return int(word)
    if len(word) >= 3:
        for number, name in enumerate(field.words):
            if name.lower().startswith(word.lower()):
                return number
    raise _invalid(word, field, text)


def _invalid(word: str, field: _Field, text: str) -> ValueError:
    return ValueError(
        f"{word!r} in the schedule {text!r} is no {field.name}; expected {field.least} to {field.most}, *, "
        "a range such as 1-5, a list such as 1,5 or a step such as */5."
    )
