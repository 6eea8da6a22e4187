"""Row 14: code that isn't there."""

import pytest

import durablenb as df
from tests.traps.lab import counted


def test_row_14_an_unknown_activity_fails_at_once_and_says_what_may_have_been_meant(lab):
    lab.activity(lambda: None, "crunch")

    def mistaken(context):
        yield context.call_activity("crnch")

    with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'crunch'"):
        lab.run(mistaken)


def test_row_14_an_unknown_child_fails_at_once(lab):
    def mistaken(context):
        yield context.call_sub_orchestrator("nobody")

    with pytest.raises(df.FunctionNotFoundError, match="The orchestrator 'nobody' isn't registered"):
        lab.run(mistaken)


@pytest.mark.parametrize("kind", ["activity", "sub_orchestrator"])
def test_row_14_what_is_missing_is_never_tried_again(lab, kind):
    def mistaken(context):
        call = getattr(context, f"call_{kind}_with_retry")
        yield call("nobody", df.RetryOptions(1_000, 10))

    handle = lab.start(mistaken)
    began = lab.clock.now()
    with pytest.raises(df.FunctionNotFoundError):
        handle.result(10)
    assert lab.clock.now() == began
    assert counted(handle.history(), "TimerCreated") == 0


def test_row_14_the_orchestrator_can_catch_it_and_go_on(lab):
    lab.activity(lambda: "plan B", "other")

    def careful(context):
        try:
            yield context.call_activity("nobody")
        except LookupError as error:
            return [error.details.is_non_retriable, (yield context.call_activity("other"))]

    assert lab.run(careful) == [True, "plan B"]


def test_row_14_starting_an_unknown_orchestrator_is_refused_and_leaves_nothing(lab):
    with pytest.raises(df.FunctionNotFoundError, match="isn't registered"):
        lab.start("nobody", instance_id="n")
    assert lab.hub.instances() == []


def test_row_14_after_a_restart_an_instance_waits_for_its_code_and_says_so(disk):
    disk.activity(lambda: "well", "crunch")

    @disk.orchestrator
    def asks(context):
        yield context.wait_for_external_event("go")
        return (yield context.call_activity("crunch"))

    disk.begin(asks, instance_id="a")
    handle = disk.restart("a", without=("asks", "crunch"))
    handle.raise_event("go")
    with pytest.raises(df.FunctionNotFoundError, match="a \\(asks\\) waits for 'asks': run the cell"):
        handle.result()
    disk.orchestrator(asks)
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'crunch'"):
        handle.result()
    assert handle.status().runtime_status == "Running"
    disk.activity(lambda: "well", "crunch")
    assert handle.result() == "well"


def test_row_14_a_missing_child_of_a_recovered_instance_is_waited_for_too(disk):
    @disk.orchestrator
    def child(context):
        return "well"

    def parent(context):
        yield context.wait_for_external_event("go")
        return (yield context.call_sub_orchestrator(child, None, "c"))

    disk.begin(parent, instance_id="p")
    handle = disk.restart("p", without=("child",))
    handle.raise_event("go")
    with pytest.raises(df.FunctionNotFoundError, match="c \\(child\\) waits for 'child'"):
        handle.result()
    disk.orchestrator(child)
    assert handle.result() == "well"
