"""Entities on a durabletask worker: functions and classes, states, locks, signals, failures."""

from datetime import timedelta

import pytest
from durabletask.entities import EntityInstanceId

import durablenb as df
from tests.waiting import until


def ask(hub):
    """Register an orchestrator that calls operations in turn."""

    @hub.orchestrator
    def asks(context):
        key, calls = context.get_input()
        results = []
        for operation, given in calls:
            try:
                results.append((yield context.call_entity(df.EntityId("Thing", key), operation, given)))
            except ValueError as error:
                results.append(str(error))
        return results


def test_a_function_with_a_state_that_is_none_deleted_and_new(bridge):
    @bridge.hub.entity(name="Thing")
    def thing(context):
        match context.operation_name:
            case "set":
                context.set_state(context.get_input())
            case "drop":
                context.destruct_on_exit()
        return [context.is_newly_constructed, context.get_state()]

    ask(bridge.hub)
    bridge.serve()
    calls = [("look", 0), ("set", None), ("look", 0), ("set", {"a": (1, 2)}), ("drop", 0), ("look", 0)]
    assert bridge.run("asks", ["k", calls]) == [
        [True, None],
        [True, None],
        [False, None],
        [False, {"a": (1, 2)}],
        [False, {"a": (1, 2)}],
        [True, None],
    ]


def test_an_operation_that_raises_changes_nothing(bridge):
    @bridge.hub.entity(name="Thing")
    class Thing:
        def __init__(self):
            self.items = []

        def add(self, item: int, context: df.DurableEntityContext):
            self.items.append(item)
            context.signal_entity(df.EntityId("Thing", "other"), "add", item)
            if item < 0:
                raise ValueError("negative")
            return self.items

        async def size(self):
            return len(self.items)

    ask(bridge.hub)
    bridge.serve()
    calls = [("add", 1), ("add", -1), ("ADD", 2), ("size", None), ("delete", None), ("size", None)]
    assert bridge.run("asks", ["k", calls]) == [[1], "negative", [1, 2], 2, None, 0]
    other = EntityInstanceId("Thing", "other")
    until(lambda: (bridge.client.get_entity(other).get_typed_state() or {}).get("items") is not None)


def test_an_unknown_operation_says_what_there_is(bridge):
    @bridge.hub.entity(name="Thing")
    class Thing:
        def open(self):
            return True

    @bridge.hub.orchestrator
    def asks(context):
        yield context.entity("Thing", "k").opne()

    bridge.serve()
    assert "Thing has no operation 'opne'. Did you mean 'open'?" in bridge.failure("asks").message


def test_entities_start_orchestrations_and_signal_later(bridge):
    @bridge.hub.orchestrator
    def started(context):
        return ["started with", context.get_input()]
        yield

    @bridge.hub.entity
    def starter(context):
        if context.operation_name == "again":
            return context.start_new("started", "by-signal", "again")
        later = df.SystemClock().now() + timedelta(seconds=30)
        context.signal_entity(context.entity_id, "again", at=later)
        return context.start_new("started", client_input=(1, 2))

    @bridge.hub.orchestrator
    def asks(context):
        return (yield context.call_entity(df.EntityId("starter", "s"), "go"))

    bridge.serve()
    assert bridge.result(bridge.run("asks")) == ["started with", (1, 2)]
    until(lambda: bridge.client.get_orchestration_state("by-signal") is not None)
    assert bridge.result("by-signal") == ["started with", "again"]


def test_a_start_with_a_version_is_refused(bridge):
    @bridge.hub.entity
    def starter(context):
        context.set_state("changed")
        context.start_new("started", version="2")

    @bridge.hub.orchestrator
    def asks(context):
        try:
            yield context.call_entity(df.EntityId("starter", "s"), "go")
        except NotImplementedError as error:
            return str(error)

    bridge.serve()
    assert "starts orchestrations without a version" in bridge.run("asks")
    assert bridge.client.get_entity(EntityInstanceId("starter", "s")).get_typed_state() is None


def test_locks_exclude_others_and_are_released_by_a_failure(bridge):
    @bridge.hub.entity
    class Counter:
        def __init__(self):
            self.value = 0

        def get(self):
            return self.value

        def set(self, value: int):
            self.value = value

    @bridge.hub.orchestrator
    async def increment(context):
        one, other = df.EntityId("Counter", "b"), df.EntityId("Counter", "a")
        async with context.lock([one, other]):
            assert context.is_locked
            value = await context.call_entity(one, "get")
            await context.call_entity(one, "set", value + 1)
            await context.call_entity(other, "set", value + 1)
            if context.get_input():
                raise RuntimeError("inside of the section")
        assert not context.is_locked
        return value + 1

    bridge.serve(workers=2)
    several = [bridge.start("increment", False) for _ in range(6)]
    assert sorted(bridge.result(instance_id) for instance_id in several) == [1, 2, 3, 4, 5, 6]
    assert bridge.failure("increment", True).message == "inside of the section"
    assert bridge.run("increment", False) == 8


@pytest.mark.parametrize("wrong", ["signal", "call another"])
def test_the_rules_of_locks_are_durablenbs(bridge, wrong):
    @bridge.hub.entity
    def thing(context):
        return context.entity_key

    @bridge.hub.orchestrator
    def breaks(context):
        with (yield context.lock([df.EntityId("thing", "a")])):
            if context.get_input() == "signal":
                context.signal_entity(df.EntityId("thing", "a"), "touch")
            else:
                yield context.call_entity(df.EntityId("thing", "b"), "touch")

    bridge.serve()
    assert bridge.failure("breaks", wrong).error_type.endswith("LockingRulesViolationError")
