"""Schedules: NCRONTAB with its six fields, and spans of time."""

from datetime import UTC, datetime, time, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durablenb.azure.schedules import parse_schedule

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)  # a Thursday


def following(text, count=3, start=START):
    schedule, found = parse_schedule(text), []
    for _ in range(count):
        start = schedule.next_after(start)
        found.append(f"{start:%y-%m-%d %H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 */5 * * * *", ["26-01-01 12:05:00", "26-01-01 12:10:00", "26-01-01 12:15:00"]),
        ("*/5 * * * *", ["26-01-01 12:05:00", "26-01-01 12:10:00", "26-01-01 12:15:00"]),
        ("*/20 * * * * *", ["26-01-01 12:00:20", "26-01-01 12:00:40", "26-01-01 12:01:00"]),
        ("10/25 * * * * *", ["26-01-01 12:00:10", "26-01-01 12:00:35", "26-01-01 12:01:10"]),
        ("0 0 9-17 * * *", ["26-01-01 13:00:00", "26-01-01 14:00:00", "26-01-01 15:00:00"]),
        ("0 30 9 * * 1-5", ["26-01-02 09:30:00", "26-01-05 09:30:00", "26-01-06 09:30:00"]),
        ("0 30 9 * * Mon,fri", ["26-01-02 09:30:00", "26-01-05 09:30:00", "26-01-09 09:30:00"]),
        ("0 0 0 * * SUN", ["26-01-04 00:00:00", "26-01-11 00:00:00", "26-01-18 00:00:00"]),
        ("0 0 0 1 January *", ["27-01-01 00:00:00", "28-01-01 00:00:00", "29-01-01 00:00:00"]),
        ("0 0 0 31 * *", ["26-01-31 00:00:00", "26-03-31 00:00:00", "26-05-31 00:00:00"]),
        ("0 0 0 29 2 *", ["28-02-29 00:00:00", "32-02-29 00:00:00", "36-02-29 00:00:00"]),
        ("59 59 23 31 12 *", ["26-12-31 23:59:59", "27-12-31 23:59:59", "28-12-31 23:59:59"]),
        ("00:10:00", ["26-01-01 12:10:00", "26-01-01 12:20:00", "26-01-01 12:30:00"]),
        ("1.02:00:00", ["26-01-02 14:00:00", "26-01-03 16:00:00", "26-01-04 18:00:00"]),
    ],
)
def test_times_follow_each_other(text, expected):
    assert following(text) == expected


def test_a_day_has_to_be_both_that_of_the_month_and_that_of_the_week():
    assert following("0 0 0 13 * 5") == ["26-02-13 00:00:00", "26-03-13 00:00:00", "26-11-13 00:00:00"]
    assert following("0 0 0 29 2 1", 2) == ["44-02-29 00:00:00", "72-02-29 00:00:00"]


def test_the_next_time_is_later_by_less_than_a_second_too():
    assert parse_schedule("* * * * * *").next_after(START + timedelta(milliseconds=1)) == START + timedelta(
        seconds=1
    )


def test_times_are_utc_whatever_the_clock_says():
    berlin = START.astimezone(timezone(timedelta(hours=1)))
    assert parse_schedule("0 0 13 * * *").next_after(berlin) == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("60 * * * * *", "'60' in the schedule .* is no second; expected 0 to 59"),
        ("* * * 0 * *", "is no day; expected 1 to 31"),
        ("* * * * 13 *", "is no month"),
        ("* * * * * 7", "is no day of the week; expected 0 to 6"),
        ("* * * * * Frag", "'Frag'"),
        ("* * * * * Mo", "'Mo'"),
        ("5-1 * * * * *", "'5-1'"),
        ("*/0 * * * * *", r"'\*/0'"),
        ("*/x * * * * *", r"'\*/x'"),
        ("1,,2 * * * * *", "''"),
        ("? * * * * *", r"'\?'"),
        ("-1 * * * * *", "''"),
        ("٣ * * * * *", "'٣'"),
        ("0 0 0 30 2 *", "a day that never comes"),
        ("0 0 0 31 4,6 *", "a day that never comes"),
        ("00:00:00", "is a span of zero"),
    ],
)
def test_what_is_no_schedule_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse_schedule(text)


def numbers(least, most):
    one = st.integers(least, most)
    steps = st.integers(1, most)
    ranges = st.tuples(one, one).map(sorted)
    return st.one_of(
        st.just(("*", set(range(least, most + 1)))),
        st.sets(one, min_size=1, max_size=4).map(lambda some: (",".join(map(str, some)), some)),
        ranges.map(lambda ends: (f"{ends[0]}-{ends[1]}", set(range(ends[0], ends[1] + 1)))),
        steps.map(lambda step: (f"*/{step}", set(range(least, most + 1, step)))),
        st.tuples(ranges, steps).map(
            lambda it: (f"{it[0][0]}-{it[0][1]}/{it[1]}", set(range(it[0][0], it[0][1] + 1, it[1])))
        ),
    )


def first_after(fields, start):
    """The first time after that one, found by going through the days one by one."""
    seconds, minutes, hours, days, months, weekdays = fields
    times = list(product(sorted(hours), sorted(minutes), sorted(seconds)))
    begun = (start.hour, start.minute, start.second)
    for count in range(366 * 41):
        day = start.date() + timedelta(days=count)
        if day.day in days and day.month in months and day.isoweekday() % 7 in weekdays:
            found = next((one for one in times if count or one > begun), None)
            if found is not None:
                return datetime.combine(day, time(*found), UTC)
    return None


@given(
    st.tuples(numbers(0, 59), numbers(0, 59), numbers(0, 23), numbers(1, 31), numbers(1, 12), numbers(0, 6)),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_no_time_of_a_schedule_is_left_out(fields, start):
    expected = first_after([numbers for _, numbers in fields], start)
    text = " ".join(word for word, _ in fields)
    if expected is None:
        with pytest.raises(ValueError, match="never comes"):
            parse_schedule(text)
    else:
        assert parse_schedule(text).next_after(start) == expected
