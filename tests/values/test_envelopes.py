"""Azure's envelope of an object is read with the classes that are at hand, and no name in it is looked up."""

import sys

import pytest
from azure.functions._durable_functions import _serialize_custom_object

import durablenb as df
from durablenb.values.codec import ValueCodec


class Item:
    def __init__(self, name):
        self.name = name

    @staticmethod
    def to_json(item):
        return {"name": item.name}

    @staticmethod
    def from_json(fields):
        return Item(fields["name"])

    def __eq__(self, other):
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None


class Order:
    def __init__(self, number, items=()):
        self.number, self.items = number, list(items)

    @staticmethod
    def to_json(order):
        return {"number": order.number, "items": [_serialize_custom_object(item) for item in order.items]}

    @staticmethod
    def from_json(fields):
        return Order(fields["number"], fields["items"])

    __eq__ = Item.__eq__
    __hash__ = None


ORDER = Order(7, [Item("a"), Item("b")])


def sent(value):
    """The request of a client of Azure's."""
    return _serialize_custom_object(value)


@pytest.fixture
def codec():
    codec = ValueCodec()
    codec.register(Order)
    codec.register(Item)
    return codec


def test_an_envelope_of_registered_classes_comes_back_at_any_depth(codec):
    text = codec.encode({"orders": [sent(ORDER)], "n": 1})
    assert codec.decode(text) == {"orders": [ORDER], "n": 1}
    assert codec.decode(text, dict[str, list[Order] | int]) == {"orders": [ORDER], "n": 1}


@pytest.mark.parametrize(
    ("value", "wanted", "made"),
    [
        (sent(Item("a")), Item, Item("a")),
        ([sent(Item("a"))], list[Item], [Item("a")]),
        (sent(Item("a")), Item | None, Item("a")),
        (sent(Item("a")), Order | Item, Item("a")),
        ({"one": sent(Item("a"))}, dict[str, Item], {"one": Item("a")}),
        ({"name": "a"}, Item, Item("a")),
        (sent(Item("a")), None, sent(Item("a"))),
        (sent(Item("a")), dict, sent(Item("a"))),
    ],
)
def test_the_type_that_is_asked_for_reads_its_envelope(value, wanted, made):
    codec = ValueCodec()
    assert codec.decode(codec.encode(value), wanted) == made


def test_another_class_in_the_envelope_is_an_error_that_names_both():
    codec = ValueCodec()
    envelope = {"__class__": "Invoice", "__module__": "shop.models", "__data__": {"name": "a"}}
    with pytest.raises(TypeError, match=r"a Invoice of the module shop\.models, and not a Item of tests"):
        codec.decode(codec.encode(envelope), Item)


def test_a_class_of_the_same_name_in_another_module_is_another_class(codec):
    envelope = {**sent(Item("a")), "__module__": "shop.models"}
    assert codec.decode(codec.encode(envelope)) == envelope
    with pytest.raises(TypeError, match=r"of the module shop\.models"):
        codec.decode(codec.encode(envelope), Item)


def test_a_class_of_a_notebook_is_known_by_its_name(codec):
    assert codec.decode(codec.encode({**sent(Item("a")), "__module__": "__main__"})) == Item("a")
    here = type("Item", (Item,), {"__module__": "__main__", "from_json": staticmethod(lambda _: "here")})
    codec.register(here, "other")
    assert codec.decode(codec.encode({**sent(Item("a")), "__module__": "shop.models"})) == "here"
    assert codec.decode(codec.encode(sent(Item("a")))) == Item("a")  # that of its own module comes first


@pytest.mark.parametrize(
    "fields",
    [
        {"__class__": "Popen", "__module__": "subprocess", "__data__": ["true"]},
        {"__class__": "Path", "__module__": "pathlib", "__data__": "/"},
        {"__class__": "Item", "__module__": "this", "__data__": {}},
        {"__class__": 1, "__module__": [], "__data__": {}},
        {"__class__": "Item", "__data__": {}},
        {**sent(Item("a")), "more": 1},
    ],
)
def test_what_names_nothing_that_is_at_hand_stays_as_it_is(codec, fields):
    sys.modules.pop("this", None)
    assert codec.decode(codec.encode(fields)) == fields
    assert "this" not in sys.modules


def test_an_orchestration_takes_envelopes_as_input_event_and_result():
    with df.TaskHub(":memory:", mode="kernel") as hub:

        @hub.orchestrator
        def typed(context):
            order = context.get_input(expected_type=Item)
            event = yield context.wait_for_external_event("e", expected_type=Item)
            result = yield context.call_activity("act", order, expected_type=Item)
            return [order.name, event.name, result.name]

        @hub.activity
        def act(item: Item):
            return {**sent(Item("c")), "__module__": Item.__module__}

        handle = hub.start(typed, sent(Item("a")))
        handle.raise_event("e", sent(Item("b")))
        assert handle.result() == ["a", "b", "c"]
