"""Row 30: critical sections keep everybody else out, and never wait in a circle."""

from itertools import permutations

import pytest

import durablenb as df
from tests.traps.bank import A, B, C, furnished, holding, is_free, owners, where
from tests.traps.corpus import after


@pytest.fixture
def bank(lab):
    return furnished(lab)


# -- exclusion -----------------------------------------------------------------------------------


def test_row_30_calls_and_signals_of_others_wait_until_the_section_is_over(bank):
    for one in (A, B):
        bank.signal(one, "deposit", 0)
    assert is_free(bank, "a", "b")
    owner = holding(bank, "ab")
    bank.signal(A, "deposit", 1)
    call = bank.begin("asker", "b")
    assert (bank.hub.entity_state(A), call.status().runtime_status) == (100, "Running")
    assert owners(bank) == {"a": owner.id, "b": owner.id}
    assert is_free(bank, "c")
    owner.raise_event("go")
    assert call.result(10) == 100
    bank.settle()
    assert bank.hub.entity_state(A) == 101
    assert owners(bank) == {}
    assert where(owner) == "outside"


def test_row_30_sections_over_one_entity_are_entered_in_the_order_of_asking(bank):
    handles = [holding(bank, "a") for _ in range(4)]
    for inside in range(4):
        states = [where(handle) for handle in handles]
        assert states == ["outside"] * inside + ["inside"] + [None] * (3 - inside)
        handles[inside].raise_event("go")
        bank.settle()
    assert is_free(bank, "a")


def test_row_30_what_was_asked_before_the_lock_is_done_before_it(bank):
    first = holding(bank, "a")
    bank.signal(A, "deposit", 1)
    second = holding(bank, "a")
    bank.signal(A, "deposit", 10)
    first.raise_event("go")
    bank.settle()
    assert (where(second), bank.hub.entity_state(A)) == ("inside", 101)
    second.raise_event("go")
    bank.settle()
    assert bank.hub.entity_state(A) == 111


def test_row_30_in_a_section_several_steps_see_no_change_of_others(bank):
    def careful(context):
        with (yield context.lock([A, B])):
            before = yield context.call_entity(A, "get")
            yield context.wait_for_external_event("go")
            after = yield context.call_entity(A, "get")
            yield context.call_entity(B, "deposit", 5)
            return [before, after, (yield context.call_entity(B, "get"))]

    handle = bank.begin(careful)
    for entity in (A, B):
        bank.signal(entity, "deposit", 1_000)
    bank.settle()
    handle.raise_event("go")
    assert handle.result(10) == [100, 100, 105]
    bank.settle()
    assert [bank.hub.entity_state(one) for one in (A, B)] == [1_100, 1_105]


def test_row_30_what_the_owner_asked_while_it_waited_for_the_lock_does_not_shut_it_out(bank):
    """The call comes after the request: it is done inside of the section, not after its end."""

    def hasty(context):
        lock = context.lock([A])
        call = context.call_entity(A, "deposit", 1)
        with (yield lock):
            return (yield call)

    other = holding(bank, "a")
    handle = bank.begin(hasty)
    bank.signal(A, "deposit", 1_000)
    other.raise_event("go")
    assert handle.result(10) == 101
    bank.settle()
    assert bank.hub.entity_state(A) == 1_101


def test_row_30_what_the_owner_signaled_while_it_waited_comes_before_what_it_calls_inside(bank):
    def hasty(context):
        lock = context.lock([A, B])
        context.signal_entity(B, "deposit", 1)
        with (yield lock):
            return (yield context.call_entity(B, "get"))

    other = holding(bank, "b")
    handle = bank.begin(hasty)
    other.raise_event("go")
    assert handle.result(10) == 101


def test_row_30_an_operation_that_fails_in_a_section_does_not_end_it(bank):
    def tries(context):
        with (yield context.lock([A])):
            try:
                yield context.call_entity(A, "withdraw", 1_000)
            except ValueError:
                context.set_custom_status(context.is_locked)
            yield context.wait_for_external_event("go")

    handle = bank.begin(tries)
    assert where(handle) is True
    assert not is_free(bank, "a")
    handle.raise_event("go")
    handle.result(10)
    assert is_free(bank, "a")


# -- no circle -----------------------------------------------------------------------------------


def test_row_30_transfers_crosswise_and_in_a_ring_come_to_an_end(bank):
    pairs = [*permutations("abc", 2)] * 3
    handles = [bank.start("transfer", [source, target, 1]) for source, target in pairs]
    for handle in handles:
        handle.result(10)
    assert [bank.hub.entity_state(one) for one in (A, B, C)] == [100, 100, 100]
    assert owners(bank) == {}


@pytest.mark.parametrize("order", ["abc", "cba", "bcab"])
def test_row_30_entities_are_locked_once_and_in_one_order_whichever_way_they_are_named(kernel, order):
    bank = furnished(kernel)
    handle = holding(bank, order)
    rows = bank.hub.sql("select instance_id from journal where event_type = 'LockTaken' order by seq")
    assert rows.fetchall() == [("@account@a",), ("@account@b",), ("@account@c",)]
    assert where(handle) == "inside"
    handle.raise_event("go")
    assert is_free(bank, "a", "b", "c")


def test_row_30_an_overdraft_undoes_nothing_of_others_and_keeps_the_sum(bank):
    handles = [
        bank.start("transfer", [source, target, 80]) for source, target in ("ab", "ac", "bc", "ca", "ab")
    ]
    statuses = [handle.wait(10).runtime_status for handle in handles]
    assert set(statuses) == {"Completed", "Failed"}
    states = [bank.hub.entity_state(one) for one in (A, B, C)]
    assert sum(states) == 300
    assert min(states) >= 0
    assert is_free(bank, "a", "b", "c")


# -- refused -------------------------------------------------------------------------------------


REFUSED = {
    "inside of another one": lambda context: context.lock([C]),
    "can't be called in a critical section": lambda context: context.call_sub_orchestrator("asker", "c"),
    "can't be signaled": lambda context: context.signal_entity(B, "deposit", 1),
    "isn't locked here": lambda context: context.call_entity(C, "get"),
    "called already": lambda context: context.task_all([context.call_entity(B, "get") for _ in range(2)]),
}


@pytest.mark.parametrize("message", REFUSED)
def test_row_30_what_breaks_the_rules_of_sections_is_refused_and_the_section_goes_on(bank, message):
    def violates(context):
        with (yield context.lock([A, B])):
            try:
                yield REFUSED[message](context)
            except df.LockingRulesViolationError as error:
                return [str(error), (yield context.call_entity(A, "get"))]
        return "allowed"

    text, balance = bank.run(violates)
    assert message in text
    assert balance == 100
    assert is_free(bank, "a", "b")


def test_row_30_activities_timers_events_and_signals_to_others_are_allowed_in_a_section(bank):
    bank.activity(lambda: "done", "work")

    def works(context):
        with (yield context.lock([A])):
            context.signal_entity(C, "deposit", 1)
            yield after(context, hours=1)
            done = yield context.call_activity("work")
        return [done, (yield context.call_sub_orchestrator("asker", "a"))]

    handle = bank.start(works)
    bank.advance(hours=1)
    assert handle.result(10) == ["done", 100]
    assert bank.hub.entity_state(C) == 101
