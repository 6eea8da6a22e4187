"""Row 10: a suspended orchestration takes what arrives, and does nothing with it until it is resumed."""

import threading
from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.lab import counted, kinds


def collects(context):
    taken = []
    while len(taken) < 3:
        taken.append((yield context.wait_for_external_event("item")))
    return taken


def test_row_10_events_are_kept_in_order_and_nothing_happens_meanwhile(lab):
    handle = lab.begin(collects)
    handle.suspend("holidays")
    for number in (1, 2, 3):
        handle.raise_event("item", number)
    lab.settle()
    assert handle.status().runtime_status == "Suspended"
    assert kinds(handle.history())[-3:] == ["EventRaised"] * 3
    handle.resume("back")
    assert handle.result(10) == [1, 2, 3]


def test_row_10_the_result_of_an_activity_that_ran_is_kept(threads):
    begun, may_end = threading.Event(), threading.Event()
    ran = []

    @threads.activity
    def slow():
        begun.set()
        assert may_end.wait(10)
        return "first"

    @threads.activity
    def next_one(text):
        ran.append(text)
        return text

    def chain(context):
        return (yield context.call_activity(next_one, (yield context.call_activity(slow))))

    handle = threads.start(chain)
    assert begun.wait(10)
    handle.suspend()
    may_end.set()
    threads.settle()
    assert counted(handle.history(), "TaskCompleted") == 1
    assert ran == []
    handle.resume()
    assert handle.result(10) == "first"


def test_row_10_timers_fire_at_their_time_and_are_seen_afterwards(lab):
    def sleeps(context):
        began = context.current_utc_datetime
        yield context.create_timer(began + timedelta(hours=1))
        return (context.current_utc_datetime - began) / timedelta(hours=1)

    handle = lab.begin(sleeps)
    handle.suspend()
    lab.advance(hours=3)
    assert handle.status().runtime_status == "Suspended"
    assert counted(handle.history(), "TimerFired") == 1
    handle.resume()
    assert handle.result(10) == 3


def test_row_10_timers_are_not_set_again_by_resuming(lab):
    def sleeps(context):
        began = context.current_utc_datetime
        yield context.create_timer(began + timedelta(hours=4))
        return (context.current_utc_datetime - began) / timedelta(hours=1)

    handle = lab.begin(sleeps)
    for _ in range(3):
        handle.suspend()
        lab.advance(hours=1)
        handle.resume()
        lab.settle()
    assert handle.result(10) == 4
    assert counted(handle.history(), "TimerCreated") == 1


def test_row_10_a_pending_instance_does_not_start_while_suspended(kernel):
    ran = []

    def eager(context):
        ran.append(context.is_replaying)

    handle = kernel.start(eager)
    handle.suspend()
    kernel.settle()
    assert (handle.status().runtime_status, ran) == ("Suspended", [])
    handle.resume()
    assert handle.status().runtime_status == "Pending"
    assert handle.result() is None


def test_row_10_a_scheduled_instance_that_is_resumed_early_still_waits_for_its_time(lab):
    handle = lab.start(collects, start_at=lab.clock.now() + timedelta(hours=2))
    handle.suspend()
    handle.resume()
    lab.settle()
    assert handle.status().runtime_status == "Pending"
    lab.advance(hours=2)
    assert handle.status().runtime_status == "Running"


def test_row_10_a_scheduled_instance_whose_time_comes_while_suspended_starts_when_resumed(lab):
    handle = lab.start(collects, start_at=lab.clock.now() + timedelta(hours=2))
    handle.suspend()
    lab.advance(hours=3)
    assert counted(handle.history(), "OrchestratorStarted") == 0
    handle.resume()
    lab.settle()
    assert handle.status().runtime_status == "Running"


def test_row_10_suspending_and_resuming_where_it_changes_nothing_is_no_error(lab):
    handle = lab.begin(collects)
    handle.resume("was not suspended")
    handle.suspend("once")
    handle.suspend("twice")
    assert counted(handle.history(), "ExecutionSuspended") == 1
    handle.resume()
    handle.resume()
    assert counted(handle.history(), "ExecutionResumed") == 1
    for number in (1, 2, 3):
        handle.raise_event("item", number)
    assert handle.result(10) == [1, 2, 3]
    before = handle.history()
    handle.suspend("completed")
    handle.resume("completed")
    assert handle.history() == before
    assert handle.status().runtime_status == "Completed"


def test_row_10_nobody_can_be_suspended_or_resumed(lab):
    for method in (lab.client.suspend, lab.client.resume):
        with pytest.raises(df.InstanceNotFoundError, match="nobody"):
            method("nobody", "why")


def test_row_10_children_are_not_suspended_and_their_answer_is_kept(lab):
    @lab.orchestrator
    def child(context):
        return (yield context.wait_for_external_event("go"))

    def parent(context):
        return (yield context.call_sub_orchestrator(child, None, "child"))

    handle = lab.begin(parent)
    handle.suspend()
    lab.client.raise_event("child", "go", "well")
    assert lab.client.wait_for_completion("child", 10).output == "well"
    assert handle.status().runtime_status == "Suspended"
    handle.resume()
    assert handle.result(10) == "well"


def test_row_10_it_lasts_over_a_restart_with_all_that_arrived(disk):
    handle = disk.begin(collects, instance_id="s")
    handle.suspend("night")
    handle.raise_event("item", 1)
    disk.restart()
    disk.settle()
    handle = disk.hub.handle("s")
    assert handle.status().runtime_status == "Suspended"
    handle.raise_event("item", 2)
    handle = disk.restart("s")
    handle.resume("morning")
    handle.raise_event("item", 3)
    assert handle.result() == [1, 2, 3]


def test_row_10_waiting_for_a_suspended_instance_says_what_it_needs(kernel):
    handle = kernel.start(collects)
    handle.suspend()
    with pytest.raises(df.WaitTimeoutError, match="resume it"):
        handle.result()
