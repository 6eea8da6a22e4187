"""Row 6: an external event against a time-out; whichever loses does no harm."""

from datetime import timedelta

import pytest

from tests.traps.corpus import after
from tests.traps.lab import counted


def approval(context):
    """As the overview of Durable Functions has it."""
    timeout = after(context, hours=72)
    approved = context.wait_for_external_event("Approval")
    winner = yield context.task_any([approved, timeout])
    if approved == winner:
        timeout.cancel()
        return ["approved", approved.result]
    return "escalated"


def test_row_06_the_event_wins_and_the_cancelled_timer_never_fires(lab):
    handle = lab.begin(approval)
    handle.raise_event("Approval", True)
    began = lab.clock.now()
    assert handle.result(10) == ["approved", True]
    assert lab.clock.now() == began  # nobody waited 72 hours for the timer
    assert counted(handle.history(), "TimerCanceled") == 1
    lab.advance(hours=100)
    assert counted(handle.history(), "TimerFired") == 0


def test_row_06_the_timer_wins_and_a_later_event_is_refused(lab):
    handle = lab.start(approval)
    assert handle.result(10) == "escalated"
    assert lab.clock.now() - handle.status().created_time == timedelta(hours=72)
    with pytest.raises(ValueError, match="takes no events"):
        handle.raise_event("Approval", True)


def both(lab, handle, *, event_first):
    """The event and the timer are there when the orchestrator looks next."""
    handle.suspend()
    if event_first:
        handle.raise_event("Approval", True)
    lab.advance(hours=73)
    if not event_first:
        handle.raise_event("Approval", True)
    handle.resume()


def test_row_06_an_event_and_the_timer_behind_it_in_one_batch(lab):
    """The event came first, the timer fired before the orchestrator looked: cancelling it is harmless."""
    handle = lab.begin(approval)
    both(lab, handle, event_first=True)
    assert handle.result(10) == ["approved", True]
    assert counted(handle.history(), "TimerFired") == 1


def test_row_06_the_timer_and_an_event_behind_it_in_one_batch(lab):
    handle = lab.begin(approval)
    both(lab, handle, event_first=False)
    assert handle.result(10) == "escalated"


def test_row_06_a_race_decided_in_one_batch_is_decided_the_same_after_a_restart(disk):
    def decides(context):
        outcome = yield from approval(context)
        yield context.wait_for_external_event("go on")
        return outcome

    handle = disk.begin(decides, instance_id="d")
    both(disk, handle, event_first=True)
    disk.settle()
    handle = disk.restart("d")
    handle.raise_event("go on")
    assert handle.result() == ["approved", True]


def test_row_06_a_timer_that_was_seen_to_fire_cannot_be_cancelled(lab):
    def mistaken(context):
        timer = after(context, hours=1)
        yield timer
        timer.cancel()

    with pytest.raises(ValueError, match="Cannot cancel a completed task"):
        lab.run(mistaken)


def test_row_06_a_losing_timer_that_nobody_cancels_changes_nothing(lab):
    def careless(context):
        approved = context.wait_for_external_event("Approval")
        yield context.task_any([approved, after(context, hours=1), after(context, hours=72)])
        yield after(context, hours=5)
        return (yield context.wait_for_external_event("end"))

    handle = lab.begin(careless)
    handle.raise_event("Approval")
    lab.advance(hours=6)
    handle.raise_event("end", "well")
    began = lab.clock.now()
    assert handle.result(10) == "well"
    assert lab.clock.now() == began  # it didn't wait for the timer of 72 hours
    before = handle.history()
    lab.advance(hours=100)
    assert handle.history() == before


def test_row_06_a_cancelled_timer_stays_cancelled_and_cancelling_twice_does_nothing(disk):
    def cancels(context):
        timer = after(context, hours=1)
        timer.cancel()
        timer.cancel()
        yield context.wait_for_external_event("end")
        return [timer.is_cancelled, timer.is_canceled(), timer.is_completed]

    disk.begin(cancels, instance_id="c")
    handle = disk.restart("c")
    disk.advance(hours=2)
    handle.raise_event("end")
    assert handle.result() == [True, True, False]
    assert [counted(handle.history(), kind) for kind in ("TimerCanceled", "TimerFired")] == [1, 0]
