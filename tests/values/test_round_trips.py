"""JSON's values and the standard library's types come back as they were."""

import json
import os
import string
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durablenb.core.moment import Moment
from durablenb.model.payloads import DEPTH_LIMIT
from durablenb.values.codec import ValueCodec
from tests.values.sameness import is_same

text = st.text(st.characters(codec=None, categories=None), max_size=8) | st.sampled_from(
    ["@type", "@value", "@payload", "tuple", "\ud800", "\0", '"@type"', "é😀"]
)
zones = (
    st.none()
    | st.timezones()
    | st.just(UTC)
    | st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone)
)
hashables = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | text
    | st.binary(max_size=8)
    | st.dates()
    | st.datetimes(timezones=zones)
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text(string.ascii_letters, min_size=1).map(Path),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
values = st.recursive(
    hashables | st.floats() | st.decimals() | st.binary(max_size=8).map(bytearray) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(text, inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.sets(hashables, max_size=4)
    ),
    max_leaves=20,
)


@given(values)
def test_a_value_comes_back_as_it_was_and_is_written_with_the_same_text(value):
    codec = ValueCodec()
    encoded = codec.encode(value)
    found = codec.decode(encoded)
    assert is_same(found, value)
    assert codec.encode(found) == encoded
    assert encoded.isascii()
    json.loads(encoded, parse_constant=pytest.fail)


keys = st.text().filter(lambda key: not key.startswith("$"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
)


@given(json_values)
def test_json_stays_the_plain_json_that_other_tools_read_and_any_json_can_be_read(value):
    assert ValueCodec().encode(value) == json.dumps(value)
    assert is_same(ValueCodec().decode(json.dumps(value)), value)


@pytest.mark.parametrize(
    "value",
    [
        {"@type": "datetime", "@value": "2026-01-01"},
        {"@type": "os.system", "@value": "true"},
        {"@payload": "0" * 64},
        {"a": [{"@type": 1}, {"@type": {"@type": None}}]},
        {"@type": {"@value": [1]}, 2: "@payload"},
        '{"@type": "tuple", "@value": []}',
    ],
)
def test_dicts_that_look_like_tags_are_just_dicts(round_trip, value):
    assert round_trip(value) == value


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN),  # comes twice: in summer time ...
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),  # ... and an hour later
        datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN),  # never comes
        *(
            datetime(2026, 1, 1, tzinfo=timezone(timedelta(microseconds=n)))
            for n in (1, -1, 999_999, 60_000_001)
        ),
        datetime(2026, 3, 29, 2, 30, fold=1, tzinfo=BERLIN),
        datetime(1880, 1, 1, tzinfo=BERLIN),  # an offset with seconds in it
        datetime(2026, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime.max,
        datetime.min,
    ],
)
def test_a_moment_keeps_its_zone_and_its_side_of_a_clock_change(round_trip, moment):
    back = round_trip(moment)
    assert back == moment
    assert back.utcoffset() == moment.utcoffset()
    assert str(back.tzinfo) == str(moment.tzinfo)
    assert (back.tzinfo is None) == (moment.tzinfo is None)


def test_times_of_a_zone_keep_it(round_trip):
    assert round_trip(time(12, 30, tzinfo=BERLIN)) == time(12, 30, tzinfo=BERLIN)
    assert round_trip(time(12, 30, tzinfo=UTC)).tzinfo is UTC


Point = namedtuple("Point", ["x", "y"])


class Level(IntEnum):
    HIGH = 3


class Color(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (Point(1, 2), (1, 2)),
        (Level.HIGH, 3),
        (Color.RED, "red"),
        ({Color.RED: Level.HIGH}, {"red": 3}),
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, {1: (2,)}), {1: (2,)}),
        (Moment.of(datetime(2026, 1, 1, tzinfo=UTC)), datetime(2026, 1, 1, tzinfo=UTC)),
        (PurePosixPath("a/b"), Path("a/b")),
        (type("Name", (str,), {})("x"), "x"),
        (type("Number", (int,), {"__repr__": lambda self: "?"})(7), 7),
        (type("Share", (float,), {"__repr__": lambda self: "?"})(0.5), 0.5),
        (type("Basket", (list,), {})([1, (2,)]), [1, (2,)]),
    ],
    ids=repr,
)
def test_subclasses_come_back_as_what_they_are_made_of(round_trip, value, kept):
    assert is_same(round_trip(value), kept)


def test_a_set_has_the_same_text_in_every_process():
    program = (
        "from durablenb.values.codec import ValueCodec\n"
        "names = {'ab', 'cd', 'ef', 'gh', 'ij', 3, None, ('x', 2), frozenset({'y', 'z'})}\n"
        "print(ValueCodec().encode([names, frozenset(names)]))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in (1, 2)
    }
    assert len(texts) == 1


def test_the_text_can_be_read_by_people():
    moment = datetime(2026, 3, 1, 12, tzinfo=BERLIN)
    assert ValueCodec().encode([moment, Decimal("1.50"), {"a": (1, {2})}]) == (
        '[{"@type": "datetime", "@value": "2026-03-01T12:00:00+01:00[Europe/Berlin]"}, '
        '{"@type": "decimal", "@value": "1.50"}, '
        '{"a": {"@type": "tuple", "@value": [1, {"@type": "set", "@value": [2]}]}}]'
    )


def nested(levels, wrap):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize(
    ("wrap", "levels_each"),
    [(lambda inner: [inner], 1), (lambda inner: {"a": inner}, 1), (lambda inner: (inner,), 2)],
    ids=["lists", "dicts", "tuples"],
)
def test_values_may_be_as_deep_as_is_promised(round_trip, wrap, levels_each):
    value = nested(DEPTH_LIMIT // levels_each, wrap)
    assert round_trip(value) == value


@pytest.mark.parametrize("value", [0, False, "", None, [], {}, (), set(), b"", 0.0, timedelta(0)])
def test_false_values_are_values(round_trip, value):
    assert is_same(round_trip(value), value)


def test_large_numbers_and_texts_come_back(round_trip):
    assert round_trip(10**4000) == 10**4000
    assert round_trip("é\ud800\0" * 400_000) == "é\ud800\0" * 400_000
    assert round_trip(UUID(int=2**128 - 1)) == UUID(int=2**128 - 1)
    assert round_trip(date.max) == date.max
