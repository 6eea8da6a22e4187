"""Row 29: operations of entities, one after the other, each wholly or not at all."""

import pytest

import durablenb as df
from durablenb.engine.entity_batch import LARGEST_BATCH
from tests.traps.corpus import asked, counter
from tests.traps.lab import counted, kinds

A = df.EntityId("Counter", "a")
J = df.EntityId("journal", "j")


# -- order ---------------------------------------------------------------------------------------


def test_row_29_signals_and_calls_are_done_in_the_order_in_which_they_were_sent(counting):
    def many(context):
        return (yield context.task_all([context.call_entity(A, "add", 1) for _ in range(50)]))

    for number in range(50):
        counting.signal(J, "tell", number)
    assert counting.run(many) == list(range(1, 51))
    counting.settle()
    assert counting.hub.entity_state(J) == list(range(50))


def test_row_29_what_each_orchestration_asks_for_comes_in_its_order(counting):
    def tells(context):
        mine = context.get_input()
        for number in range(0, 9, 3):
            context.signal_entity(J, "tell", [mine, number])
            call = context.call_entity(J, "tell", [mine, number + 1])
            context.signal_entity(J, "tell", [mine, number + 2])
            yield call

    for handle in [counting.start(tells, mine) for mine in range(5)]:
        handle.result(10)
    counting.settle()
    told = counting.hub.entity_state(J)
    assert len(told) == 45
    for mine in range(5):
        assert [number for who, number in told if who == mine] == list(range(9))


def test_row_29_what_entities_send_each_other_comes_in_their_order(counting):
    @counting.entity
    def sender(context):
        for number in range(context.get_input()):
            context.signal_entity(J, "tell", [context.entity_key, number])

    for key in "xyz":
        counting.signal(df.EntityId("sender", key), "send", 10)
    counting.settle()
    told = counting.hub.entity_state(J)
    for key in "xyz":
        assert [number for who, number in told if who == key] == list(range(10))


# -- batches -------------------------------------------------------------------------------------


def test_row_29_what_waits_is_done_as_one_batch_of_single_operations(kernel):
    """A state that an operation leaves as it is isn't written again."""
    kernel.entity(counter, "Counter")
    for name, given in [("add", 1), ("fail", "no"), ("add", 0), ("add", 2), ("del", None), ("add", 4)]:
        kernel.signal(A, name, given)
    assert kernel.hub.step() == "6 operations of @counter@a"
    kernel.settle()
    assert kinds(kernel.records(A)) == [
        *["OperationEnqueued"] * 6,
        *["OperationCompleted", "StateChanged"],
        "OperationFailed",
        "OperationCompleted",
        *["OperationCompleted", "StateChanged"] * 3,
    ]
    states = [event.state for event in kernel.records(A) if kinds([event]) == ["StateChanged"]]
    assert states == ["1", "3", "null", "4"]


def test_row_29_a_batch_has_an_end_and_the_next_one_goes_on_where_it_ended(kernel, monkeypatch):
    monkeypatch.setattr("durablenb.engine.entities.OPERATIONS_AT_ONCE", 20)
    kernel.entity(counter, "Counter")
    for _ in range(21):
        kernel.signal(A, "add", 1)
    assert [kernel.hub.step(), kernel.hub.step()] == [
        "20 operations of @counter@a",
        "1 operation of @counter@a",
    ]
    kernel.settle()
    assert kernel.hub.entity_state(A) == 21


def test_row_29_what_a_batch_leaves_over_is_done_in_its_order(kernel):
    @kernel.entity
    def keeper(context):
        context.set_state([*context.get_state(list), context.get_input()])
        if context.get_input() == 1:
            context.set_result("x" * LARGEST_BATCH)  # the batch ends here

    for number in range(6):
        kernel.signal(df.EntityId("keeper", "k"), "keep", number)
    assert kernel.hub.step() == "6 operations of @keeper@k"
    kernel.settle()
    assert kernel.hub.entity_state(df.EntityId("keeper", "k")) == list(range(6))


def test_row_29_a_failure_in_a_batch_undoes_its_own_operation_only(counting):
    for name, given in [("add", 1), ("fail", "first"), ("add", 10), ("fail", "second"), ("add", 100)]:
        counting.signal(A, name, given)
    assert asked(counting, A, ("get",)) == [111]
    events = counting.records(A)
    assert [event.failure.message for event in events if kinds([event]) == ["OperationFailed"]] == [
        "first",
        "second",
    ]


def test_row_29_a_batch_that_kills_its_process_is_done_one_by_one_and_only_the_killer_fails(threads):
    def fragile(context):
        import os

        if context.operation_name == "die":
            os._exit(3)
        context.set_state(context.get_state(lambda: 0) + 1)

    threads.hub.add_entity(fragile, executor="processes")
    fragile_one = df.EntityId("fragile", "x")
    for name in ("add", "add", "die", "add"):
        threads.signal(fragile_one, name)
    threads.until(lambda: counted(threads.records(fragile_one), "OperationCompleted") == 3)
    assert threads.hub.entity_state(fragile_one) == 3
    assert counted(threads.records(fragile_one), "OperationFailed") == 1


# -- an operation that raises --------------------------------------------------------------------


def test_row_29_an_operation_that_raises_leaves_neither_state_nor_signals_nor_starts(counting):
    @counting.entity
    def reckless(context):
        context.set_state([*context.get_state(list), context.operation_name])
        context.signal_entity(J, "tell", context.operation_name)
        context.start_new("child", f"by-{context.operation_name}")
        context.signal_entity(context.entity_id, "good")
        if context.operation_name == "bad":
            context.destruct_on_exit()
            raise RuntimeError("stop")
        context.set_result(None)
        if context.operation_name == "good":
            raise RuntimeError("so that it ends")

    counting.orchestrator(lambda context: None, "child")
    reckless_one = df.EntityId("reckless", "r")
    assert asked(counting, reckless_one, ("fine",), ("bad",), ("bad",)) == [
        None,
        "RuntimeError: stop",
        "RuntimeError: stop",
    ]
    counting.settle()
    assert counting.hub.entity_state(reckless_one) == ["fine"]
    assert counting.hub.entity_state(J) == ["fine"]
    assert counting.client.get_status("by-fine").runtime_status == "Completed"
    assert not counting.client.get_status("by-bad")


def test_row_29_a_change_inside_of_an_object_is_undone_too(counting):
    @counting.entity
    class Basket:
        def __init__(self):
            self.items = []

        def put(self, item: str):
            self.items.append(item)
            if item == "bomb":
                raise ValueError("not in here")
            return len(self.items)

    basket = df.EntityId("Basket", "x")
    results = asked(counting, basket, ("put", "a"), ("put", "bomb"), ("put", "b"))
    assert results == [1, "ValueError: not in here", 2]
    assert counting.hub.entity_state(basket) == {"items": ["a", "b"]}


@pytest.mark.parametrize("where", ["state", "result", "signal"])
def test_row_29_a_value_that_cant_be_kept_fails_the_operation_as_an_exception_does(counting, where):
    @counting.entity
    def odd(context):
        if context.operation_name == "get":
            return context.get_state()
        context.signal_entity(J, "tell", "sent")
        context.set_state(object() if where == "state" else "changed")
        if where == "signal":
            context.signal_entity(J, "tell", object())
        return object() if where == "result" else None

    (failed, state) = asked(counting, df.EntityId("odd", "o"), ("do",), ("get",))
    assert failed.startswith("NotSerializableError")
    assert state is None
    counting.settle()
    assert counting.records(J) == []
