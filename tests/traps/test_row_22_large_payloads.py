"""Row 22: large payloads."""

import pytest

import durablenb as df

MEGABYTES_5 = "x" * 5 * 1024 * 1024


def test_row_22_five_megabytes_arrive_everywhere_and_a_purge_leaves_none_of_it(disk):
    """Input, activity, child, external event, output, custom status left out: that has a limit."""
    disk.activity(lambda text: text + "!", "echo")
    disk.orchestrator(lambda context: context.get_input() + "?", "child")

    def passes_on(context):
        text = yield context.call_activity("echo", context.get_input())
        text = yield context.call_sub_orchestrator("child", text)
        event = yield context.wait_for_external_event("more")
        assert event == MEGABYTES_5
        return text

    disk.begin(passes_on, MEGABYTES_5, instance_id="big")
    handle = disk.restart("big")
    handle.raise_event("more", MEGABYTES_5)
    assert handle.result(60) == MEGABYTES_5 + "!?"
    status = handle.status()
    assert status.input_ == MEGABYTES_5
    assert status.output == MEGABYTES_5 + "!?"
    handle.purge()
    assert disk.hub.sql("select coalesce(sum(length(payload)), 0) from history").fetchall() == [(0,)]


def test_row_22_large_tags_failures_and_carried_inputs(kernel):
    def again(context):
        if len(context.get_input()) < 10:
            context.continue_as_new(MEGABYTES_5)
            return
        raise ValueError(MEGABYTES_5)

    tags = {"note": MEGABYTES_5, "k" * 100_000: ""}
    handle = kernel.start(again, "", tags=tags)
    assert handle.wait(60).runtime_status == "Failed"
    status = handle.status()
    assert status.tags == tags
    assert status.input_ == MEGABYTES_5
    message = status.failure_details.message
    assert message.startswith("xxxx")
    assert message.endswith("xxxx")
    assert "characters cut" in message  # the middle of it
    assert len(message) < 70_000


def test_row_22_a_custom_status_has_azures_limit_and_says_so(lab):
    def large(context):
        context.set_custom_status("x" * context.get_input())
        return context.custom_status

    limit = 16 * 1024 // 2 - 2  # UTF-16, and two quotes
    assert lab.run(large, limit) == "x" * limit
    handle = lab.start(large, limit + 1)
    with pytest.raises(df.OrchestrationLimitError, match=r"must not exceed 16 KB\. The current payload size"):
        handle.result(10)
    assert handle.status().custom_status is None


def test_row_22_a_large_value_of_many_small_ones(kernel):
    kernel.activity(lambda value: value, "echo")

    def passes_on(context):
        return (yield context.call_activity("echo", context.get_input()))

    value = {"rows": [[number, str(number), number / 7, None, True] for number in range(5_000)]}
    assert kernel.run(passes_on, value) == value
