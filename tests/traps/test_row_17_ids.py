"""Row 17: an id belongs to one open instance, and to the next one after it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import fails, quick, waits
from tests.traps.lab import counted


@pytest.mark.parametrize("state", ["pending", "running", "suspended", "scheduled"])
def test_row_17_the_id_of_an_open_instance_is_refused_and_it_is_unharmed(lab, state):
    start_at = lab.clock.now() + timedelta(days=1) if state == "scheduled" else None
    handle = lab.start(waits, 1, instance_id="only", start_at=start_at)
    if state != "pending":
        lab.settle()
    if state == "suspended":
        handle.suspend()
    before = handle.history()
    with pytest.raises(df.InstanceExistsError, match="The instance 'only' is open"):
        lab.start(quick, 2, instance_id="only")
    if state != "pending":
        assert handle.history() == before
    assert (handle.status().name, handle.status().input_) == ("waits", 1)


def end(lab, how):
    handle = lab.start(fails if how == "Failed" else waits, "old", instance_id="again")
    if how == "Completed":
        handle.raise_event("go", "old output")
    elif how == "Terminated":
        handle.terminate("old reason")
    assert handle.wait(10).runtime_status == how
    return handle


@pytest.mark.parametrize("how", ["Completed", "Failed", "Terminated"])
def test_row_17_an_ended_instances_id_can_be_used_again_unless_it_is_a_dedupe_status(lab, how):
    handle = end(lab, how)
    lab.clock.advance(hours=1)
    lab.orchestrator(quick)
    others = {"Completed", "Failed", "Terminated"} - {how}
    with pytest.raises(df.InstanceExistsError, match=f"is {how} already"):
        lab.client.start_new(quick, "again", dedupe_statuses=[how])
    with pytest.raises(df.InstanceExistsError):
        lab.client.start_new(quick, "again", dedupe_statuses=df.OrchestrationRuntimeStatus(how))
    assert lab.client.start_new(quick, "again", "new", dedupe_statuses=others) == "again"
    assert handle.result(10) == "new"
    status = handle.status(show_history=True)
    assert (status.name, status.input_, status.output) == ("quick", "new", "new")
    assert status.created_time == lab.clock.now()
    assert status.failure_details is None
    assert [event["EventType"] for event in status.history] == ["ExecutionStarted", "ExecutionCompleted"]
    assert len(lab.hub.instances()) == 1


def test_row_17_of_many_who_start_one_id_at_once_one_succeeds(threads):
    threads.orchestrator(waits)
    barrier = threading.Barrier(8)

    def start(number):
        barrier.wait(10)
        try:
            return threads.start(waits, number, instance_id="only").id
        except df.InstanceExistsError:
            return None

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(start, range(8)))
    assert started.count("only") == 1
    assert threads.client.get_status("only").input_ == started.index("only")
    assert counted(threads.hub.handle("only").history(), "ExecutionStarted") == 1


def test_row_17_late_results_of_the_old_execution_are_not_given_to_the_new(threads):
    """The ids of tasks are the same in both; the old activity ends when the new one waits for its own."""
    gates = {"old": threading.Event(), "new": threading.Event()}
    begun = {"old": threading.Event(), "new": threading.Event()}

    @threads.activity
    def slow(name):
        begun[name].set()
        assert gates[name].wait(10)
        return name

    def asks(context):
        return (yield context.call_activity(slow, context.get_input()))

    handle = threads.start(asks, "old", instance_id="again")
    assert begun["old"].wait(10)
    handle.terminate()
    handle = threads.start(asks, "new", instance_id="again")
    assert begun["new"].wait(10)
    running = threads.client._control.engine._state.dispatcher._running
    assert len(running) == 2
    gates["old"].set()
    threads.until(lambda: len(running) == 1)  # the engine has been told of the old one's end
    assert handle.status().runtime_status == "Running"
    gates["new"].set()
    assert handle.result(10) == "new"


def test_row_17_timers_and_events_of_the_old_execution_are_not_given_to_the_new(lab):
    def sleeps(context):
        hours = context.get_input()
        began = context.current_utc_datetime
        event = context.wait_for_external_event("go")
        yield context.create_timer(began + timedelta(hours=hours))
        return [event.is_completed, (context.current_utc_datetime - began) / timedelta(hours=1)]

    handle = lab.begin(sleeps, 1, instance_id="again")
    handle.raise_event("go")
    handle.terminate()
    assert lab.run(sleeps, 5, instance_id="again") == [False, 5]


def test_row_17_a_child_of_the_old_execution_does_not_answer_the_new(lab):
    lab.orchestrator(waits)

    def parent(context):
        return (yield context.call_sub_orchestrator(waits, None, context.get_input()))

    handle = lab.begin(parent, "old-child", instance_id="again")
    handle.terminate(recursive=False)
    handle = lab.begin(parent, "new-child", instance_id="again")
    lab.client.raise_event("old-child", "go", "old")
    lab.client.wait_for_completion("old-child", 10)
    assert handle.status().runtime_status == "Running"
    lab.client.raise_event("new-child", "go", "new")
    assert handle.result(10) == "new"


def test_row_17_whoever_waited_for_the_old_one_gets_the_old_result(threads):
    handle = threads.start(waits, instance_id="again")
    with ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(handle.wait, 10)
        threads.settle()
        handle.raise_event("go", "old")
        waiter.result(10)
    threads.start(waits, instance_id="again")
    assert handle.status().runtime_status in ("Pending", "Running")


def test_row_17_it_is_the_new_one_that_a_restart_finds(disk):
    for data in ("one", "two"):
        handle = disk.start(waits, data, instance_id="again")
        handle.raise_event("go", data)
        handle.result()
    disk.start(waits, "three", instance_id="again")
    handle = disk.restart("again")
    assert (handle.status().runtime_status, handle.status().input_) == ("Pending", "three")
    handle.raise_event("go", "three")
    assert handle.result() == "three"
