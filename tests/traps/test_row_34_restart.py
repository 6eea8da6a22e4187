"""Row 34: starting an instance again."""

import pytest

import durablenb as df
from tests.traps.corpus import quick, waits


def test_row_34_with_a_new_id_it_runs_again_with_the_same_input(lab):
    calls = []
    lab.activity(lambda value: calls.append(value), "note")

    @lab.orchestrator
    def notes(context):
        yield context.call_activity("note", context.get_input())
        return context.instance_id

    handle = lab.start(notes, {"a": [1]}, instance_id="first", tags={"t": "x"}, version="1")
    handle.result(10)
    again = lab.client.restart("first")
    assert again != "first"
    assert lab.client.wait_for_completion(again, 10).output == again
    status = lab.client.get_status(again)
    assert (status.input_, status.tags, status.version, status.name) == ({"a": [1]}, {"t": "x"}, "1", "notes")
    assert calls == [{"a": [1]}] * 2
    assert lab.client.get_status("first").output == "first"


def test_row_34_with_the_same_id_nothing_of_the_old_one_shows(lab):
    broken = [True]
    lab.activity(lambda: 1 / 0 if broken else "well", "fragile")

    def stages(context):
        if broken:
            context.set_custom_status("of the first")
        return (yield context.call_activity("fragile"))

    handle = lab.start(stages, 7, instance_id="same")
    handle.wait(10)
    lab.clock.advance(hours=1)
    broken.clear()
    assert lab.client.restart("same", restart_with_new_instance_id=False) == "same"
    assert handle.result(10) == "well"
    status = handle.status(show_history=True)
    assert (status.input_, status.custom_status, status.failure_details) == (7, None, None)
    assert status.created_time == lab.clock.now()
    kinds = [event["EventType"] for event in status.history]
    assert kinds == ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]


def test_row_34_an_open_one_can_be_restarted_under_a_new_id_only(lab):
    handle = lab.start(waits, 1, instance_id="open")
    with pytest.raises(df.InstanceExistsError, match="'open' is open"):
        lab.client.restart("open", False)
    again = handle.restart()
    assert again.id != "open"
    assert again.status().input_ == 1
    assert handle.status().runtime_status in ("Pending", "Running")


def test_row_34_nobody_cannot_be_restarted(lab):
    with pytest.raises(df.InstanceNotFoundError, match="No instance with ID 'nobody' found"):
        lab.client.restart("nobody")


def test_row_34_without_its_code_it_is_refused(disk):
    disk.orchestrator(quick)
    disk.run(quick, instance_id="q")
    disk.restart(without=("quick",))
    with pytest.raises(df.FunctionNotFoundError, match="'quick' isn't registered"):
        disk.client.restart("q")


def test_row_34_false_inputs_are_kept(kernel):
    for input_ in (None, 0, "", [], {"a": None}):
        handle = kernel.start(quick, input_)
        handle.result(10)
        assert handle.restart().result(10) == input_


def test_row_34_events_of_the_old_one_are_not_given_to_the_new(lab):
    handle = lab.start(waits, instance_id="same")
    handle.raise_event("go", 1)
    lab.settle()
    handle.result(10)
    lab.client.restart("same", False)
    lab.settle()
    assert handle.status().runtime_status == "Running"
