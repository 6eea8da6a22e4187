"""Row 7: terminate, in every status."""

import threading
from datetime import timedelta

import pytest

import durablenb as df
from tests.traps.corpus import fails, waits
from tests.traps.lab import counted, kinds


def test_row_07_a_running_instance_is_terminated_with_its_reason(lab):
    handle = lab.begin(waits)
    handle.terminate("no longer needed")
    status = handle.status()
    assert (status.runtime_status, status.output) == ("Terminated", "no longer needed")
    with pytest.raises(df.OrchestrationTerminatedError, match="no longer needed"):
        handle.result(10)


def test_row_07_a_pending_instance_is_terminated_before_its_code_ever_runs(kernel):
    ran = []

    def eager(context):
        ran.append(1)

    handle = kernel.start(eager)
    assert handle.status().runtime_status == "Pending"
    handle.terminate()
    kernel.settle()
    assert handle.status().runtime_status == "Terminated"
    assert ran == []


def test_row_07_a_scheduled_instance_is_terminated_and_does_not_start_later(lab):
    handle = lab.start(waits, start_at=lab.clock.now() + timedelta(hours=1))
    handle.terminate("changed plans")
    lab.advance(hours=2)
    assert handle.status().runtime_status == "Terminated"
    assert kinds(handle.history()) == ["ExecutionStarted", "ExecutionTerminated"]


def test_row_07_a_suspended_instance_is_terminated_and_shows_it_after_a_restart_too(disk):
    handle = disk.begin(waits, instance_id="t")
    handle.suspend("wait")
    handle.terminate("enough")
    for _ in range(2):
        assert handle.status().runtime_status == "Terminated"
        with pytest.raises(df.OrchestrationTerminatedError, match="enough"):
            handle.result(10)
        handle = disk.restart("t")


def test_row_07_an_instance_that_has_ended_stays_as_it_is(lab):
    done, gone, failed = lab.start(waits), lab.start(waits), lab.start(fails)
    done.raise_event("go", "well")
    gone.terminate("first")
    outputs = [handle.wait(10).output for handle in (done, gone, failed)]
    assert outputs[:2] == ["well", "first"]
    for handle, output in zip((done, gone, failed), outputs, strict=True):
        before = handle.history()
        handle.terminate("second")
        assert (handle.history(), handle.status().output) == (before, output)
    assert failed.status().runtime_status == "Failed"


def test_row_07_terminating_nobody_is_an_error(lab):
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        lab.client.terminate("nobody", "why")


@pytest.mark.parametrize("reason", ["", "quote ' \" \\ and NUL \0 and 지속성 🦆", "x" * 500_000])
def test_row_07_a_reason_of_any_kind_and_size_is_kept(kernel, reason):
    handle = kernel.start(waits)
    handle.terminate(reason)
    assert handle.status().output == reason
    told, _ = handle.status(show_history=True).history[-2:]
    assert (told["EventType"], told["Input"]) == ("ExecutionTerminated", reason)


def test_row_07_no_code_runs_after_it_not_even_in_finally_blocks(lab):
    def tidy(context):
        try:
            yield context.wait_for_external_event("go")
        finally:
            yield context.call_activity("clean up")

    handle = lab.begin(tidy)
    handle.terminate()
    lab.settle()
    assert kinds(handle.history())[-1] == "ExecutionTerminated"


def test_row_07_the_result_of_an_activity_that_still_ran_counts_no_more(threads):
    begun, may_end = threading.Event(), threading.Event()

    @threads.activity
    def slow():
        begun.set()
        assert may_end.wait(10)

    def asks(context):
        yield context.call_activity(slow)

    handle = threads.start(asks)
    assert begun.wait(10)
    handle.terminate("stop")
    may_end.set()
    threads.settle()
    assert kinds(handle.history())[-1] == "ExecutionTerminated"
    assert counted(handle.history(), "TaskCompleted") == 0


def test_row_07_activities_that_wait_for_a_place_are_not_started(kernel):
    ran = []

    @kernel.activity
    def note(number):
        ran.append(number)

    def asks(context):
        yield context.task_all([context.call_activity(note, n) for n in range(5)])

    handle = kernel.start(asks)
    kernel.hub.step()  # the episode
    handle.terminate()
    kernel.settle()
    assert ran == []
