"""Rows 3 to 5: external events that come early, names, and several waiters of one name."""

from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.lab import counted


def listener(context):
    return (yield context.wait_for_external_event("Approval"))


# -- row 3: before the wait ----------------------------------------------------------------------


def test_row_03_an_event_that_comes_before_the_wait_is_kept(lab):
    @lab.orchestrator
    def late(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        return (yield context.wait_for_external_event("Approval"))

    handle = lab.start(late)
    lab.settle()
    handle.raise_event("Approval", "early")
    assert handle.result(10) == "early"


def test_row_03_an_event_for_a_pending_instance_is_kept(kernel):
    kernel.orchestrator(listener)
    handle = kernel.start(listener)
    assert handle.status().runtime_status == "Pending"
    handle.raise_event("Approval", "early")
    assert handle.status().runtime_status == "Pending"
    assert handle.result() == "early"


def test_row_03_an_event_for_a_scheduled_instance_is_kept_until_it_starts(lab):
    lab.orchestrator(listener)
    handle = lab.start(listener, start_at=lab.clock.now() + timedelta(days=1))
    handle.raise_event("Approval", "early")
    lab.settle()
    assert handle.status().runtime_status == "Pending"
    lab.advance(days=1)
    assert handle.result(10) == "early"


def test_row_03_an_early_event_outlives_a_restart(disk):
    disk.orchestrator(listener)
    disk.start(listener, instance_id="a").raise_event("Approval", "early")
    disk.restart()
    assert disk.hub.handle("a").result() == "early"


def test_row_03_early_events_of_one_name_come_in_order(lab):
    @lab.orchestrator
    def three(context):
        taken = []
        for _ in range(3):
            taken.append((yield context.wait_for_external_event("Approval")))
        return taken

    handle = lab.start(three)
    for number in (1, 2, 3):
        handle.raise_event("Approval", number)
    assert handle.result(10) == [1, 2, 3]


def test_row_03_an_event_without_data_gives_none_and_false_data_arrive(lab):
    @lab.orchestrator
    def several(context):
        taken = []
        for _ in range(6):
            taken.append((yield context.wait_for_external_event("Approval")))
        return taken

    handle = lab.start(several)
    handle.raise_event("Approval")
    for data in (0, "", False, [], {}):
        handle.raise_event("Approval", data)
    assert handle.result(10) == [None, 0, "", False, [], {}]


def test_row_03_an_event_for_nobody_is_refused_and_says_so(lab):
    lab.orchestrator(listener)
    with pytest.raises(df.InstanceNotFoundError, match="No instance with ID 'nobody' found"):
        lab.client.raise_event("nobody", "Approval")
    handle = lab.start(listener)
    handle.raise_event("Approval", 1)
    handle.result(10)
    with pytest.raises(df.InstanceStateError, match="is Completed and takes no events"):
        handle.raise_event("Approval", 2)


# -- row 4: names --------------------------------------------------------------------------------


@pytest.mark.parametrize("raised", ["approval", "APPROVAL", "ApProVal", "Approval"])
def test_row_04_names_are_compared_without_case(lab, raised):
    lab.orchestrator(listener)
    handle = lab.start(listener)
    lab.settle()
    handle.raise_event(raised, 1)
    assert handle.result(10) == 1


def test_row_04_names_without_case_hold_for_early_events_and_for_other_letters(lab):
    @lab.orchestrator
    def listening(context):
        yield context.wait_for_external_event("go")
        return (yield context.wait_for_external_event("STRASSE"))

    handle = lab.start(listening)
    handle.raise_event("straße", 1)
    handle.raise_event("GO")
    assert handle.result(10) == 1


def test_row_04_names_that_differ_in_more_than_case_differ(lab):
    lab.orchestrator(listener)
    handle = lab.start(listener)
    for name in ("Approval ", "Approva", "Approvals", "Ápproval"):
        handle.raise_event(name, name)
    lab.settle()
    assert handle.status().runtime_status == "Running"
    handle.raise_event("approval", "right")
    assert handle.result(10) == "right"


# -- row 5: several waiters ----------------------------------------------------------------------


def test_row_05_of_several_waiters_the_first_one_gets_the_first_event(lab):
    @lab.orchestrator
    def two(context):
        waiters = [context.wait_for_external_event("item") for _ in range(3)]
        return (yield context.task_all(waiters))

    handle = lab.start(two)
    lab.settle()
    for number in (1, 2, 3):
        handle.raise_event("item", number)
    assert handle.result(10) == [1, 2, 3]


def test_row_05_events_that_came_before_the_waiters_go_to_them_in_order(lab):
    @lab.orchestrator
    def two(context):
        yield context.wait_for_external_event("go")
        waiters = [context.wait_for_external_event(name) for name in ("item", "ITEM")]
        return (yield context.task_all(waiters))

    handle = lab.start(two)
    for name, number in (("item", 1), ("Item", 2), ("go", None)):
        handle.raise_event(name, number)
    assert handle.result(10) == [1, 2]


def test_row_05_a_waiter_that_was_cancelled_swallows_no_event(lab):
    @lab.orchestrator
    def changes_its_mind(context):
        first, second, third = (context.wait_for_external_event("item") for _ in range(3))
        second.cancel()
        assert second.is_cancelled
        assert not second.is_completed
        return (yield context.task_all([first, third]))

    handle = lab.start(changes_its_mind)
    lab.settle()
    handle.raise_event("item", 1)
    handle.raise_event("item", 2)
    assert handle.result(10) == [1, 2]
    assert counted(handle.history(), "EventUnsubscribed") == 1


def test_row_05_a_waiter_that_lost_against_a_timer_and_was_cancelled_swallows_no_event(lab):
    @lab.orchestrator
    def patient(context):
        rounds = []
        for _ in range(2):
            event = context.wait_for_external_event("item")
            timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
            winner = yield context.task_any([event, timer])
            if winner is event:
                timer.cancel()
                rounds.append(event.result)
            else:
                event.cancel()
                rounds.append("timeout")
        return rounds

    handle = lab.start(patient)
    lab.advance(hours=1)
    handle.raise_event("item", "late")
    assert handle.result(10) == ["timeout", "late"]


def test_row_05_an_event_that_its_waiter_never_saw_goes_to_the_next_when_that_one_is_cancelled(lab):
    """The timer wins, the event is there as well, both before the orchestrator looks."""

    @lab.orchestrator
    def patient(context):
        event = context.wait_for_external_event("item")
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        winner = yield context.task_any([event, timer])
        assert winner is timer
        event.cancel()
        assert event.is_cancelled
        return (yield context.task_all([context.wait_for_external_event("item") for _ in range(2)]))

    handle = lab.start(patient)
    lab.settle()
    handle.suspend()
    lab.advance(hours=1)
    handle.raise_event("item", 1)
    handle.raise_event("item", 2)
    handle.resume()
    assert handle.result(10) == [1, 2]


def test_row_05_an_event_given_back_goes_to_the_waiter_that_has_waited_longest(lab):
    @lab.orchestrator
    def patient(context):
        first, second = (context.wait_for_external_event("item") for _ in range(2))
        timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
        yield context.task_any([timer, first])
        first.cancel()
        return (yield second)

    handle = lab.start(patient)
    lab.settle()
    handle.suspend()
    lab.advance(hours=1)
    handle.raise_event("item", "only one")
    handle.resume()
    assert handle.result(10) == "only one"


def test_row_05_a_waiter_that_was_seen_to_be_done_cannot_be_cancelled(lab):
    @lab.orchestrator
    def mistaken(context):
        event = context.wait_for_external_event("item")
        yield event
        event.cancel()

    handle = lab.start(mistaken)
    handle.raise_event("item")
    with pytest.raises(ValueError, match="Cannot cancel a completed task"):
        handle.result(10)


def test_row_05_an_event_is_delivered_to_one_waiter_only(lab):
    @lab.orchestrator
    def two(context):
        first, second = (context.wait_for_external_event("item") for _ in range(2))
        yield first
        return second.is_completed

    handle = lab.start(two)
    handle.raise_event("item", 1)
    assert handle.result(10) is False
