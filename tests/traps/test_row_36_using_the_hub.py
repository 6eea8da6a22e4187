"""Row 36: code that runs in a hub and uses it, too."""

import threading

import pytest

import durablenb as df
from tests.traps.lab import kinds


@pytest.mark.parametrize("what", ["raise", "start", "run", "result", "step", "terminate"])
def test_row_36_an_orchestrator_that_uses_the_hub_fails_and_does_not_hang(lab, what):
    """It is what an activity is for; waiting for oneself would last for ever."""
    lab.orchestrator(lambda context: "well", "other")

    def mistaken(context):
        yield context.wait_for_external_event("go")
        if what == "raise":
            lab.client.raise_event(context.instance_id, "go")
        elif what == "start":
            lab.start("other")
        elif what == "run":
            lab.hub.run("other")
        elif what == "result":
            lab.hub.handle(context.instance_id).result()
        elif what == "step":
            lab.hub.step()
        else:
            lab.client.terminate(context.instance_id)

    handle = lab.begin(mistaken)
    handle.raise_event("go")
    with pytest.raises(df.DurableError, match=r"An orchestrator can't use the hub|hub.step\(\) is for mode"):
        handle.result(10)
    assert kinds(handle.history())[-2:] == ["OrchestratorStarted", "ExecutionFailed"]
    assert lab.run("other") == "well"


def test_row_36_an_activity_may_use_the_hub(lab):
    lab.orchestrator(lambda context: context.get_input(), "other")
    lab.activity(lambda value: lab.start("other", value, instance_id="started").id, "starts")

    def asks(context):
        return (yield context.call_activity("starts", 5))

    assert lab.run(asks) == "started"
    assert lab.client.wait_for_completion("started", 10).output == 5


def test_row_36_an_inline_activity_of_a_threaded_hub_may_use_the_hub(threads):
    threads.orchestrator(lambda context: context.get_input(), "other")

    def asks(context):
        return (yield context.call_activity("starts inline", 5))

    threads._functions["activity", "starts inline"] = None
    threads.hub.add_activity(
        lambda value: threads.start("other", value, instance_id="started").id,
        "starts inline",
        executor="inline",
    )
    assert threads.run(asks) == "started"
    assert threads.client.wait_for_completion("started", 10).output == 5


def test_row_36_a_stuck_orchestrator_of_a_kernel_hub_can_be_interrupted(kernel):
    """The stop button: the instance has not failed, and goes on when its code is mended."""

    def stuck(context):
        while True:
            if threading.current_thread() is threading.main_thread():
                raise KeyboardInterrupt

    kernel.orchestrator(stuck, "code")
    handle = kernel.start("code")
    with pytest.raises(KeyboardInterrupt):
        handle.result()
    kernel.orchestrator(lambda context: "well", "code")
    assert handle.result() == "well"
