"""Plain JSON, from a page or another program, is rebuilt as the receiver's annotation says."""

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from uuid import UUID

import pytest

from durablenb.values.codec import ValueCodec
from tests.values.sameness import is_same


@dataclass
class Item:
    name: str
    price: float = 1.0


@dataclass
class Order:
    number: int
    items: list[Item] = field(default_factory=list)
    shipped: "datetime | None" = None
    parent: "Order | None" = None


@dataclass
class Cash:
    amount: int


@dataclass
class Card:
    number: str
    amount: int


class Color(Enum):
    RED = "red"


class Point(NamedTuple):
    x: int
    at: date


class Fields(TypedDict, total=False):
    item: Item
    when: date


T = TypeVar("T")
B = TypeVar("B", bound=Item)
OrderId = NewType("OrderId", UUID)
Bag = NewType("Bag", list[Item])


@dataclass
class Box(typing.Generic[T]):
    content: T


class Response(dict):
    @staticmethod
    def from_json(fields):
        return Response(fields)


ID = "12345678-1234-5678-1234-567812345678"
TEA = {"name": "tea", "price": 2.5}


@pytest.mark.parametrize(
    ("plain", "wanted", "made"),
    [
        (TEA, Item, Item("tea", 2.5)),
        ({"name": "tea"}, Item, Item("tea")),
        ({"name": "tea", "price": 2}, Item, Item("tea", 2.0)),
        ({"name": "tea", "unknown": 1}, Item, Item("tea")),
        ([TEA], list[Item], [Item("tea", 2.5)]),
        ([TEA], typing.List[Item], [Item("tea", 2.5)]),  # noqa: UP006
        ([TEA], Sequence[Item], [Item("tea", 2.5)]),
        ([TEA], Iterable[Item], [Item("tea", 2.5)]),
        ([TEA, 5], tuple[Item, int], (Item("tea", 2.5), 5)),
        ([TEA], tuple[Item, ...], (Item("tea", 2.5),)),
        ([1, 2], tuple[int], (1, 2)),
        ([1, 1], set[int], {1}),
        (["red"], frozenset[Color], frozenset({Color.RED})),
        ([1], tuple, (1,)),
        ([1], set, {1}),
        ({"a": TEA}, dict[str, Item], {"a": Item("tea", 2.5)}),
        ({"a": TEA}, Mapping[str, Item], {"a": Item("tea", 2.5)}),
        ({"2026-01-01": "red"}, dict[date, Color], {date(2026, 1, 1): Color.RED}),
        (TEA, Item | None, Item("tea", 2.5)),
        (TEA, Optional[Item], Item("tea", 2.5)),  # noqa: UP045
        (None, Item | None, None),
        (None, Item, None),
        ({"amount": 5}, Union[Card, Cash], Cash(5)),  # noqa: UP007
        ({"number": "1", "amount": 5}, Cash | Card, Card("1", 5)),
        ({"number": "1", "amount": 5, "more": 1}, Cash | Card | str, Cash(5)),
        ("red", Color | int, Color.RED),
        (5, Color | int, 5),
        ("x", int | str, "x"),
        ({"number": 1, "items": [TEA], "shipped": "2026-01-01T00:00:00Z", "parent": {"number": 2}}, Order,
         Order(1, [Item("tea", 2.5)], datetime(2026, 1, 1, tzinfo=UTC), Order(2))),
        ([1, "2026-01-01"], Point, Point(1, date(2026, 1, 1))),
        ({"x": 1, "at": "2026-01-01"}, Point, Point(1, date(2026, 1, 1))),
        ({"item": TEA, "when": "2026-01-01"}, Fields, {"item": Item("tea", 2.5), "when": date(2026, 1, 1)}),
        (ID, UUID, UUID(ID)),
        (ID, OrderId, UUID(ID)),
        ([TEA], Bag, [Item("tea", 2.5)]),
        ("1.50", Decimal, Decimal("1.50")),
        ("12:30", time, time(12, 30)),
        ("a/b", Path, Path("a/b")),
        (3, float, 3.0),
        (TEA, Annotated[Item, "tea"], Item("tea", 2.5)),
        (TEA, B, Item("tea", 2.5)),
        (TEA, T, TEA),
        (TEA, Any, TEA),
        (TEA, object, TEA),
        (TEA, dict, TEA),
        (TEA, None, TEA),
        ("a", Literal["a", "b"], "a"),
        ({"content": 5}, Box[int], Box(5)),
        ({"a": 1}, Response, Response(a=1)),
        # What doesn't fit a type of Python's own is left alone, as Python itself would.
        ("no date", date, "no date"),
        ("x", int, "x"),
        (5, str, 5),
        (5, list[Item], 5),
        ("x", tuple[int, int], "x"),
        (5, dict[str, int], 5),
        (5, Fields, 5),
    ],
)  # fmt: skip
def test_json_becomes_what_the_annotation_says(plain, wanted, made):
    codec = ValueCodec()
    assert is_same(codec.decode(codec.encode(plain), wanted), made)


@pytest.mark.parametrize(
    ("plain", "wanted", "message"),
    [
        (
            {"price": 1},
            Item,
            r"can't be made a Item: TypeError: .*missing 1 required positional argument: 'name'",
        ),
        (5, Item, "5 can't be made a Item: it is no dict"),
        ("blue", Color, "'blue' can't be made a Color: ValueError: 'blue' is not a valid Color"),
        ([{"price": 1}], list[Item], "can't be made a Item"),
        ({"x": 1}, Cash | Card, "can't be made a Cash"),
        ("x" * 500, Point, "x… can't be made a Point: TypeError: it is neither a list nor a dict"),
    ],
)
def test_what_can_not_be_made_a_class_of_the_users_is_told(plain, wanted, message):
    codec = ValueCodec()
    with pytest.raises(TypeError, match=message):
        codec.decode(codec.encode(plain), wanted)


def test_an_object_that_is_there_already_is_left_alone():
    codec = ValueCodec()
    codec.register(Cash)
    assert codec.decode(codec.encode(Cash(5)), Item) == Cash(5)
    assert codec.decode(codec.encode([Cash(5)]), list[Item]) == [Cash(5)]


def test_an_annotation_that_names_something_unknown_hinders_no_other():
    @dataclass
    class Half:
        item: Item
        other: "NotThereYet"  # noqa: F821

    codec = ValueCodec()
    made = codec.decode('{"item": {"name": "tea"}, "other": {"a": 1}}', Half)
    assert made.other == {"a": 1}
