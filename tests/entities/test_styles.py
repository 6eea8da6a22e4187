"""An entity is a function of its context, or a class whose methods are the operations."""

import asyncio
import os
from dataclasses import dataclass, field

import pydantic
import pytest

import durablenb as df
from tests.entities.conftest import Kernel

A = df.EntityId("Counter", "a")


def ask(hub, *operations, entity=A):
    """Return the results of these operations, called one after the other; failures as text."""

    @hub.orchestrator
    def asking(context):
        results = []
        for name, *given in operations:
            try:
                results.append((yield context.call_entity(entity, name, *given)))
            except Exception as error:
                results.append(f"{type(error).__name__}: {error.details.message}")
        return results

    return hub.run(asking)


def test_the_result_is_what_was_set_or_else_what_is_returned(hub):
    @hub.entity
    def counter(context):
        if context.operation_name == "set":
            context.set_result(context.get_input())
        return "returned"

    assert ask(hub, ("set", 1), ("other",), ("set", None)) == [1, "returned", None]


def test_the_context_says_which_operation_of_which_entity_it_is_for(hub):
    @hub.entity
    def counter(context):
        was_new = context.is_newly_constructed
        context.set_state(1)
        return [context.entity_name, context.entity_key, context.operation_name, context.get_input(), was_new]

    assert ask(hub, ("look", 7), ("again", None)) == [
        ["counter", "a", "look", 7, True],
        ["counter", "a", "again", None, False],
    ]


def test_an_initial_state_is_kept_once_it_is_set(hub):
    @hub.entity
    def counter(context):
        value = context.get_state(lambda: 0)
        if context.operation_name == "set":
            context.set_state(value)
        return value

    assert ask(hub, ("get",)) == [0]
    assert hub.client.read_entity_state(A) == df.EntityStateResponse(False)
    ask(hub, ("set",))
    assert hub.client.read_entity_state(A) == df.EntityStateResponse(True, 0)


class Counter:
    def __init__(self):
        self.value = 0
        self.log = []

    def add(self, amount: int = 10):
        self.value += amount
        self.log.append(amount)
        return self.value

    def Get(self):
        return self.value

    def _private(self):
        raise AssertionError


HAS = "It has: Get, add, delete."


@pytest.mark.parametrize(
    ("operations", "results"),
    [
        ([("add", 2), ("add", 3), ("Get",)], [2, 5, 5]),
        ([("ADD", 2), ("get",), ("Delete",), ("get",)], [2, 2, None, 0]),
        ([("add",), ("add", 1)], [10, 11]),
        ([("_private",)], [f"FunctionNotFoundError: Counter has no operation '_private'. {HAS}"]),
        ([("ad", 1)], [f"FunctionNotFoundError: Counter has no operation 'ad'. Did you mean 'add'? {HAS}"]),
    ],
    ids=str,
)
def test_the_methods_of_a_plain_class_are_operations_and_so_is_delete(hub, operations, results):
    hub.add_entity(Counter)
    assert ask(hub, *operations) == results


def test_the_state_of_a_plain_class_is_its_attributes(hub):
    hub.add_entity(Counter)
    ask(hub, ("add", 2), ("add", 3))
    assert hub.entity_state(A) == {"value": 5, "log": [2, 3]}


def test_an_attribute_that_the_class_got_since_has_its_first_value(hub):
    hub.add_entity(Counter)
    ask(hub, ("add", 2))

    @hub.entity(name="Counter")
    class Grown(Counter):
        def __init__(self):
            super().__init__()
            self.note = "new"

        def look(self):
            return [self.value, self.note]

    assert ask(hub, ("look",)) == [[2, "new"]]


def test_a_dataclass_with_values_of_classes(hub):
    @dataclass
    class Line:
        article: str
        price: float

    @hub.entity(name="Counter")
    @dataclass
    class Cart:
        lines: list[Line] = field(default_factory=list)
        owner: str = ""

        def put(self, line: Line) -> float:
            assert isinstance(line, Line)
            self.lines.append(line)
            return self.total()

        def total(self) -> float:
            return sum(line.price for line in self.lines)

    hub.register_type(Line)
    assert ask(hub, ("put", Line("a", 1.5)), ("put", Line("b", 2.0)), ("total",)) == [1.5, 3.5, 3.5]


def test_a_pydantic_model(hub):
    @hub.entity(name="Counter")
    class Thermostat(pydantic.BaseModel):
        degrees: float = 20.0

        def warmer(self, by: float):
            self.degrees += by
            return self.degrees

    assert ask(hub, ("warmer", 1.5), ("warmer", 1)) == [21.5, 22.5]
    assert hub.entity_state(A) == {"degrees": 22.5}
    assert "model_dump" not in ask(hub, ("model_dump",))[0].partition("It has:")[2]


def test_a_class_may_say_itself_what_deleting_is(hub):
    @hub.entity
    class Counter:
        def __init__(self):
            self.value = 1

        def delete(self, context):
            context.destruct_on_exit()
            return "gone"

    assert ask(hub, ("delete",)) == ["gone"]
    assert hub.entity_state(A) is None


def test_a_class_that_can_be_no_entity_is_refused(hub):
    class Empty:
        pass

    class Wide:
        def move(self, left, right):
            pass

    with pytest.raises(TypeError, match="Empty has no public method"):
        hub.add_entity(Empty)
    with pytest.raises(TypeError, match=r"move takes left, right; an operation has one input"):
        hub.add_entity(Wide)


@pytest.mark.parametrize("mode", ["threads", "kernel"])
def test_operations_may_be_async(mode):
    with df.TaskHub(":memory:", mode=mode) as hub:

        @hub.entity
        async def counter(context):
            await asyncio.sleep(0)
            context.set_state(context.get_state(lambda: 0) + context.get_input())
            return context.get_state()

        @hub.entity
        class Mixed:
            def __init__(self):
                self.value = 0

            async def slowly(self, amount):
                await asyncio.sleep(0)
                self.value += amount
                return self.value

            def quickly(self, amount):
                self.value += amount
                return self.value

        assert ask(hub, ("add", 2), ("add", 3)) == [2, 5]
        other = df.EntityId("Mixed", "m")
        assert ask(hub, ("slowly", 2), ("quickly", 3), entity=other) == [2, 5]


def test_operations_may_run_in_processes():
    with df.TaskHub(":memory:") as hub:

        @hub.entity(executor="processes")
        def counter(context):
            if context.operation_name == "die":
                os._exit(3)
            context.set_state(context.get_state(lambda: 0) + context.get_input())
            return [os.getpid(), context.get_state()]

        for _ in range(3):
            hub.client.signal_entity(A, "add", 1)
        (first, died, last) = ask(hub, ("add", 1), ("die",), ("add", 1))
        assert first[0] != os.getpid()
        assert first[1] == 4
        assert died.startswith("ChildProcessError: The process in which the activity ran died")
        assert last[1] == 5


def test_an_orchestrator_holds_an_entity_as_an_object(hub):
    hub.add_entity(Counter)

    @hub.orchestrator
    def use(context):
        counter = context.entity(Counter, "a")
        yield counter.add(2)
        yield context.entity("counter", "b").add(1)
        return (yield counter.add(3))

    assert hub.run(use) == 5
    assert repr(hub.entity(Counter, "a")) == "<counter a: Idle, 2 operations>"


def test_a_client_signals_an_entity_as_an_object(hub):
    @hub.entity
    class Box(Counter):
        def state(self, amount):
            self.value = amount

        def save(self):
            self.saved = self.value

    box = hub.entity(Box, "a")
    assert box.add(2) is None
    box.signal("state", 40)
    box.add(2)
    box.signal("save")  # as a method of the handle, it writes a page
    box.add(1)
    hub.settle()
    state = box.state()
    assert (state["value"], state["saved"]) == (43, 42)
    with pytest.raises(TypeError):
        box.add(1, 2)


def test_a_run_on_a_virtual_clock_is_the_same_to_the_microsecond_when_operations_take_time():
    def run():
        clock = df.VirtualClock()
        with Kernel(":memory:", mode="kernel", clock=clock) as hub:
            hub.add_entity(lambda context: clock.advance(seconds=2), "slow")
            for _ in range(3):
                hub.client.signal_entity(df.EntityId("slow", "x"), "work")
            hub.settle()
            query = "select started, ended, epoch(run_time) from entity_operations order by seq"
            return hub.sql(query).fetchall()

    first = run()
    assert [row[2] for row in first] == [2, 2, 2]
    assert run() == first
