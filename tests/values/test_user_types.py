"""Users' own classes: registered ones come back by themselves, others where the receiver names them."""

import dataclasses
import enum
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, NamedTuple

import pydantic
import pytest

from durablenb.model.errors import DurableError, NotSerializableError, TypeNotRegisteredError
from durablenb.values.codec import ValueCodec


@dataclass
class Item:
    name: str
    price: float = 1.0


@dataclass(frozen=True)
class Order:
    number: int
    items: list[Item]
    at: datetime = datetime(2026, 1, 1)
    note: str | None = None


class Color(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int


class Account(pydantic.BaseModel):
    owner: str = pydantic.Field(alias="Owner")
    colors: set[Color] = set()
    limits: tuple[int, ...] = ()
    parent: "Account | None" = None
    opened: datetime = datetime(2026, 1, 1)


class Money:
    """A class as Azure's library asks for: static methods."""

    def __init__(self, cents):
        self.cents = cents

    @staticmethod
    def to_json(money):
        return json.dumps({"cents": money.cents})

    @staticmethod
    def from_json(text):
        return Money(json.loads(text)["cents"])

    def __eq__(self, other):
        return isinstance(other, Money) and self.cents == other.cents

    __hash__ = None


class Weight:
    """The same, with an instance method and a class method."""

    def __init__(self, grams):
        self.grams = grams

    def to_json(self):
        return self.grams

    @classmethod
    def from_json(cls, grams):
        return cls(grams)

    def __eq__(self, other):
        return isinstance(other, Weight) and self.grams == other.grams

    __hash__ = None


ALL = [
    Order(7, [Item("tea", 2.5), Item("cup")], note="x"),
    Color.RED,
    Color.PAIR,
    Rights.READ | Rights.WRITE,
    Point(1, 2),
    Account(Owner="a", colors={Color.RED}, limits=(1, 2), parent=Account(Owner="b")),
    Money(150),
    Weight(3),
]
KINDS = [Item, Order, Color, Rights, Point, Account, Money, Weight]


@pytest.mark.parametrize("value", ALL, ids=lambda value: type(value).__name__)
def test_registered_types_come_back_by_themselves_and_unregistered_ones_where_they_are_named(codec, value):
    kind, other = type(value), ValueCodec()
    for wanted, given in (
        (kind, value),
        (list[kind], [value]),
        (dict[str, kind], {"a": value}),
        (kind | None, value),
    ):
        assert other.decode(other.encode(given), wanted) == given
    assert type(other.decode(other.encode(value), kind)) is kind
    for one in KINDS:
        codec.register(one)
    nested = {"one": value, "more": [value, (value,)]}
    back = codec.decode(codec.encode(nested))
    assert back == nested
    assert type(back["one"]) is kind
    assert other.decode(codec.encode([value]), list[kind]) == [value]  # an annotation does without one here
    assert other.decode(codec.encode(value), kind | None) == value


def test_unregistered_types_are_kept_as_plain_json(codec):
    assert json.loads(codec.encode(Item("tea", 2.5))) == {"name": "tea", "price": 2.5}
    assert json.loads(codec.encode(Color.RED)) == "red"
    assert codec.decode(codec.encode(Item("tea"))) == {"name": "tea", "price": 1.0}


def test_a_registered_name_stands_in_the_text_and_no_import_path(codec):
    codec.register(Item)
    codec.register(Color, "colour")
    assert json.loads(codec.encode([Item("tea"), Color.RED])) == [
        {"@type": "Item", "@value": {"name": "tea", "price": 1.0}},
        {"@type": "colour", "@value": "red"},
    ]


def test_registering_again_replaces_and_older_objects_still_count(codec):
    def define():
        @dataclass
        class Thing:
            size: int

        return Thing

    first, second = define(), define()
    codec.register(first)
    text = codec.encode(first(1))
    codec.register(second)
    assert type(codec.decode(text)) is second
    assert codec.encode(first(1)) == text


def test_a_class_may_be_registered_under_several_names_and_the_last_is_written(codec):
    codec.register(Item, "thing")
    old = codec.encode(Item("tea"))
    codec.register(Item, "item")
    assert codec.decode(old) == Item("tea")
    assert '"item"' in codec.encode(Item("tea"))


def test_a_type_that_is_not_registered_here_is_named(codec):
    codec.register(Item)
    text = codec.encode({"all": [Item("tea")]})
    with pytest.raises(
        TypeNotRegisteredError, match=r"'Item', which isn't registered.*hub\.register_type"
    ) as info:
        ValueCodec().decode(text)
    assert isinstance(info.value, (DurableError, LookupError))


def test_dataclasses_come_back_with_the_state_they_had(codec):
    @dataclass
    class Counter:
        start: int
        count: int = field(init=False, default=0)
        seen: list[int] = field(default_factory=list)
        kind: ClassVar[str] = "counter"

        def __post_init__(self):
            self.start = self.start + 1

    codec.register(Counter)
    counter = Counter(1)
    counter.count = 5
    counter.seen.append(3)
    assert codec.decode(codec.encode(counter)) == counter


def test_frozen_slotted_dataclasses_come_back(codec):
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Pin:
        code: int
        tags: frozenset[str] = frozenset()

    codec.register(Pin)
    assert codec.decode(codec.encode({Pin(code=1, tags=frozenset("a")): 1})) == {
        Pin(code=1, tags=frozenset("a")): 1
    }


def test_a_dataclass_that_lost_or_gained_a_field_since_can_still_be_read(codec):
    @dataclass
    class Old:
        name: str
        dropped: int = 1

    @dataclass
    class New:
        name: str
        added: str = "new"

    codec.register(Old, "Thing")
    text = codec.encode(Old("x"))
    codec.register(New, "Thing")
    assert codec.decode(text) == New("x")


def test_a_dataclass_that_needs_what_it_does_not_keep_is_refused_on_registration(codec):
    @dataclass
    class Peculiar:
        name: str
        seed: dataclasses.InitVar[int]

    with pytest.raises(TypeError, match=r"needs seed, which is no field\. Give it the methods to_json"):
        codec.register(Peculiar)


def test_what_can_not_be_registered_is_refused_and_told_why(codec):
    for kind in (object, int, dict, type("Plain", (), {})):
        with pytest.raises(TypeError, match="is no dataclass, enum, named tuple or pydantic model"):
            codec.register(kind)
    for name in ("datetime", "tuple", "pandas.DataFrame", "numpy.float32", "picture", "pickle"):
        with pytest.raises(ValueError, match="is taken"):
            codec.register(Item, name)
    for name in ("", 5):
        with pytest.raises(ValueError, match="A type's name is text"):
            codec.register(Item, name)
    with pytest.raises(TypeError, match="Expected a class"):
        codec.register(Item("tea"))


def test_what_a_class_of_the_users_raises_while_it_is_written_is_told_with_the_path(codec):
    class Broken:
        def to_json(self):
            raise RuntimeError("out of order")

        @staticmethod
        def from_json(data):
            return Broken()

    with pytest.raises(
        NotSerializableError,
        match=r"value\['a'\]\[1\] is a .*Broken that can't be written down .*out of order",
    ) as info:
        codec.encode({"a": [1, Broken()]})
    assert isinstance(info.value.__cause__, RuntimeError)


def test_a_class_that_writes_itself_as_itself_is_refused(codec):
    class Mirror:
        def to_json(self):
            return self

        @staticmethod
        def from_json(data):
            return data

    with pytest.raises(NotSerializableError, match="a reference to itself"):
        codec.encode(Mirror())


def test_a_to_json_that_never_ends_is_blamed_itself(codec):
    class Endless:
        def to_json(self):
            return self.to_json()

        @staticmethod
        def from_json(data):
            return data

    with pytest.raises(NotSerializableError, match=r"Endless that can't be written down \(RecursionError"):
        codec.encode([Endless()])


def test_keys_and_items_of_sets_that_would_not_come_back_hashable_are_refused(codec):
    order = Order(1, ())
    for value in ({order: 1}, {order}, frozenset([order]), {(1, order): 2}):
        with pytest.raises(NotSerializableError, match=r"as a key, or in a set.*Register its type"):
            codec.encode(value)
    codec.register(Order)
    for value in ({order: 1}, {order}, frozenset([order]), {(1, order): 2}):
        assert codec.decode(codec.encode(value)) == value


def test_pydantic_models_are_validated_when_they_come_from_plain_json(codec):
    text = '{"Owner": "a", "colors": ["red"], "limits": [1, 2], "opened": "2026-02-03T04:05:06"}'
    account = codec.decode(text, Account)
    assert account == Account(
        Owner="a", colors={Color.RED}, limits=(1, 2), opened=datetime(2026, 2, 3, 4, 5, 6)
    )
    with pytest.raises(TypeError, match="can't be made a Account: ValidationError"):
        codec.decode('{"Owner": 5}', Account)


def test_a_model_may_hold_what_pydantic_does_not_know():
    class Holder(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
        money: Money

    codec = ValueCodec()
    codec.register(Holder)
    codec.register(Money)
    assert codec.decode(codec.encode(Holder(money=Money(3)))) == Holder(money=Money(3))
