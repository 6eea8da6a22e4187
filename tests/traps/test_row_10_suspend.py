"""Row 10: a suspended orchestration takes what arrives, and does nothing with it until it is resumed."""

import threading
from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import after
from tests.traps.lab import counted, kinds


def collects(context):
    taken = []
    while len(taken) < 3:
        taken.append((yield context.wait_for_external_event("item")))
    return taken


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


def sleeps(context):
    """Sleeps for so many hours; how many have passed then."""
    began = context.current_utc_datetime
    yield after(context, hours=context.get_input())
    return (context.current_utc_datetime - began) / timedelta(hours=1)


def test_row_10_timers_fire_at_their_time_and_are_seen_afterwards(lab):
    handle = lab.begin(sleeps, 1)
    handle.suspend()
    lab.advance(hours=3)
    assert handle.status().runtime_status == "Suspended"
    assert counted(handle.history(), "TimerFired") == 1
    handle.resume()
    assert handle.result(10) == 3


def test_row_10_timers_are_not_set_again_by_resuming(lab):
    handle = lab.begin(sleeps, 4)
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


@pytest.mark.parametrize("suspended_for", [0, 3])
def test_row_10_a_scheduled_instance_starts_when_it_is_resumed_and_its_time_has_come(lab, suspended_for):
    handle = lab.start(collects, start_at=lab.clock.now() + timedelta(hours=2))
    handle.suspend()
    lab.advance(hours=suspended_for)
    assert counted(handle.history(), "OrchestratorStarted") == 0
    handle.resume()
    lab.settle()
    assert handle.status().runtime_status == ("Running" if suspended_for else "Pending")
    lab.advance(hours=2)
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


@pytest.mark.parametrize("restarts", [False, True])
def test_row_10_events_are_kept_in_order_and_nothing_happens_meanwhile(disk, restarts):
    handle = disk.begin(collects, instance_id="s")
    handle.suspend("holidays")
    for number in (1, 2, 3):
        handle.raise_event("item", number)
        if restarts:
            handle = disk.restart("s")
        disk.settle()
    assert handle.status().runtime_status == "Suspended"
    assert kinds(handle.history())[-3:] == ["EventRaised"] * 3
    handle.resume("back")
    assert handle.result() == [1, 2, 3]


def test_row_10_waiting_for_a_suspended_instance_says_what_it_needs(kernel):
    handle = kernel.start(collects)
    handle.suspend()
    with pytest.raises(df.WaitTimeoutError, match="resume it"):
        handle.result()
