"""Row 27: what a rewind writes, and when it is refused."""

import pytest

import durablenb as df
from tests.traps.corpus import Switch, fail
from tests.traps.lab import kinds


@pytest.mark.parametrize("how", ["Running", "Completed", "Terminated", "Suspended"])
def test_row_27_only_what_failed_can_be_rewound(lab, how):
    def waits(context):
        yield context.wait_for_external_event("go")

    handle = lab.begin(waits)
    if how == "Completed":
        handle.raise_event("go")
        handle.result(10)
    elif how == "Terminated":
        handle.terminate()
    elif how == "Suspended":
        handle.suspend()
    before = handle.history()
    with pytest.raises(df.InstanceStateError, match=f"is {how}; only a failed one can be rewound"):
        handle.rewind()
    assert handle.history() == before


def test_row_27_nobody_cannot_be_rewound(lab):
    with pytest.raises(df.InstanceNotFoundError, match="nobody"):
        lab.client.rewind("nobody", "why")


def test_row_27_the_failed_attempt_stays_in_the_history_with_the_reason(lab, switch):
    def asks(context):
        return (yield context.call_activity("do", "a"))

    switch.broken = {"a"}
    handle = fail(lab.start(asks))
    before = list(handle.history())
    switch.broken = set()
    handle.rewind("mended")
    handle.result(10)
    after = list(handle.history())
    assert after[: len(before)] == before
    assert kinds(after[len(before) :])[:2] == ["ExecutionRewound", "ExecutionStarted"]
    assert after[len(before)].reason == "mended"
    assert [event.event_id for event in after] == list(range(1, len(after) + 1))
    assert [event["EventType"] for event in handle.status(show_history=True).history] == [
        *("ExecutionStarted", "TaskCompleted", "ExecutionCompleted")
    ]


def test_row_27_without_its_code_nothing_is_rewound(disk):
    switch = Switch(disk)

    @disk.orchestrator
    def child(context):
        yield context.call_activity("do", "a")

    def parent(context):
        yield context.call_sub_orchestrator(child, None, "child")

    switch.broken = {"a"}
    fail(disk.start(parent, instance_id="p"))
    before = disk.restart("p", without=("child",)).history()
    with pytest.raises(df.FunctionNotFoundError, match="The orchestrator 'child' isn't registered"):
        disk.hub.handle("p").rewind()
    assert disk.hub.handle("p").history() == before
