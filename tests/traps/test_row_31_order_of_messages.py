"""Row 31: what entities are asked comes once and in its sender's order, whatever the clocks say."""

from datetime import timedelta

import durablenb as df
from durablenb.engine.jobs import ActivityFinished
from tests.traps.corpus import counter, journal
from tests.traps.lab import counted, kinds

A = df.EntityId("Counter", "a")
J = df.EntityId("journal", "j")


def numbers(lab):
    """The numbers of an entity's events, as they stand in the journal."""
    return [event.event_id for event in lab.records(J)]


# -- order ---------------------------------------------------------------------------------------


def test_row_31_signals_keep_their_order_while_the_clock_is_set_to_and_fro(counting):
    for number, minutes in enumerate([0, -60, 30, -3_000, 5, 0, -1] * 5):
        counting.clock.advance(minutes=minutes)
        counting.signal(J, "tell", number)
        if number % 3 == 0:
            counting.settle()
    counting.settle()
    assert counting.hub.entity_state(J) == list(range(35))
    assert numbers(counting) == list(range(1, len(numbers(counting)) + 1))


def test_row_31_an_orchestrations_messages_keep_their_order_while_the_clock_is_set_back(counting):
    def tells(context):
        for number in range(0, 12, 3):
            context.signal_entity(J, "tell", number)
            yield context.call_entity(J, "tell", number + 1)
            context.signal_entity(J, "tell", number + 2)
            yield context.wait_for_external_event("on")

    handle = counting.start(tells)
    for _ in range(4):
        counting.settle()
        counting.clock.advance(hours=-1)
        handle.raise_event("on")
    assert handle.result(10) is None
    counting.settle()
    assert counting.hub.entity_state(J) == list(range(12))


def test_row_31_senders_whose_clocks_differ_by_hours_are_served_as_they_come(counting):
    """No message waits for one that claims to be older: there is no window of reordering."""

    def tell(context):
        return (yield context.call_entity(J, "tell", context.get_input()))

    for number, hours in enumerate([0, 5, -10, 20, -40]):
        counting.clock.advance(hours=hours)
        assert counting.run(tell, number) == list(range(number + 1))


def test_row_31_after_a_restart_with_a_clock_behind_the_order_is_that_of_the_journal(disk):
    disk.entity(journal)
    for number in range(6):
        disk.signal(J, "tell", number)
        disk.clock.advance(hours=-1)
        if number % 2:
            disk.restart()
    disk.settle()
    assert disk.hub.entity_state(J) == list(range(6))


def test_row_31_two_that_send_each_other_keep_the_order_of_each(counting):
    @counting.entity
    def player(context):
        told = context.get_state(list)
        context.set_state([*told, context.get_input()])
        left = context.get_input()[1]
        if left:
            other = df.EntityId("player", "b" if context.entity_key == "a" else "a")
            context.signal_entity(other, "play", [context.get_input()[0], left - 1])

    for ball in range(3):
        counting.signal(df.EntityId("player", "a"), "play", [ball, 6])
        counting.clock.advance(minutes=-7)
    counting.settle()
    for key, expected in (("a", [6, 4, 2, 0]), ("b", [5, 3, 1])):
        told = counting.hub.entity_state(df.EntityId("player", key))
        for ball in range(3):
            assert [left for which, left in told if which == ball] == expected


# -- time ----------------------------------------------------------------------------------------


def test_row_31_a_signal_for_later_comes_when_it_is_due_and_once_though_the_clock_is_set_back(disk):
    disk.entity(journal)
    disk.signal(J, "tell", "later", at=disk.clock.now() + timedelta(hours=2))
    for hours in (1, -5, 5):
        disk.advance(hours=hours)
    assert disk.hub.entity_state(J) is None
    disk.advance(hours=1)
    assert disk.hub.entity_state(J) == ["later"]
    disk.advance(hours=-4)
    disk.restart()
    disk.advance(hours=6)
    assert disk.hub.entity_state(J) == ["later"]
    assert counted(disk.records(J), "OperationCompleted") == 1


def test_row_31_a_signal_for_a_time_that_has_passed_is_done_at_once_and_in_turn(counting):
    now = counting.clock.now()
    for number, hours in enumerate([-1, 0, -100]):
        counting.signal(J, "tell", number, at=now + timedelta(hours=hours))
    counting.settle()
    assert counting.hub.entity_state(J) == [0, 1, 2]


def test_row_31_no_operation_seems_to_end_before_it_began(counting):
    counting.signal(A, "add", 1)
    counting.settle()
    counting.clock.advance(hours=-1)
    counting.signal(A, "add", 1)
    counting.settle()
    done = [event for event in counting.records(A) if kinds([event]) == ["OperationCompleted"]]
    assert len(done) == 2
    assert all(event.started_at <= event.timestamp for event in done)


# -- duplicates ----------------------------------------------------------------------------------


def report_twice(lab):
    """Each end of a batch is reported twice from here on, by executors that stutter."""
    scope = lab.client._control.engine._state.dispatcher.scope
    apply = scope.apply_inline

    def twice(message):
        apply(message)
        apply(ActivityFinished(message.job, message.outcome, message.started_at, message.ended_at))

    scope.apply_inline = twice
    return lambda: setattr(scope, "apply_inline", apply)


def test_row_31_an_outcome_that_is_reported_twice_counts_once(counting):
    stop = report_twice(counting)

    def adds(context):
        got = []
        for _ in range(5):
            got.append((yield context.call_entity(A, "add", 1)))
            context.signal_entity(J, "tell", got[-1])
        return got

    handle = counting.start(adds)
    assert handle.result(10) == [1, 2, 3, 4, 5]
    counting.settle()
    stop()
    assert counting.hub.entity_state(A) == 5
    assert counting.hub.entity_state(J) == [1, 2, 3, 4, 5]
    assert counted(handle.history(), "EntityOperationCompleted") == 5
    assert counted(counting.records(A), "OperationCompleted") == 5


def test_row_31_an_outcome_that_comes_late_does_not_count_for_the_batch_that_runs_now(kernel):
    reports = []
    kernel.entity(counter, "Counter")
    scope = kernel.client._control.engine._state.dispatcher.scope
    apply, scope.apply_inline = scope.apply_inline, reports.append
    try:
        kernel.signal(A, "add", 1)
        kernel.hub.step()
        first = reports.pop()
        apply(first)
        kernel.signal(A, "add", 10)
        kernel.hub.step()
        apply(first)
        apply(reports.pop())
        kernel.settle()
    finally:
        scope.apply_inline = apply
    assert kernel.hub.entity_state(A) == 11
    assert counted(kernel.records(A), "OperationCompleted") == 2


def test_row_31_an_outcome_from_before_a_recovery_is_not_taken_for_one_of_now(kernel):
    kernel.entity(counter, "Counter")
    kernel.signal(A, "add", 1)
    engine, late = kernel.client._control.engine, []
    engine._state.dispatcher.scope.apply_inline = late.append
    kernel.hub.step()
    engine._is_damaged = True  # as after an interrupt in the middle of a turn: it begins with the journal
    kernel.settle()
    engine.post(late[0])
    kernel.settle()
    assert kernel.hub.entity_state(A) == 1
    assert counted(kernel.records(A), "OperationCompleted") == 1


def test_row_31_signals_that_are_sent_twice_are_two_signals(counting):
    for _ in range(2):
        counting.signal(J, "tell", "same")
    counting.settle()
    assert counting.hub.entity_state(J) == ["same", "same"]
