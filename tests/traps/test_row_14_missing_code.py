"""Row 14: code that isn't there."""

import pytest

import durablenb as df
from tests.traps.lab import counted


@pytest.mark.parametrize("retried", [False, True])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("activity", "Did you mean 'crunch'"),
        ("sub_orchestrator", "The orchestrator 'crnch' isn't registered"),
    ],
)
def test_row_14_an_unknown_function_fails_at_once_and_is_never_tried_again(lab, kind, text, retried):
    lab.activity(lambda: None, "crunch")

    def mistaken(context):
        if retried:
            yield getattr(context, f"call_{kind}_with_retry")("crnch", df.RetryOptions(1_000, 10))
        else:
            yield getattr(context, f"call_{kind}")("crnch")

    handle, began = lab.start(mistaken), lab.clock.now()
    with pytest.raises(df.FunctionNotFoundError, match=text):
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
    def child(context):
        return (yield context.call_activity("crunch"))

    def asks(context):
        yield context.wait_for_external_event("go")
        return (yield context.call_sub_orchestrator(child, None, "c"))

    def crunch():
        return "well"

    disk.orchestrator(child)
    disk.activity(crunch)
    disk.begin(asks, instance_id="a")
    handle = disk.restart("a", without=("asks", "child", "crunch"))
    handle.raise_event("go")
    with pytest.raises(df.FunctionNotFoundError, match="a \\(asks\\) waits for 'asks': run the cell"):
        handle.result()
    disk.orchestrator(asks)
    with pytest.raises(df.FunctionNotFoundError, match="c \\(child\\) waits for 'child'"):
        handle.result()
    disk.orchestrator(child)
    with pytest.raises(df.FunctionNotFoundError, match="waits for 'crunch'"):
        handle.result()
    assert handle.status().runtime_status == "Running"
    disk.activity(crunch)
    assert handle.result() == "well"
