"""Row 30: critical sections keep everybody else out, and never wait in a circle."""

from itertools import permutations

import pytest

import durablenb as df
from tests.traps.bank import A, B, C, furnished, holding, is_free, owners, where
from tests.traps.corpus import after
from tests.traps.lab import counted


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
    owner.raise_event("go")
    assert call.result(10) == 100
    bank.settle()
    assert bank.hub.entity_state(A) == 101
    assert owners(bank) == {}
    assert where(owner) == "outside"


def test_row_30_entities_that_are_not_locked_serve_everybody(bank):
    holding(bank, "a")
    assert is_free(bank, "b", "c")


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
    pairs = [*permutations("abc", 2)] * 5
    handles = [bank.start("transfer", [source, target, 1]) for source, target in pairs]
    for handle in handles:
        handle.result(10)
    assert [bank.hub.entity_state(one) for one in (A, B, C)] == [100, 100, 100]
    assert owners(bank) == {}


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_row_30_the_order_in_which_entities_are_named_does_not_matter(kernel, order):
    bank = furnished(kernel)
    first = holding(bank, order)
    rows = bank.hub.sql("select instance_id from journal where event_type = 'LockTaken' order by seq")
    taken = [row[0] for row in rows.fetchall()]
    assert taken == ["@account@a", "@account@b", "@account@c"]
    assert where(first) == "inside"


def test_row_30_an_entity_that_is_named_twice_is_locked_once(bank):
    handle = holding(bank, "aba")
    assert counted(bank.records(A), "LockTaken") == 1
    handle.raise_event("go")
    assert is_free(bank, "a", "b")


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


def refused(bank, violation):
    """The error for what an orchestration does in a critical section, and that it goes on after it."""

    def violates(context):
        with (yield context.lock([A, B])):
            try:
                yield violation(context)
            except df.LockingRulesViolationError as error:
                return [str(error), (yield context.call_entity(A, "get"))]
        return "allowed"

    message, balance = bank.run(violates)
    assert balance == 100
    assert is_free(bank, "a", "b")
    return message


def test_row_30_a_section_in_a_section_is_refused(bank):
    assert "inside of another one" in refused(bank, lambda context: context.lock([C]))


def test_row_30_a_sub_orchestration_in_a_section_is_refused(bank):
    assert "can't be called in a critical section" in refused(
        bank, lambda context: context.call_sub_orchestrator("asker", "c")
    )


def test_row_30_a_signal_to_a_locked_entity_is_refused(bank):
    assert "can't be signaled" in refused(bank, lambda context: context.signal_entity(B, "deposit", 1))


def test_row_30_a_call_of_an_entity_that_is_not_locked_is_refused(bank):
    assert "isn't locked here" in refused(bank, lambda context: context.call_entity(C, "get"))


def test_row_30_two_calls_at_a_time_of_one_locked_entity_are_refused(bank):
    assert "called already" in refused(
        bank,
        lambda context: context.task_all([context.call_entity(B, "get"), context.call_entity(B, "get")]),
    )


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
